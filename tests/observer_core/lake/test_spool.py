"""The spool: lines of many segments come out in one order, in chunks that memory holds."""

from itertools import pairwise

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from observer_core.lake.schemas import Table
from observer_core.lake.spool import Spool

keys = st.sampled_from(["", "000660", "005930", "035720", "한"])
identities = st.lists(st.tuples(keys, st.integers(0, 3), st.integers(0, 50)), max_size=60, unique=True)
lengths = st.sampled_from([0, 1, 11, 12, 13, 40])


@settings(deadline=None)
@given(
    st.lists(identities, max_size=4),
    st.integers(1, 30),
    st.tuples(st.integers(0, 6_000), st.sampled_from([0, 4_000, 10**6])),
    lengths,
)
def test_the_spool_gives_back_every_line_in_order(tmp_path_factory, parts, range_lines, memory, length):
    """Each with its own payload, whether it stayed in memory or lay in a file."""
    spool = Spool(
        tmp_path_factory.mktemp("spool"),
        range_lines=range_lines,
        waiting_bytes=memory[0],
        memory_bytes=memory[1],
    )
    for number, rows in enumerate(parts):
        frame = pl.DataFrame(
            rows, schema={"key": pl.String, "epoch": pl.Int64, "frame": pl.Int64}, orient="row"
        )
        spool.add(
            Table.SCALP_TRADES,
            frame.with_columns(
                provider=pl.lit("kis"),
                shard=pl.lit(str(number)),
                record=pl.lit(0),
                # Of some lines only, and first or not: a column that is not the same throughout.
                encoding=pl.when(pl.col("frame") % 3 == 0).then(pl.lit("base64")),
                payload=pl.Series([payload_of(*row, number, length) for row in rows], dtype=pl.String),
            ),
        )
    taken = list(spool_ranges(spool))
    ranges = [
        list(lines.frame.select("key", "shard", "epoch", "frame", "payload", "encoding").rows())
        for lines in taken
    ]
    expected = sorted(
        (
            row[0],
            str(number),
            row[1],
            row[2],
            payload_of(*row, number, length),
            None if row[2] % 3 else "base64",
        )
        for number, rows in enumerate(parts)
        for row in rows
    )
    assert [row for rows in ranges for row in rows] == expected
    for lines in taken:
        assert lines.text.decode() == "".join(f"{payload}\n" for payload in lines.frame["payload"])
    for rows in ranges:
        assert len(rows) <= range_lines


def payload_of(key, epoch, frame, shard, length):
    """A payload that tells its line, of the length wanted where that is enough to."""
    return f"{frame}^{epoch}^{shard}^{key}".ljust(length, "호")[: max(length, frame % 3)]


def spool_ranges(spool):
    return spool.take(Table.SCALP_TRADES) if spool.tables else []


@settings(deadline=None)
@given(
    st.lists(st.dictionaries(keys, st.integers(1, 12), min_size=1), min_size=1, max_size=5),
    st.integers(12, 60),
)
def test_a_chunk_ends_only_where_the_next_lines_do_not_fit(tmp_path_factory, runs, range_lines):
    """Of what one shard wrote, which is run after run."""
    spool = Spool(tmp_path_factory.mktemp("spool"), range_lines=range_lines, waiting_bytes=1)
    for number, run in enumerate(runs):
        spool.add(Table.SCALP_TRADES, lines(number, run))
    heights = [taken.frame.height for taken in spool.take(Table.SCALP_TRADES)]
    assert sum(heights) == sum(sum(run.values()) for run in runs)
    for one, other in pairwise(heights):
        assert one <= range_lines < one + other


def test_a_symbol_is_cut_where_one_run_ends_and_the_next_begins(tmp_path):
    spool = Spool(tmp_path, range_lines=10, waiting_bytes=1)
    for number in range(3):
        spool.add(Table.SCALP_TRADES, lines(number, {"000660": 3, "005930": 4, "035720": 1}))
    chunks = [taken.frame.select("key", "epoch").rows() for taken in spool.take(Table.SCALP_TRADES)]
    assert chunks == [
        [("000660", 0)] * 3 + [("000660", 1)] * 3 + [("000660", 2)] * 3,
        [("005930", 0)] * 4 + [("005930", 1)] * 4,
        [("005930", 2)] * 4 + [("035720", 0), ("035720", 1), ("035720", 2)],
    ]


def test_lines_of_runs_that_alternate_are_put_in_order_before_they_are_cut(tmp_path):
    spool = Spool(tmp_path, range_lines=4, waiting_bytes=1)
    for number in (1, 0):
        spool.add(Table.SCALP_TRADES, lines(0, {"005930": 5}, first=number, step=2))
    frames = [taken.frame["frame"].to_list() for taken in spool.take(Table.SCALP_TRADES)]
    assert frames == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_gaps_are_never_cut(tmp_path):
    """Their symbols stand in their payloads."""
    spool = Spool(tmp_path, range_lines=4, waiting_bytes=1)
    for number in range(3):
        spool.add(Table.GAPS, lines(number, {"": 5}))
    assert [taken.frame.height for taken in spool.take(Table.GAPS)] == [15]


def lines(epoch, counts, *, first=0, step=1):
    """Lines of one connection, so many of each key."""
    rows = [(key, first + step * place) for key, count in counts.items() for place in range(count)]
    return pl.DataFrame(rows, schema={"key": pl.String, "frame": pl.Int64}, orient="row").with_columns(
        provider=pl.lit("kis"),
        shard=pl.lit("1"),
        epoch=pl.lit(epoch, pl.Int64),
        record=pl.lit(0),
        payload=pl.lit(f"payload of {epoch}"),
    )
