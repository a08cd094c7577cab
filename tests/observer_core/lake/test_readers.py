"""A day that is closed between the question and its answer, or meanwhile, is read whole, each row once."""

import random

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from observer_core.errors import StorageError
from observer_core.lake import parquet, readers
from observer_core.lake.compaction import close_day, compact_hour
from observer_core.lake.readers import scan, scan_days
from observer_core.lake.schemas import SCHEMAS, Table

HOURS = (9, 10, 11)
TRADES_AN_HOUR = 4


@pytest.fixture
def open_day(paths, journal):
    """A day of three hours that is not closed yet."""
    for hour in HOURS:
        lines = [
            journal.trade(journal.changed(journal.trade_47, p1=f"{hour:02d}000{n}", p13=100 * hour + n))
            for n in range(TRADES_AN_HOUR)
        ]
        journal.segment(lines, hour=hour)
        compact_hour(paths, journal.day, hour)
    return journal.day


def volumes(rows):
    return sorted(rows.select("cumulative_volume").collect()["cumulative_volume"].to_list())


EVERY = sorted(100 * hour + n for hour in HOURS for n in range(TRADES_AN_HOUR))


def test_a_question_put_before_the_close_is_answered_after_it(paths, open_day):
    rows = scan(paths, Table.SCALP_TRADES, open_day)
    assert volumes(rows) == EVERY
    close_day(paths, open_day)
    assert volumes(rows) == EVERY


def test_hours_that_go_between_listing_and_opening_are_read_from_the_day(paths, open_day, monkeypatch):
    listed = readers.table_files
    closes = iter([close_day])

    def list_and_close(*arguments):
        files = listed(*arguments)
        for close in closes:
            close(paths, open_day)
        return files

    monkeypatch.setattr(readers, "table_files", list_and_close)
    assert volumes(scan(paths, Table.SCALP_TRADES, open_day)) == EVERY
    assert not list(paths.lake_open_day(Table.SCALP_TRADES, open_day).glob("**/*.parquet"))


def test_hours_that_go_while_they_are_read_are_read_to_their_end(paths, open_day, monkeypatch):
    looked_at = parquet.require_whole
    closes = iter([close_day])

    def look_and_close(file):
        looked_at(file)
        for close in closes:
            close(paths, open_day)

    monkeypatch.setattr(parquet, "require_whole", look_and_close)
    assert volumes(scan(paths, Table.SCALP_TRADES, open_day)) == EVERY
    assert not list(paths.lake_open_day(Table.SCALP_TRADES, open_day).glob("**/*.parquet"))


def test_what_is_listed_and_never_there_is_an_error_with_a_remedy(paths, open_day, monkeypatch):
    gone = paths.lake_hour(Table.SCALP_TRADES, open_day, 23)
    monkeypatch.setattr(readers, "table_files", lambda *_: (gone,))
    with pytest.raises(StorageError, match="vanish while they are opened"):
        scan(paths, Table.SCALP_TRADES, open_day).collect()


def test_days_are_listed_when_rows_are_asked_for(paths, open_day):
    days = []
    rows = scan_days(paths, Table.SCALP_TRADES, lambda: days)
    assert rows.collect().schema == SCHEMAS[Table.SCALP_TRADES].polars
    days.append(open_day)
    assert volumes(rows) == EVERY


def test_a_question_gets_its_columns_its_rows_and_not_more(paths, open_day):
    """Whatever polars hands down to the files: no column, a number of rows, the same table twice."""
    rows = scan(paths, Table.SCALP_TRADES, open_day)
    assert rows.select(pl.len()).collect().item() == len(EVERY)
    assert rows.head(5).collect().height == 5
    assert rows.filter(pl.col("cumulative_volume") >= 1100).head(2).collect().height == 2
    assert rows.filter(pl.col("symbol") == "none").collect().is_empty()
    twice = rows.join(rows.select("cumulative_volume"), on="cumulative_volume").collect()
    assert twice.height == len(EVERY)
    gaps = scan(paths, Table.GAPS, open_day)
    both = pl.concat([rows.select("symbol"), gaps.select("symbol"), rows.select("symbol")]).collect()
    assert both.height == 2 * len(EVERY)


CONDITIONS = (
    pl.col("cumulative_volume") > 1000,
    pl.col("cumulative_volume") % 2 == 1,
    pl.col("time").dt.hour() < 2,
    pl.col("symbol") == "005930",
)


def step(chance):
    """Returns what a question may do to rows."""
    number, start = chance.choice((1, 3, 6, 9, 99)), chance.choice((0, 2, 5, -3, -99))
    condition = chance.choice(CONDITIONS)
    return chance.choice(
        (
            lambda rows: rows.head(number),
            lambda rows: rows.head(number),
            lambda rows: rows.tail(number),
            lambda rows: rows.slice(start, number),
            lambda rows: rows.filter(condition),
            lambda rows: rows.filter(condition),
            lambda rows: rows.select("time", "cumulative_volume", "symbol"),
            lambda rows: rows.with_columns(twice=pl.col("cumulative_volume") * 2).drop("twice"),
        )
    )


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
@pytest.mark.parametrize("days_at_once", [1, 32])
def test_head_slice_tail_and_filter_mean_the_same_in_any_order(
    paths, open_day, engine, days_at_once, monkeypatch
):
    """Whatever of a chain polars hands down to the files, and however many of them are open at a time."""
    monkeypatch.setattr(readers, "_DAYS_AT_ONCE", days_at_once)
    rows = scan_days(paths, Table.SCALP_TRADES, lambda: [open_day, open_day])
    stored = rows.collect()
    assert stored.height == 2 * len(EVERY)
    for seed in range(150):
        chance = random.Random(seed)
        asked, expected = rows, stored
        for do in [step(chance) for _ in range(chance.randrange(1, 5))]:
            asked, expected = do(asked), do(expected)
        assert_frame_equal(asked.collect(engine=engine), expected)


def test_a_condition_on_the_first_rows_is_looked_at_in_those(paths, open_day):
    rows = scan(paths, Table.SCALP_TRADES, open_day)
    assert rows.head(TRADES_AN_HOUR).filter(pl.col("cumulative_volume") >= 1000).collect().is_empty()


def test_a_file_that_has_gone_is_no_day_without_rows(paths, open_day):
    close_day(paths, open_day)
    rows = scan(paths, Table.SCALP_TRADES, open_day)
    paths.lake_day(Table.SCALP_TRADES, open_day).unlink()
    with pytest.raises(StorageError, match=r"scalp_trades/date=.*/day\.parquet is missing.*compact_hours"):
        rows.collect()
    assert scan(paths, Table.SCALP_QUOTES, open_day).collect().is_empty(), "no quote came on that day"


def test_a_folder_in_place_of_a_file_is_named(paths, open_day):
    close_day(paths, open_day)
    file = paths.lake_day(Table.SCALP_TRADES, open_day)
    file.unlink()
    file.mkdir()
    with pytest.raises(StorageError, match=r"day\.parquet is damaged: a folder"):
        scan(paths, Table.SCALP_TRADES, open_day).collect()
