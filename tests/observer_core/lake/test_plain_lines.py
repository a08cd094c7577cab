"""Lines opened by their form against the same lines read as JSON."""

import io
import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observer_core.brokers.kis.catalogue import CHANNELS
from observer_core.errors import ConservationError
from observer_core.journal import LineBuilder, Received
from observer_core.lake.merging import last_row, refuse_doubles
from observer_core.lake.plain_lines import open_plain
from observer_core.lake.reading import open_envelopes, read_blocks
from observer_core.lake.schemas import SCHEMAS, Table
from observer_core.lake.splitting import RaggedRecordsError, likely_width, split_by_position

NAMES = ("v", "provider", "shard", "epoch", "frame", "record", "wall_ns", "channel", "key", "payload")

numbers = st.one_of(st.integers(0, 120), st.integers(0, 2**63 - 1))
texts = st.one_of(
    st.text("0123456789^.-A ", max_size=40), st.text('a"\\\n\t한é\x7f', max_size=6), st.text(max_size=4)
)
line_values = st.tuples(
    numbers,
    numbers,
    st.integers(-1, 12),
    numbers,
    numbers,
    st.sampled_from(["H0STCNT0", "H0STASP0", "_control", "FHKST11300006"]),
    st.one_of(st.sampled_from(["005930", "0000J0", "", "A" * 13]), texts),
    texts,
)


def built(values, shard="0"):
    epoch, frame, record, wall, mono, channel, key, payload = values
    return LineBuilder("kis", shard).any(Received(epoch, frame, wall, mono), record, channel, key, payload)


def opened(content):
    [block] = read_blocks(io.BytesIO(content))
    return block, open_plain(block.buffer, block.ends)


@settings(deadline=None, max_examples=300)
@given(st.lists(line_values, min_size=1, max_size=30), st.integers(0, 30))
def test_every_line_has_the_values_that_json_gives_whatever_way_it_was_opened(lines, plain):
    """Each line comes back with the values of its JSON, plain or not."""
    ordinary = [built((1, n, 0, 10**18 + n, n, "H0STCNT0", "005930", "a^b")) for n in range(plain)]
    encoded = [*ordinary, *map(built, lines)]
    [block] = read_blocks(io.BytesIO(b"".join(encoded)))
    found = open_envelopes(block, verify=False)
    assert found.unreadable == []
    assert found.frame["index"].to_list() == list(range(len(encoded)))
    expected = [tuple(json.loads(line)[name] for name in NAMES) for line in encoded]
    assert found.frame.select(NAMES).rows() == expected


@pytest.mark.parametrize("place", range(19))
def test_a_number_with_anything_but_digits_is_left_to_the_reader_of_json(place):
    """At each place of a long number, and for each byte; the lines around it are opened."""
    number = 4_611_686_018_427_387_904
    ordinary = built((1, 7, 0, number, number, "H0STCNT0", "005930", "1^2"))
    for byte in range(128):
        if chr(byte) in '0123456789\n"\\':
            continue
        start = ordinary.index(b'"wall_ns":') + len(b'"wall_ns":') + place
        odd = ordinary[:start] + bytes([byte]) + ordinary[start + 1 :]
        _, found = opened(ordinary * 9 + odd + ordinary * 9)
        assert found is not None
        assert found.others.tolist() == [9]
        assert found.frame["wall_ns"].to_list() == [number] * 18


def test_plain_lines_of_several_forms_are_all_opened():
    """Growing numbers, other channels and short payloads need no reader of JSON."""
    lines = [
        built((1 + n % 2, 8 + n, n % 11, 10**18 + n, 95 + n, channel, key, payload))
        for n in range(200)
        for channel, key, payload in (("H0STCNT0", "005930", "1^2^3^4^5^6^7"), ("H0STMKO0", "J1", "1^2"))
    ]
    _, found = opened(b"".join(lines))
    assert found is not None
    assert len(found.others) == 0
    expected = [tuple(json.loads(line)[name] for name in NAMES) for line in lines]
    assert found.frame.select(NAMES).rows() == expected


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (b'"epoch":7,', b'"epoch":07,'),
        (b'"epoch":7,', b'"epoch":x,'),
        (b'"frame":3', b'"frame":+'),
        (b'"record"', b'"rekord"'),
        (b'{"v":1', b'{"v":2'),
        (b'"channel":"H0STCNT0"', b'"channel": "H0STCNT"'),
        (b'"shard":"0"', b'"shard":"1"'),
        (b'"}\n', b'" \n'),
        (b'"crc"', b'"crx"'),
    ],
)
def test_a_line_of_another_form_is_left_to_the_reader_of_json(good, bad):
    """One changed byte of the envelope is enough for a line not to count as plain."""
    lines = [built((7, 10 + n, 0, 10**18, 10, "H0STCNT0", "005930", "1^2^3")) for n in range(40)]
    assert good in lines[20]
    lines[20] = lines[20].replace(good, bad)
    _, found = opened(b"".join(lines))
    assert found is not None
    assert found.others.tolist() == [20]
    assert found.frame["frame"].to_list() == [10 + n for n in range(40) if n != 20]


def test_a_quote_inside_a_text_sends_the_block_to_the_reader_of_json():
    """A quote more than the form has may stand anywhere, so nothing is taken for plain."""
    lines = [built((7, 10 + n, 0, 10**18, 10, "H0STCNT0", "005930", "1^2^3")) for n in range(40)]
    lines[3] = lines[3].replace(b"1^2^3", b'1"2^3')
    assert opened(b"".join(lines))[1] is None


def test_payloads_outlive_the_block_they_were_read_from():
    """A payload is a view of the block's bytes, which stay as long as it does."""
    payloads = [f"{n:06d}^" + "7" * 50 for n in range(3000)]
    lines = [built((1, n, 0, 10**18, 1, "H0STCNT0", "005930", payload)) for n, payload in enumerate(payloads)]
    content = b"".join(lines)
    series: list[pl.Series] = [opened(content)[1].frame["payload"] for _ in range(5)]
    del content, lines
    assert all(found.to_list() == payloads for found in series)


def test_records_of_unequal_width_are_not_cut_together():
    """One value more in one record and one less in another do not make up for each other."""
    text = b"1^2^3\n1^2\n1^2^3^4\n"
    assert likely_width(text, 3) == 3
    with pytest.raises(RaggedRecordsError):
        split_by_position(text, 3, CHANNELS["H0STCNT0"].fields[:3], 3)
    assert likely_width(b"1^2^3\n1^2\n", 2) is None


def test_a_line_that_is_stored_twice_is_found_where_its_symbol_was_cut():
    """The last row of a chunk is compared with the first one of the next."""
    schema = SCHEMAS[Table.RAW_RECORDS]
    values = {"symbol": "005930", "provider": "kis", "shard": "0", "epoch": 1, "record": 0, "segment": "s"}
    first, second = (
        pl.DataFrame(
            [{name: {**values, "frame": frame}.get(name) for name in schema.polars}], schema=schema.polars
        )
        for frame in (7, 8)
    )
    refuse_doubles(second, schema, last_row(first, schema))
    with pytest.raises(ConservationError, match="frame 7"):
        refuse_doubles(first, schema, last_row(first, schema))
    with pytest.raises(ConservationError, match="comes after"):
        refuse_doubles(first, schema, last_row(second, schema))
