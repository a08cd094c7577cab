"""What becomes of a record depends on it alone: cut among others it gives what it gives by itself."""

import random

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from observer_core.brokers.kis.catalogue import Field, FieldType
from observer_core.lake import keyed_rows
from observer_core.lake.keyed_rows import split_by_key

FIELDS = (Field("prpr", "price", FieldType.INTEGER), Field("isnm", "name", FieldType.TEXT))
PLAIN = '{"prpr":"6990","isnm":"삼성"}'

# Record -> price, name, extra; nothing where it is no object.
CUT = {
    PLAIN: ("6990", "삼성", None),
    '{"prpr":"","isnm":"a"}': (None, "a", None),
    '{"isnm":"a"}': (None, "a", None),
    '{"prpr":null,"isnm":"null"}': (None, "null", None),
    '{"prpr":6990.0,"isnm":5}': ("6990.0", "5", None),
    '{"prpr":{"a": 1},"isnm":true}': ('{"a": 1}', "true", None),
    '{"prpr":"1","prpr":"2"}': ("1", None, ["prpr=2"]),
    '{"new":"abc","prpr":"1"}': ("1", None, ["new=abc"]),
    '{"new":"","prpr":"1"}': ("1", None, ["new="]),
    '{"b":1,"a":"x","b":2}': (None, None, ["b=1", "a=x", "b=2"]),
    '{"new":[1,  2],"f":1.10,"g":1e5,"h":-0,"n":null,"y":false}': (
        None, None, ["new=[1,  2]", "f=1.10", "g=1e5", "h=-0", "n=null", "y=false"],
    ),
    '{"new":{"a":1}}': (None, None, ['new={"a":1}']),
    '{"new":{"b":[{}]}}': (None, None, ['new={"b":[{}]}']),
    '{"new":123456789012345678901234567890}': (None, None, ["new=123456789012345678901234567890"]),
    '{"new":"a\\"b\\u00e9"}': (None, None, ['new=a"bé']),
    '{"new":"\\ud800"}': (None, None, ['new="\\ud800"']),
    '{"":"v","price":"1","a.b":"{"}': (None, None, ["=v", "price=1", "a.b={"]),
    ' { "prpr" : "1" , "isnm" : "a" } ': ("1", "a", None),
    "{}": (None, None, None),
    **dict.fromkeys(
        ["", "[]", "5", "null", '"x"', PLAIN + "x", PLAIN * 2, '{"a":NaN}', '{"a":1,}', '{"a"}', "{1:2}",
         '{,}', '{"a":01}', '{"a":"\t"}', "{" * 9, '{"a":' + "[" * 100_000 + "]" * 100_000 + "}"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("record", CUT, ids=lambda record: record[:40])
def test_a_value_that_is_not_known_is_kept_as_it_was_sent(record):
    """Numbers keep their text, a key that comes again is kept, and a key that is not there gives nothing."""
    values, objects = split_by_key(pl.Series([record]), FIELDS)
    expected = CUT[record]
    assert objects.to_list() == [expected is not None]
    assert values.row(0) == (expected or (None, None, None))


def test_a_record_is_cut_alike_in_any_company():
    """Plain records are cut together, and by the same rule as the others."""
    kept = [record for record in CUT if len(record) < 1000]
    for seed in range(60):
        chance = random.Random(seed)
        block = chance.choices([*kept, *[PLAIN] * len(kept)], k=30)
        values, objects = split_by_key(pl.Series(block), FIELDS)
        assert objects.to_list() == [CUT[record] is not None for record in block]
        assert values.rows() == [CUT[record] or (None, None, None) for record in block]


def test_plain_records_are_cut_together_as_they_would_be_one_by_one(monkeypatch):
    signs = [chr(number) for number in range(35, 900) if chr(number) != "\\"]
    block = pl.Series([f'{{"x":"-","prpr":"{sign}","y":"{sign}"}}' for sign in signs])
    one_by_one = keyed_rows._cut_one_by_one
    monkeypatch.setattr(keyed_rows, "_cut_one_by_one", None)
    together = split_by_key(block, FIELDS)
    monkeypatch.setattr(keyed_rows, "_cut_one_by_one", one_by_one)
    monkeypatch.setattr(keyed_rows, "_SHAPES", 0)
    apart = split_by_key(block, FIELDS)
    assert_frame_equal(together[0], apart[0])
    assert together[1].to_list() == apart[1].to_list() == [True] * len(block)


def test_no_records_give_the_same_columns():
    values, objects = split_by_key(pl.Series([], dtype=pl.String), FIELDS)
    assert values.columns == ["price", "name", "extra"]
    assert values.is_empty()
    assert objects.is_empty()
