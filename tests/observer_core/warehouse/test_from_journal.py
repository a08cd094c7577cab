"""From hand-written journal segments through the lake into PostgreSQL (incidents I-23 and I-24)."""

from datetime import date

import polars as pl
import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from observer_core.lake.compaction import build_bars, close_day, compact_hour
from observer_core.lake.readers import scan
from observer_core.lake.schemas import Table
from observer_core.settings import Paths
from observer_core.warehouse import (
    WarehouseTable,
    load_table,
    migrate,
    pending_loads,
    row_counts,
    transaction,
)

from ..lake.conftest import HandWrittenJournal  # noqa: TID252 - no absolute name reaches a test

LOADED = [table for table in WarehouseTable if table is not WarehouseTable.UNIVERSE]


@pytest.fixture
def journal(paths: Paths) -> HandWrittenJournal:
    return HandWrittenJournal(paths.data)


def write_hour(journal: HandWrittenJournal, hour: int, sequence: int = 1) -> None:
    records = [
        journal.changed(journal.trade_47, p1=f"{hour:02d}00{n:02d}", p13=1000 * hour + 100 * sequence + n)
        for n in range(10)
    ]
    journal.segment(
        [
            *(journal.trade(record) for record in records),
            journal.trade(journal.changed(journal.trade_47, p2="x")),
            journal.line("H0STASP0", "005930", journal.book_62),
            journal.line("H0UNMKO0", "005930", journal.event_10),
            journal.control("hole", symbol="005930", shares=7),
        ],
        hour=hour,
        sequence=sequence,
    )
    rows = [journal.swing(inter_shrn_iscd=f"{code:06d}") for code in range(20)]
    journal.segment(rows, hour=hour, sequence=sequence, shard="0-swing", track="swing")


def load_all(engine: Engine, paths: Paths, day: date) -> int:
    return sum(load_table(engine, paths, table, day).rows_loaded for table in LOADED)


def in_lake(paths: Paths, day: date) -> dict[WarehouseTable, int]:
    counts = {table: scan(paths, Table(table), day).select(pl.len()).collect().item() for table in LOADED}
    return {**counts, WarehouseTable.UNIVERSE: 0}


def test_the_warehouse_follows_the_lake_through_a_day(
    engine: Engine, paths: Paths, journal: HandWrittenJournal
) -> None:
    """Hour by hour, a late segment, the close, a late segment after the close: always the same rows."""
    migrate(engine)
    for hour in (9, 10):
        write_hour(journal, hour)
        compact_hour(paths, journal.day, hour)
        build_bars(paths, journal.day)
        load_all(engine, paths, journal.day)
        assert row_counts(engine, journal.day) == in_lake(paths, journal.day)
    write_hour(journal, 9, sequence=2)
    compact_hour(paths, journal.day, 9)
    build_bars(paths, journal.day)
    assert load_table(engine, paths, WarehouseTable.SCALP_TRADES, journal.day).rows_loaded == 10
    load_all(engine, paths, journal.day)
    assert row_counts(engine, journal.day) == in_lake(paths, journal.day)
    close_day(paths, journal.day)
    assert pending_loads(engine, paths, [journal.day]) == []
    assert load_all(engine, paths, journal.day) == 0
    write_hour(journal, 10, sequence=2)
    compact_hour(paths, journal.day, 10)
    build_bars(paths, journal.day)
    assert load_table(engine, paths, WarehouseTable.SCALP_TRADES, journal.day).rows_loaded == 10
    load_all(engine, paths, journal.day)
    assert row_counts(engine, journal.day) == in_lake(paths, journal.day)
    assert row_counts(engine, journal.day)[WarehouseTable.SCALP_TRADES] == 40


def test_what_the_database_missed_is_loaded_from_hours_and_from_closed_days_alike(
    engine: Engine, paths: Paths, journal: HandWrittenJournal
) -> None:
    """The server comes back after the day was closed, hours after the first compaction."""
    write_hour(journal, 9)
    write_hour(journal, 10)
    close_day(paths, journal.day)
    migrate(engine)
    assert pending_loads(engine, paths, [journal.day]) == [(table, journal.day) for table in LOADED]
    for table, day in pending_loads(engine, paths, [journal.day]):
        load_table(engine, paths, table, day)
    assert pending_loads(engine, paths, [journal.day]) == []
    assert row_counts(engine, journal.day) == in_lake(paths, journal.day)


def test_every_value_of_every_table_arrives(
    engine: Engine, paths: Paths, journal: HandWrittenJournal
) -> None:
    """Read back from PostgreSQL, the rows are those of the lake, cell by cell."""
    migrate(engine)
    write_hour(journal, 9)
    compact_hour(paths, journal.day, 9)
    build_bars(paths, journal.day)
    load_all(engine, paths, journal.day)
    for table in LOADED:
        lake = scan(paths, Table(table), journal.day).collect()
        order = ", ".join(f'"{name}"' for name in ("symbol", *lake.columns[-7:]))
        with transaction(engine) as connection:
            names = ", ".join(f'"{name}"' for name in lake.columns)
            found = connection.execute(
                sa.text(f"SELECT {names} FROM observer.{table} ORDER BY {order}")
            ).all()
        stored = pl.DataFrame([tuple(row) for row in found], schema=lake.schema, orient="row")
        assert stored.equals(lake.sort("symbol", *lake.columns[-7:])), table
