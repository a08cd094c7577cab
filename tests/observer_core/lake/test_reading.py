"""Blocks of a segment, their envelopes, and what puts rows in order."""

import io
import threading
from contextlib import closing

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observer_core.lake.ahead import made_ahead
from observer_core.lake.merging import symbol_ranges
from observer_core.lake.ordering import in_order, is_in_order
from observer_core.lake.reading import open_envelopes, read_blocks


@settings(deadline=None)
@given(
    st.lists(st.binary(max_size=12).map(lambda text: text.replace(b"\n", b" ")), max_size=12),
    st.integers(1, 40),
    st.booleans(),
)
def test_blocks_give_every_line_once_whatever_their_size(lines, block_bytes, ends):
    content = b"\n".join(lines) + (b"\n" if ends and lines else b"")
    expected = content.split(b"\n")[
        : content.count(b"\n") + (0 if content.endswith(b"\n") or not content else 1)
    ]
    found = {}
    for block in read_blocks(io.BytesIO(content), block_bytes=block_bytes):
        for index in range(len(block.ends)):
            found[block.first_line + index] = block.line(index)
    assert [found[number] for number in sorted(found)] == expected
    assert sorted(found) == list(range(len(expected)))


def test_a_whole_block_and_one_with_a_bad_line_give_the_same_envelopes(journal):
    lines = [
        journal.trade(),
        journal.swing(inter_kor_isnm='"삼성"\\^\n'),
        journal.bytes_line("H0X", "k", b"\xff"),
    ]
    encoded = [line.encode() for line in lines]
    [whole] = read_blocks(io.BytesIO(b"".join(encoded)))
    [spoiled] = read_blocks(io.BytesIO(encoded[0] + encoded[1] + b"junk\n" + encoded[2]))
    opened, beside = open_envelopes(whole, verify=True), open_envelopes(spoiled, verify=False)
    assert opened.unreadable == []
    assert [(line.index, line.reason) for line in beside.unreadable] == [(2, "not_json")]
    assert beside.frame.drop("index").equals(opened.frame.drop("index"))
    assert beside.frame["index"].to_list() == [0, 1, 3]
    assert opened.frame["payload"].to_list() == [line["payload"] for line in lines]
    assert opened.frame["wall_ns"].to_list() == [line["wall_ns"] for line in lines]


def test_every_single_bit_of_a_line_is_protected(journal):
    line = journal.trade().encode()
    other = journal.trade().encode()
    for position in range(len(line) - 1):
        for bit in (0, 3, 7):
            spoiled = line[:position] + bytes([line[position] ^ 1 << bit]) + line[position + 1 :]
            [block] = read_blocks(io.BytesIO(spoiled.replace(b"\n", b"", spoiled.count(b"\n") - 1) + other))
            opened = open_envelopes(block, verify=True)
            readable = opened.frame["frame"].to_list()
            assert (len(opened.unreadable), len(readable)) == (1, 1), (position, bit)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.integers(0, 3)), max_size=20))
def test_rows_are_put_in_order_by_all_keys(rows):
    frame = pl.DataFrame(rows, schema={"x": pl.String, "y": pl.Int64, "z": pl.Int64}, orient="row")
    ordered = in_order(frame, ("x", "y", "z"))
    assert ordered.rows() == sorted(rows)
    assert is_in_order(ordered, ("x", "y", "z"))
    assert is_in_order(frame, ("x", "y", "z")) is (rows == sorted(rows))


@settings(deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=3), st.integers(1, 9), max_size=12), st.integers(1, 20))
def test_ranges_cover_every_symbol_once(rows, chunk_rows):
    ranges = list(symbol_ranges(rows, chunk_rows))
    covered = [symbol for first, last in ranges for symbol in sorted(rows) if first <= symbol <= last]
    assert covered == sorted(rows)


def test_made_ahead_keeps_the_order_and_hands_a_failure_on():
    def items():
        yield from range(3)
        raise OSError("the disk")

    for number in (1, 3, 9):
        assert list(made_ahead(iter(range(5)), number)) == [0, 1, 2, 3, 4]
        taken = []
        with pytest.raises(OSError, match="the disk"):
            taken.extend(made_ahead(items(), number))
        assert taken == [0, 1, 2], "what came before the failure has been handed over"


def test_made_ahead_leaves_nothing_at_work_once_it_is_closed():
    ended = []

    def items():
        try:
            yield from range(100)
        finally:
            ended.append(threading.current_thread())

    with closing(made_ahead(items(), 3)) as ahead:
        assert next(ahead) == 0
    assert ended == [threading.current_thread()]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lake-ahead")]
