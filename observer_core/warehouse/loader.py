"""Loading a day of a table.

Invariant: one transaction replaces the rows of the sources that are new or changed, and their entries
in the ledger; before it commits, the rows that it found of the day and those that PostgreSQL says it wrote
must together be as many as the sources say. So the warehouse holds a segment's rows once, or not at all,
whatever was killed when.

A source is a journal segment, whose rows are replaced without touching those of others; of the tables
whose rows belong to no single segment (bars, universe) it is the whole file of the day. Memory holds
some ten thousand rows, whatever the day's size.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from observer_core.errors import ConservationError
from observer_core.lake import parquet, readers
from observer_core.lake.schemas import SCHEMAS, Table
from observer_core.reference.universe import read_universe
from observer_core.settings.paths import Paths
from observer_core.warehouse.connection import transaction
from observer_core.warehouse.copying import copy_rows
from observer_core.warehouse.ledger import Source, forget, read_ledger, write_ledger
from observer_core.warehouse.migrate import require_current
from observer_core.warehouse.partitions import ensure_partitions
from observer_core.warehouse.tables import WAREHOUSE_TABLES, WarehouseTable, relation


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What loading a day of a table did.

    Attributes:
        table: The table.
        day: The trading day.
        loaded: Names of the sources whose rows were written.
        rows_loaded: Rows written.
        rows: Rows that the table now has of the day.
    """

    table: WarehouseTable
    day: date
    loaded: tuple[str, ...]
    rows_loaded: int
    rows: int


@dataclass(frozen=True, slots=True)
class _Difference:
    """What the lake has and the warehouse has not, and the other way round.

    Attributes:
        changed: Sources to load.
        replaced: Names of sources whose rows have to go: they changed, or the lake no longer has them.
    """

    changed: Sequence[Source]
    replaced: Collection[str]


def load_table(engine: Engine, paths: Paths, table: WarehouseTable, day: date) -> LoadResult:
    """Loads what the lake has of a day and the warehouse has not.

    A day that the lake has nothing of is left as it is: retention may have taken its files.

    Args:
        engine: The migrated database.
        paths: The layout.
        table: The table.
        day: Trading day.

    Raises:
        DatabaseUnavailableError: The server does not answer; nothing was changed.
        ConfigurationError: The database lacks a migration.
        ConservationError: The rows counted are not those of the sources; nothing was changed.
    """
    sources = _sources(paths, table, day)
    with transaction(engine) as connection:
        require_current(connection)
        # One load of a day at a time: two would both find the segment missing.
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"{table}/{day}"))))
        difference = _difference(connection, table, day, sources)
        written = 0
        if difference.changed or difference.replaced:
            ensure_partitions(connection, [day])
            _delete(connection, table, day, difference.replaced)
        kept = _count(connection, table, day)
        if difference.changed or difference.replaced:
            names = frozenset(source.name for source in difference.changed)
            written = copy_rows(connection, table, day, _rows(paths, table, day, names))
            forget(connection, table, day, difference.replaced)
            write_ledger(connection, table, day, difference.changed)
        rows = kept + written
        expected = sum(source.rows for source in sources)
        if sources and rows != expected:
            raise ConservationError(
                f"Loading {table} of {day}: {expected} rows expected, {rows} counted; nothing was loaded.",
                remedy="Compact the day anew; if that does not help, compare the file with its receipt.",
            )
    return LoadResult(table, day, tuple(source.name for source in difference.changed), written, rows)


def pending_loads(engine: Engine, paths: Paths, days: Sequence[date]) -> list[tuple[WarehouseTable, date]]:
    """Returns what `load_table` would change, for a catch-up after the database was away.

    Args:
        engine: The migrated database.
        paths: The layout.
        days: The trading days to look at.

    Raises:
        DatabaseUnavailableError: The server does not answer.
        ConfigurationError: The database lacks a migration.
    """
    found = []
    with transaction(engine) as connection:
        require_current(connection)
        for day in days:
            for table in WAREHOUSE_TABLES:
                difference = _difference(connection, table, day, _sources(paths, table, day))
                if difference.changed or difference.replaced:
                    found.append((table, day))
    return found


def row_counts(engine: Engine, day: date) -> dict[WarehouseTable, int]:
    """Returns how many rows each table has of a trading day.

    Raises:
        DatabaseUnavailableError: The server does not answer.
        ConfigurationError: The database lacks a migration.
    """
    with transaction(engine) as connection:
        require_current(connection)
        return {table: _count(connection, table, day) for table in WAREHOUSE_TABLES}


def _sources(paths: Paths, table: WarehouseTable, day: date) -> list[Source]:
    """Returns what the lake has of a day."""
    if table is WarehouseTable.UNIVERSE:
        path = paths.universe(day)
        return [_file_source(path, path.name, read_universe(path).size)] if path.exists() else []
    files = readers.table_files(paths, Table(table), day)
    if table is WarehouseTable.BARS_1M:
        return [_file_source(path, table, parquet.row_count(path)) for path in files]
    found = (source for path in files for source in parquet.read_sources(path))
    return [Source(source.segment, source.sha256, source.rows) for source in found]


def _file_source(path: Path, name: str, rows: int) -> Source:
    return Source(str(name), hashlib.sha256(path.read_bytes()).hexdigest(), rows)


def _difference(
    connection: Connection, table: WarehouseTable, day: date, sources: Sequence[Source]
) -> _Difference:
    if not sources:
        return _Difference((), ())
    ledger = read_ledger(connection, table, day)
    changed = [source for source in sources if ledger.get(source.name) != source]
    gone = ledger.keys() - {source.name for source in sources}
    return _Difference(changed, {*gone, *(s.name for s in changed if s.name in ledger)})


def _delete(connection: Connection, table: WarehouseTable, day: date, names: Collection[str]) -> None:
    """Removes the rows of sources that were loaded before."""
    if not names:
        return
    target = relation(table)
    # Saying the day leaves all partitions alone but one: a row's trading day is its segment's.
    statement = sa.delete(target).where(target.c.trading_day == day)
    connection.execute(statement if table.is_whole else statement.where(target.c.segment.in_(names)))


def _rows(paths: Paths, table: WarehouseTable, day: date, names: frozenset[str]) -> Iterator[pl.DataFrame]:
    """Yields the rows of sources."""
    if table is WarehouseTable.UNIVERSE:
        yield _universe_rows(paths, day)
        return
    for path in readers.table_files(paths, Table(table), day):
        inside = names if table.is_whole else names & {s.segment for s in parquet.read_sources(path)}
        if not inside:
            continue
        for rows in parquet.read_rows(path, SCHEMAS[Table(table)]):
            yield rows if table.is_whole else rows.filter(pl.col("segment").is_in(inside))


def _universe_rows(paths: Paths, day: date) -> pl.DataFrame:
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
