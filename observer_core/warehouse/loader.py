"""Loading a day of a table.

Invariant: one transaction replaces the rows of the segments that are new or changed, and their entries
in the ledger; the rows of a segment are counted before it commits. So the warehouse holds a segment's
rows once, or not at all, whatever was killed when.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl
import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from observer_core.errors import ConservationError
from observer_core.lake import readers
from observer_core.reference.universe import read_universe
from observer_core.settings.paths import Paths
from observer_core.warehouse.connection import transaction
from observer_core.warehouse.copying import copy_rows
from observer_core.warehouse.ledger import Source, read_ledger, write_ledger
from observer_core.warehouse.partitions import ensure_partitions
from observer_core.warehouse.tables import WAREHOUSE_SCHEMAS, WAREHOUSE_TABLES, WarehouseTable, relation


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What loading a day of a table did.

    Attributes:
        table: The table.
        day: The trading day.
        loaded: Names of the sources whose rows were written.
        rows_loaded: Rows written.
        rows: Rows that the table now has of the day's sources.
    """

    table: WarehouseTable
    day: date
    loaded: tuple[str, ...]
    rows_loaded: int
    rows: int


def load_table(engine: Engine, paths: Paths, table: WarehouseTable, day: date) -> LoadResult:
    """Loads what the lake has of a day and the warehouse has not.

    Args:
        engine: The migrated database.
        paths: The layout.
        table: The table.
        day: Trading day.

    Raises:
        DatabaseUnavailableError: The server does not answer; nothing was changed.
        ConservationError: The rows counted are not those that were sent; nothing was changed.
    """
    sources = _sources(paths, table, day)
    with transaction(engine) as connection:
        # One load of a day at a time: two would both find the segment missing.
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"{table}/{day}"))))
        ledger = read_ledger(connection, table, day)
        changed = [source for source in sources if ledger.get(source.name) != source]
        if table.is_whole and (changed or ledger.keys() - {source.name for source in sources}):
            rows_loaded = _replace_day(connection, paths, table, day)
        elif changed:
            rows_loaded = _replace_segments(connection, paths, table, day, changed)
        else:
            rows_loaded = 0
        write_ledger(connection, table, day, changed)
        rows = _count(connection, table, day)
    return LoadResult(table, day, tuple(source.name for source in changed), rows_loaded, rows)


def pending_loads(engine: Engine, paths: Paths, days: Sequence[date]) -> list[tuple[WarehouseTable, date]]:
    """Returns what `load_table` would change, for a catch-up after the database was away."""
    with transaction(engine) as connection:
        return [
            (table, day)
            for day in days
            for table in WAREHOUSE_TABLES
            if any(
                read_ledger(connection, table, day).get(source.name) != source
                for source in _sources(paths, table, day)
            )
        ]


def row_counts(engine: Engine, day: date) -> dict[WarehouseTable, int]:
    """Returns how many rows each table has of a trading day."""
    with transaction(engine) as connection:
        return {table: _count(connection, table, day) for table in WAREHOUSE_TABLES}


def _sources(paths: Paths, table: WarehouseTable, day: date) -> list[Source]:
    if table.lake_table is not None:
        found = readers.sources(paths, table.lake_table, day)
        return [Source(source.segment, source.sha256, source.rows) for source in found]
    path = paths.universe(day)
    if not path.exists():
        return []
    content = path.read_bytes()
    return [Source(path.name, hashlib.sha256(content).hexdigest(), read_universe(path).size)]


def _replace_day(connection: Connection, paths: Paths, table: WarehouseTable, day: date) -> int:
    rows = _day_rows(paths, table, day)
    ensure_partitions(connection, [day])
    target = relation(table)
    connection.execute(sa.delete(target).where(target.c.trading_day == day))
    copy_rows(connection, table, rows)
    _compare(table, day, rows.height, _count(connection, table, day))
    return rows.height


def _replace_segments(
    connection: Connection, paths: Paths, table: WarehouseTable, day: date, changed: Sequence[Source]
) -> int:
    names = [source.name for source in changed]
    rows = _day_rows(paths, table, day).filter(pl.col("segment").is_in(names))
    _compare(table, day, sum(source.rows for source in changed), rows.height)
    ensure_partitions(connection, [day, *rows["trading_day"].unique()])
    target = relation(table)
    # A record's trading day is the exchange's; a segment's name is unique within its receive day.
    received_on = sa.func.date(sa.func.timezone("Asia/Seoul", target.c.received_at))
    of_segments = sa.and_(target.c.segment.in_(names), received_on == day)
    connection.execute(sa.delete(target).where(of_segments))
    copy_rows(connection, table, rows)
    counted = connection.execute(
        sa.select(sa.func.count()).select_from(target).where(of_segments)
    ).scalar_one()
    _compare(table, day, rows.height, counted)
    return rows.height


def _day_rows(paths: Paths, table: WarehouseTable, day: date) -> pl.DataFrame:
    names = [column.name for column in WAREHOUSE_SCHEMAS[table].columns]
    if table.lake_table is not None:
        return readers.scan(paths, table.lake_table, day).select(names).collect()
    universe = read_universe(paths.universe(day))
    return pl.DataFrame(
        [(s.code, s.name, s.market, s.base_price, s.previous_volume) for s in universe.symbols],
        schema=["symbol", "name", "market", "base_price", "previous_volume"],
        orient="row",
    ).select(
        pl.lit(day).alias("trading_day"),
        pl.all(),
        pl.lit(universe.symbols_date).alias("symbols_date"),
        pl.lit(universe.source).alias("source"),
    )


def _count(connection: Connection, table: WarehouseTable, day: date) -> int:
    target = relation(table)
    statement = sa.select(sa.func.count()).select_from(target).where(target.c.trading_day == day)
    counted: int = connection.execute(statement).scalar_one()
    return counted


def _compare(table: WarehouseTable, day: date, expected: int, counted: int) -> None:
    if expected != counted:
        raise ConservationError(
            f"Loading {table} of {day}: {expected} rows expected, {counted} counted; nothing was loaded.",
            remedy="Compact the day anew; if that does not help, compare the lake's file with its receipt.",
        )
