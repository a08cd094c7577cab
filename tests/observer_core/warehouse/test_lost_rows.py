"""What somebody took out of PostgreSQL comes back from the lake, and what somebody put in is shown."""

from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from observer_core.errors import ConfigurationError, ConservationError, DatabaseUnavailableError
from observer_core.lake import parquet
from observer_core.lake.columns import TableSchema
from observer_core.lake.compaction import build_bars
from observer_core.lake.schemas import Table
from observer_core.settings import Paths
from observer_core.warehouse import WarehouseTable, load_table, loader, migrate, pending_loads
from observer_core.warehouse.comparison import compare
from observer_core.warehouse.ledger import Source
from observer_core.warehouse.written import Held

from .conftest import DAY, WriteHour, trades

TRADES, BARS = WarehouseTable.SCALP_TRADES, WarehouseTable.BARS_1M
PARTITION = "observer.scalp_trades_20260915"
ONE_ROW = "DELETE FROM observer.scalp_trades WHERE segment = 't' AND frame = 51"
ENTRY = "DELETE FROM observer.loaded_segments WHERE segment = 't'"

# What is done to PostgreSQL -> the sources that a load then names as lost, and the rows that it writes.
LOSSES = {
    "a partition is dropped": (f"DROP TABLE {PARTITION}", ("s", "t"), 9),
    "a partition is emptied": (f"TRUNCATE {PARTITION}", ("s", "t"), 9),
    "one row is removed": (ONE_ROW, ("t",), 4),
    "all rows of a segment are removed": ("DELETE FROM observer.scalp_trades WHERE segment = 't'", ("t",), 4),
    "a row is removed from each segment": (
        "DELETE FROM observer.scalp_trades WHERE frame IN (0, 50)", ("s", "t"), 9,
    ),
    "an entry of the ledger is removed": (ENTRY, (), 4),
    "the whole ledger is removed": ("DELETE FROM observer.loaded_segments", (), 9),
    "an entry and one of its rows are removed": (f"{ENTRY}; {ONE_ROW}", (), 4),
    "the ledger says more rows than there were": (
        "UPDATE observer.loaded_segments SET rows = rows + 1 WHERE segment = 't'", ("t",), 4,
    ),
}  # fmt: skip

# Rows that no load wrote: what is inserted -> how the load names them.
STRANGERS = {
    "of a segment that was loaded": ("'t'", "5 of t (4)"),
    "of a segment that nobody knows": ("'elsewhere'", "1 of elsewhere (0)"),
    "of no segment": ("NULL", "1 of no source (0)"),
}


def execute(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text(statement))


def stored(engine: Engine) -> list[tuple[object, ...]]:
    statement = "SELECT segment, frame, price, symbol, received_at FROM observer.scalp_trades ORDER BY frame"
    with engine.begin() as connection:
        return [tuple(row) for row in connection.execute(sa.text(statement))]


def entered(engine: Engine) -> list[tuple[object, ...]]:
    statement = "SELECT table_name, segment, sha256, rows FROM observer.loaded_segments ORDER BY 1, 2"
    with engine.begin() as connection:
        return [tuple(row) for row in connection.execute(sa.text(statement))]


@pytest.fixture
def loaded(engine: Engine, paths: Paths, write_hour: WriteHour) -> Engine:
    """A day of nine rows from two segments."""
    migrate(engine)
    write_hour(9, ("s", "a", trades("s", 5)), ("t", "b", trades("t", 4, first=50)))
    assert load_table(engine, paths, TRADES, DAY).rows == 9
    return engine


@pytest.mark.parametrize("loss", LOSSES)
def test_what_was_taken_out_comes_back(loaded: Engine, paths: Paths, loss: str) -> None:
    """The day is named as pending, and one load brings the same rows and entries as before."""
    statement, lost, written = LOSSES[loss]
    rows, entries = stored(loaded), entered(loaded)
    execute(loaded, statement)
    assert pending_loads(loaded, paths, [DAY]) == [(TRADES, DAY)]
    done = load_table(loaded, paths, TRADES, DAY)
    assert (done.lost, done.rows_loaded, done.rows) == (lost, written, 9)
    assert (stored(loaded), entered(loaded)) == (rows, entries)
    assert pending_loads(loaded, paths, [DAY]) == []
    assert load_table(loaded, paths, TRADES, DAY).rows_loaded == 0


@pytest.mark.parametrize(
    "loss",
    [
        "DROP TABLE observer.bars_1m_20260915",
        "DELETE FROM observer.bars_1m WHERE ctid IN (SELECT ctid FROM observer.bars_1m LIMIT 1)",
        "DELETE FROM observer.loaded_segments WHERE table_name = 'bars_1m'",
    ],
)
def test_a_table_without_segments_comes_back_as_a_whole(loaded: Engine, paths: Paths, loss: str) -> None:
    """The bars of a day are one source: whatever is missing, all are replaced."""
    build_bars(paths, DAY)
    whole = load_table(loaded, paths, BARS, DAY).rows
    assert whole > 0
    execute(loaded, loss)
    assert pending_loads(loaded, paths, [DAY]) == [(BARS, DAY)]
    done = load_table(loaded, paths, BARS, DAY)
    assert (done.rows_loaded, done.rows) == (whole, whole)
    assert pending_loads(loaded, paths, [DAY]) == []


@pytest.mark.parametrize("stranger", STRANGERS)
def test_rows_that_no_load_wrote_are_shown_and_left(loaded: Engine, paths: Paths, stranger: str) -> None:
    """They are somebody's: the error names them, and its remedy helps."""
    segment, named = STRANGERS[stranger]
    execute(
        loaded,
        "INSERT INTO observer.scalp_trades (trading_day, provider, shard, epoch, frame, record, segment) "
        f"VALUES ('2026-09-15', 'x', '0', 1, 999, 0, {segment})",
    )
    before = stored(loaded)
    assert pending_loads(loaded, paths, [DAY]) == [(TRADES, DAY)]
    with pytest.raises(ConservationError) as refused:
        load_table(loaded, paths, TRADES, DAY)
    assert named in str(refused.value)
    assert stored(loaded) == before
    (remedy,) = [part for part in refused.value.remedy.split("`") if part.startswith("DELETE")]
    execute(loaded, remedy)
    assert load_table(loaded, paths, TRADES, DAY).rows == 9
    assert 999 not in {row[1] for row in stored(loaded)}


def test_a_row_more_and_a_row_less_are_two_faults(loaded: Engine, paths: Paths) -> None:
    """As many rows as there should be, and not the ones that there should be."""
    execute(loaded, "UPDATE observer.scalp_trades SET segment = 't' WHERE frame = 0")
    assert pending_loads(loaded, paths, [DAY]) == [(TRADES, DAY)]
    with pytest.raises(ConservationError, match=r"5 of t \(4\)"):
        load_table(loaded, paths, TRADES, DAY)


def test_a_lost_segment_and_a_new_one_come_in_one_load(
    loaded: Engine, paths: Paths, write_hour: WriteHour
) -> None:
    """The rows of the segment that is whole are not written again."""
    execute(loaded, ONE_ROW)
    write_hour(10, ("u", "c", trades("u", 2, first=90)))
    done = load_table(loaded, paths, TRADES, DAY)
    assert (done.loaded, done.lost, done.rows_loaded, done.rows) == (("t", "u"), ("t",), 6, 11)


def test_a_day_that_the_lake_no_longer_has_is_left_as_it_is(loaded: Engine, paths: Paths) -> None:
    """There is nothing to bring back from, so nothing is removed."""
    execute(loaded, ONE_ROW)
    paths.lake_hour(Table.SCALP_TRADES, DAY, 9).unlink()
    assert pending_loads(loaded, paths, [DAY]) == []
    done = load_table(loaded, paths, TRADES, DAY)
    assert (done.rows_loaded, done.rows, done.lost) == (0, 8, ())


def test_a_detached_partition_is_named_and_not_filled(loaded: Engine, paths: Paths) -> None:
    """A table that has the partition's name takes no rows that a query of the day would not show."""
    execute(loaded, f"ALTER TABLE observer.scalp_trades DETACH PARTITION {PARTITION}")
    with pytest.raises(ConfigurationError, match=r"scalp_trades_20260915 cannot be made: .*already exists"):
        load_table(loaded, paths, TRADES, DAY)
    execute(loaded, f"ALTER TABLE {PARTITION} RENAME TO archived")
    assert load_table(loaded, paths, TRADES, DAY).rows == 9


def test_a_partition_that_was_renamed_is_named(loaded: Engine, paths: Paths) -> None:
    """The rows are there, and the next segment's would not find them."""
    execute(loaded, f"ALTER TABLE {PARTITION} RENAME TO strange; {ENTRY}")
    with pytest.raises(ConfigurationError, match="would overlap partition"):
        load_table(loaded, paths, TRADES, DAY)


def end_the_load(engine: Engine) -> None:
    execute(
        engine,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )


def within_copy(engine: Engine, patch: pytest.MonkeyPatch) -> None:
    read = parquet.read_rows

    def cut_off(path: Path, schema: TableSchema) -> Iterator[pl.DataFrame]:
        yield from read(path, schema)
        end_the_load(engine)

    patch.setattr(parquet, "read_rows", cut_off)


def after_copy(engine: Engine, patch: pytest.MonkeyPatch) -> None:
    def cut_off(_connection: Connection, *_: object) -> None:
        end_the_load(engine)

    patch.setattr(loader, "write_ledger", cut_off)


@pytest.mark.parametrize("cut_off", [within_copy, after_copy])
def test_a_repair_that_is_cut_off_changes_nothing(
    loaded: Engine,
    paths: Paths,
    monkeypatch: pytest.MonkeyPatch,
    cut_off: Callable[[Engine, pytest.MonkeyPatch], None],
) -> None:
    """What was left of the rows is still there, and the next load does it all."""
    whole = stored(loaded)
    execute(loaded, ONE_ROW)
    rows, entries = stored(loaded), entered(loaded)
    with monkeypatch.context() as patch:
        cut_off(loaded, patch)
        with pytest.raises(DatabaseUnavailableError):
            load_table(loaded, paths, TRADES, DAY)
    assert (stored(loaded), entered(loaded)) == (rows, entries)
    assert load_table(loaded, paths, TRADES, DAY).lost == ("t",)
    assert stored(loaded) == whole


def test_without_a_lake_there_is_no_difference() -> None:
    """Whatever ledger and table say: nothing can be loaded."""
    assert not compare([], {"s": Source("s", "a", 5)}, Held({"s": 4, "": 1}, {"s": 1})).exists


def test_a_source_without_rows_is_loaded_once() -> None:
    """A segment whose lines were all of other tables has an entry and no rows."""
    empty = Source("s", "a", 0)
    assert compare([empty], {}, Held({}, {})).missing == (empty,)
    assert not compare([empty], {"s": empty}, Held({}, {})).exists
