"""Files are replaced whole, the same input gives the same bytes, and a crash leaves old or new."""

import hashlib
from datetime import datetime, timedelta

import polars as pl
import pytest
from dying_storage import DyingStorage, Killed

from observer_core.clock import KST
from observer_core.lake.compaction import (
    bars_are_current,
    build_bars,
    close_day,
    compact_hour,
    hours_to_compact,
    is_closed,
    open_hours,
    receipts,
    unsealed_segments,
)
from observer_core.lake.parquet import read_sources
from observer_core.lake.readers import scan, sources, table_days, table_files
from observer_core.lake.schemas import JOURNAL_TABLES, SCHEMAS, Table

TABLES = (*JOURNAL_TABLES, Table.BARS_1M)


def content(paths, day):
    """Returns what a reader sees: for each table its rows as a set of identities."""
    seen = {}
    for table in TABLES:
        rows = scan(paths, table, day).select(SCHEMAS[table].unique_key).collect().rows()
        assert len(rows) == len(set(rows)), f"a reader sees a row of {table} twice"
        seen[table] = frozenset(rows)
    return seen


def digests(root):
    """Returns the SHA-256 of every file below a folder that a reader may see."""
    files = sorted(path for path in root.rglob("*") if path.is_file() and ".work" not in path.parts)
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def write_hour(journal, hour, *, sequence=1, minute=0, extra=0):
    """Writes a segment with rows of several tables and one bad record."""
    lines = [
        journal.trade(
            journal.changed(
                journal.trade_47, p1=f"{hour:02d}{minute:02d}{n:02d}", p13=10_000 * hour + 100 * sequence + n
            )
        )
        for n in range(5 + extra)
    ]
    lines += [
        journal.line("H0STASP0", "005930", journal.book_62),
        journal.trade("bad"),
        journal.control("gap"),
    ]
    journal.segment(lines, hour=hour, sequence=sequence)


def test_the_same_segments_give_the_same_bytes(paths, journal):
    write_hour(journal, 9)
    write_hour(journal, 9, sequence=2)
    compact_hour(paths, journal.day, 9)
    build_bars(paths, journal.day)
    first = digests(paths.lake)
    assert {name.split("/")[1] for name in first} == {
        "scalp_trades",
        "scalp_quotes",
        "gaps",
        "bars_1m",
        "receipts",
    }
    compact_hour(paths, journal.day, 9)
    build_bars(paths, journal.day)
    assert digests(paths.lake) == first


def test_a_late_segment_gives_the_bytes_that_a_punctual_one_would_have(paths, journal, tmp_path):
    write_hour(journal, 9)
    compact_hour(paths, journal.day, 9)
    early = digests(paths.lake)
    write_hour(journal, 9, sequence=2, extra=3)
    assert hours_to_compact(paths, journal.day) == [9]
    compact_hour(paths, journal.day, 9)
    late = digests(paths.lake)
    assert late != early
    assert scan(paths, Table.SCALP_TRADES, journal.day).collect().height == 13
    for path in table_files(paths, Table.SCALP_TRADES, journal.day):
        path.unlink()
    compact_hour(paths, journal.day, 9)
    assert digests(paths.lake) == late


def test_a_file_names_the_segments_that_it_was_made_from(paths, journal):
    write_hour(journal, 9)
    write_hour(journal, 9, sequence=2, extra=1)
    compact_hour(paths, journal.day, 9)
    [file] = table_files(paths, Table.SCALP_TRADES, journal.day)
    found = read_sources(file)
    assert [(source.segment, source.hour, source.rows) for source in found] == [
        ("0_09_000001.jsonl", 9, 5), ("0_09_000002.jsonl", 9, 6),
    ]  # fmt: skip
    folder = paths.data / "assets/scalp" / f"{journal.day:%Y%m%d}"
    assert [source.sha256 for source in found] == [
        hashlib.sha256((folder / source.segment).read_bytes()).hexdigest() for source in found
    ]


def test_a_file_tells_description_unit_and_source_of_its_columns(paths, journal):
    import pyarrow.parquet as pq

    write_hour(journal, 9)
    compact_hour(paths, journal.day, 9)
    [file] = table_files(paths, Table.SCALP_TRADES, journal.day)
    field = pq.read_schema(file).field("price")
    assert field.metadata[b"unit"] == b"KRW"
    assert field.metadata[b"source"] == b"stck_prpr"
    assert field.metadata[b"description"].endswith(b".")


def test_an_hour_is_open_once_it_is_over_and_sealed_until_it_is_compacted(paths, journal):
    write_hour(journal, 9)
    write_hour(journal, 10)
    write_hour(journal, 11)
    journal.segment([journal.trade()], hour=10, sequence=2, seal=False)
    nine_over = datetime(2026, 9, 22, 10, tzinfo=KST)
    assert open_hours(paths, journal.day, nine_over - timedelta(microseconds=1)) == []
    assert open_hours(paths, journal.day, nine_over) == [9]
    assert open_hours(paths, journal.day, nine_over + timedelta(hours=2)) == [9, 11]
    assert [name.stem for name in unsealed_segments(paths, journal.day)] == ["0_10_000002"]
    compact_hour(paths, journal.day, 9)
    assert open_hours(paths, journal.day, nine_over + timedelta(hours=2)) == [11]
    assert hours_to_compact(paths, journal.day) == [10, 11]


def test_an_hour_whose_lines_are_all_bad_is_not_compacted_for_ever(paths, journal):
    journal.segment([journal.trade("bad")], hour=9)
    result = compact_hour(paths, journal.day, 9)
    assert (result.rows, result.quarantined) == ({}, {"width_too_small": 1})
    assert hours_to_compact(paths, journal.day) == []


def test_an_hour_without_segments_changes_nothing(paths, journal):
    result = compact_hour(paths, journal.day, 9)
    assert (result.records, result.files, receipts(paths, journal.day)) == (0, (), {})


def test_the_day_takes_over_from_the_hours_with_the_same_rows(paths, journal):
    for hour in (9, 10, 13):
        write_hour(journal, hour)
        compact_hour(paths, journal.day, hour)
    build_bars(paths, journal.day)
    before = content(paths, journal.day)
    before_sources = sources(paths, Table.SCALP_TRADES, journal.day)
    result = close_day(paths, journal.day)
    assert content(paths, journal.day) == before
    assert sources(paths, Table.SCALP_TRADES, journal.day) == before_sources
    assert result.rows == {"bars_1m": 3, "gaps": 3, "scalp_quotes": 3, "scalp_trades": 15}
    assert (result.records, result.quarantined) == (3 * 7, 3)
    assert is_closed(paths, journal.day)
    assert not list((paths.lake / "open").rglob("*.parquet"))
    assert pl.read_parquet(paths.lake / "scalp_trades/**/*.parquet").height == 15
    assert table_days(paths, Table.SCALP_TRADES) == [journal.day]


def test_closing_compacts_what_is_left_and_tells_what_is_unsealed(paths, journal):
    write_hour(journal, 9)
    journal.segment([journal.trade()], hour=10, seal=False)
    result = close_day(paths, journal.day)
    assert result.rows["scalp_trades"] == 5
    assert result.unsealed == ("0_10_000001",)


def test_closing_a_day_without_data_leaves_it_open(paths, journal):
    result = close_day(paths, journal.day)
    assert (result.files, result.records) == ({}, 0)
    assert not is_closed(paths, journal.day)


def test_closing_twice_changes_nothing(paths, journal):
    write_hour(journal, 9)
    close_day(paths, journal.day)
    first = digests(paths.lake)
    assert close_day(paths, journal.day).rows == {
        "bars_1m": 1,
        "gaps": 1,
        "scalp_quotes": 1,
        "scalp_trades": 5,
    }
    assert digests(paths.lake) == first


def test_a_late_segment_of_a_closed_day_gives_the_bytes_of_a_day_closed_later(paths, journal):
    write_hour(journal, 9)
    write_hour(journal, 10)
    close_day(paths, journal.day)
    write_hour(journal, 9, sequence=2, extra=2)
    assert open_hours(paths, journal.day, datetime(2026, 9, 22, 21, tzinfo=KST)) == [9]
    result = compact_hour(paths, journal.day, 9)
    assert result.into_closed_day
    assert not bars_are_current(paths, journal.day)
    build_bars(paths, journal.day)
    assert bars_are_current(paths, journal.day)
    merged = digests(paths.lake)
    assert hours_to_compact(paths, journal.day) == []
    for path in paths.lake.rglob("*"):
        if path.is_file():
            path.unlink()
    close_day(paths, journal.day)
    assert digests(paths.lake) == merged


def test_a_late_segment_keeps_the_rows_of_segments_that_have_left_the_journal(paths, journal):
    write_hour(journal, 9)
    write_hour(journal, 9, sequence=2)
    close_day(paths, journal.day)
    for path in (paths.data / "assets/scalp" / f"{journal.day:%Y%m%d}").glob("0_09_000001*"):
        path.unlink()
    write_hour(journal, 9, sequence=3)
    compact_hour(paths, journal.day, 9)
    frame = scan(paths, Table.SCALP_TRADES, journal.day).group_by("segment").len().sort("segment").collect()
    assert frame["len"].to_list() == [5, 5, 5]
    assert receipts(paths, journal.day)[9].records == 21


def killed_at_each_step(action):
    """Runs an action until it survives, killed before and after each of its changes in turn."""
    for after in (False, True):
        step = 1
        while True:
            try:
                action(DyingStorage(step, after=after))
            except Killed:
                yield step
                step += 1
            else:
                assert step > 3
                break


@pytest.mark.parametrize("closed", [False, True])
def test_killing_the_compaction_of_a_late_segment_leaves_old_or_new_in_each_table(
    paths, journal, tmp_path, closed
):
    import shutil

    write_hour(journal, 9)
    if closed:
        close_day(paths, journal.day)
    else:
        compact_hour(paths, journal.day, 9)
    old = content(paths, journal.day)
    shutil.copytree(paths.lake, tmp_path / "before")
    write_hour(journal, 9, sequence=2, extra=2)
    compact_hour(paths, journal.day, 9)
    new = content(paths, journal.day)
    final = digests(paths.lake)

    def compact(storage):
        shutil.rmtree(paths.lake)
        shutil.copytree(tmp_path / "before", paths.lake)
        compact_hour(paths, journal.day, 9, storage=storage)

    for _ in killed_at_each_step(compact):
        seen = content(paths, journal.day)
        assert all(seen[table] in (old[table], new[table]) for table in TABLES)
        # The next run finds the hour undone, or done completely.
        for hour in hours_to_compact(paths, journal.day):
            compact_hour(paths, journal.day, hour)
        assert digests(paths.lake) == final


def test_killing_the_close_leaves_the_same_rows_and_the_next_close_finishes(paths, journal, tmp_path):
    import shutil

    for hour in (9, 10):
        write_hour(journal, hour)
        compact_hour(paths, journal.day, hour)
    build_bars(paths, journal.day)
    rows = content(paths, journal.day)
    shutil.copytree(paths.lake, tmp_path / "before")
    close_day(paths, journal.day)
    final = digests(paths.lake)

    def close(storage):
        shutil.rmtree(paths.lake)
        shutil.copytree(tmp_path / "before", paths.lake)
        close_day(paths, journal.day, storage=storage)

    for _ in killed_at_each_step(close):
        assert content(paths, journal.day) == rows
        close_day(paths, journal.day)
        assert content(paths, journal.day) == rows
        assert digests(paths.lake) == final


def test_a_late_segment_between_a_killed_close_and_the_next_one_is_not_lost(paths, journal):
    write_hour(journal, 9)
    compact_hour(paths, journal.day, 9)
    with pytest.raises(Killed):
        close_day(paths, journal.day, storage=DyingStorage(1, after=True))
    assert not is_closed(paths, journal.day)
    write_hour(journal, 9, sequence=2)
    compact_hour(paths, journal.day, 9)
    assert close_day(paths, journal.day).rows["scalp_trades"] == 10
    assert scan(paths, Table.SCALP_TRADES, journal.day).collect().height == 10


def test_a_lost_day_receipt_loses_no_row_of_the_day(paths, journal):
    write_hour(journal, 9)
    close_day(paths, journal.day)
    for path in (paths.data / "assets/scalp" / f"{journal.day:%Y%m%d}").glob("0_09_000001*"):
        path.unlink()
    paths.lake_day_receipt(journal.day).unlink()
    write_hour(journal, 9, sequence=2)
    close_day(paths, journal.day)
    assert scan(paths, Table.SCALP_TRADES, journal.day).collect().height == 10


def test_unfinished_files_of_a_killed_run_are_cleared(paths, journal):
    write_hour(journal, 9)
    leftover = paths.lake_work(journal.day) / "scalp_trades.parquet"
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"half")
    compact_hour(paths, journal.day, 9)
    assert not leftover.exists()
    assert scan(paths, Table.SCALP_TRADES, journal.day).collect().height == 5


def test_an_older_file_without_a_column_is_read_with_nulls(paths, journal):
    write_hour(journal, 9)
    compact_hour(paths, journal.day, 9)
    [file] = table_files(paths, Table.SCALP_TRADES, journal.day)
    pl.read_parquet(file).drop("market_session").write_parquet(file)
    frame = scan(paths, Table.SCALP_TRADES, journal.day).collect()
    assert frame["market_session"].null_count() == 5
    assert frame.columns == SCHEMAS[Table.SCALP_TRADES].polars.names()


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("table", [Table.SCALP_TRADES, Table.SCALP_QUOTES])
def test_a_lost_file_is_made_anew_while_the_journal_has_its_segments(paths, journal, table, closed):
    """Whatever the receipts say: the next run finds the hours whose rows are not there."""
    for hour in (9, 10):
        write_hour(journal, hour)
        compact_hour(paths, journal.day, hour)
    if closed:
        close_day(paths, journal.day)
    whole = digests(paths.lake)
    lost = table_files(paths, table, journal.day)
    lost[0].unlink()
    assert hours_to_compact(paths, journal.day) == ([9, 10] if closed else [9])
    for hour in hours_to_compact(paths, journal.day):
        compact_hour(paths, journal.day, hour)
    assert digests(paths.lake) == whole
    assert hours_to_compact(paths, journal.day) == []
