"""Loading a day of a table.

Invariant: one transaction replaces the rows of the sources that are new, changed or no longer there in full
as they were loaded, and their entries in the ledger; before it commits, the rows that it found of the day and
those that PostgreSQL says it wrote must together be as many as the sources say. So the warehouse holds a
segment's rows once, or not at all, whatever was killed when, and what somebody removed or changed comes back.

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
from observer_core.warehouse.comparison import Difference, compare
from observer_core.warehouse.connection import transaction
from observer_core.warehouse.copying import copy_rows
from observer_core.warehouse.ledger import Source, forget, read_ledger, write_ledger
from observer_core.warehouse.migrate import require_current
from observer_core.warehouse.partitions import ensure_partitions
from observer_core.warehouse.tables import SCHEMA, WAREHOUSE_TABLES, WarehouseTable, relation
from observer_core.warehouse.written import held_of

# Of rows that no load wrote, so many sources are named.
_MOST_SHOWN = 3


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What loading a day of a table did.

    Attributes:
        table: The table.
        day: The trading day.
        loaded: Names of the sources whose rows were written.
        rows_loaded: Rows written.
        rows: Rows that the table now has of the day.
        lost: Names of the sources that had been loaded and were not there in full any more; all of their
            rows that the lake has are among those written.
        changed: Names of the sources of which somebody had changed rows; the same holds for them.
    """

    table: WarehouseTable
    day: date
    loaded: tuple[str, ...]
    rows_loaded: int
    rows: int
    lost: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def load_table(engine: Engine, paths: Paths, table: WarehouseTable, day: date) -> LoadResult:
    """Loads what the lake has of a day and the warehouse has not.

    The day's rows are counted by source before, so that a dropped partition and removed or changed rows are
    noticed.
    A day that the lake has nothing of is left as it is: retention may have taken its files.

    Args:
        engine: The migrated database.
        paths: The layout.
        table: The table.
        day: Trading day.

    Raises:
        DatabaseUnavailableError: The server does not answer; nothing was changed.
        ConfigurationError: The database has not the versions of this program, or a partition is missing that
            this role cannot make.
        ConservationError: There are rows that no load wrote, or the rows written are not those that the lake
            names; nothing was changed.
    """
    sources = _sources(paths, table, day)
    with transaction(engine) as connection:
        require_current(connection)
        # One load of a day at a time: two would both find the segment missing.
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"{table}/{day}"))))
        held = held_of(connection, table, day, _whole(sources))
        difference = compare(sources, read_ledger(connection, table, day), held)
        _require_own(table, day, difference)
        removed = written = 0
        if difference.exists:
            ensure_partitions(connection, [day], [table])
            removed = _delete(connection, table, day, difference.replaced)
            names = frozenset(source.name for source in difference.missing)
            written = copy_rows(connection, table, day, _rows(paths, table, day, names))
            forget(connection, table, day, difference.replaced)
            write_ledger(connection, table, day, difference.missing)
        rows = sum(held.rows.values()) - removed + written
        _require_all(table, day, sources, rows)
    loaded = tuple(source.name for source in difference.missing)
    return LoadResult(table, day, loaded, written, rows, difference.lost, difference.changed)


def pending_loads(
    engine: Engine,
    paths: Paths,
    days: Sequence[date],
    tables: Collection[WarehouseTable] = WAREHOUSE_TABLES,
) -> list[tuple[WarehouseTable, date]]:
    """Returns what `load_table` would change or refuse, for a catch-up after the database was away.

    Each day's rows are counted by source, as a load counts them: each million trades is a second of reading.
    So ask about the days that may lack something, and not about all that there are before each run.

    Args:
        engine: The migrated database.
        paths: The layout.
        days: The trading days to look at.
        tables: The tables to look at.

    Raises:
        DatabaseUnavailableError: The server does not answer.
        ConfigurationError: The database has not the versions of this program.
    """
    found = []
    with transaction(engine) as connection:
        # Entries and rows of the same instant: a load may commit in between.
        connection.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        require_current(connection)
        for day in days:
            for table in tables:
                sources = _sources(paths, table, day)
                if not sources:
                    continue
                held = held_of(connection, table, day, _whole(sources))
                if compare(sources, read_ledger(connection, table, day), held).exists:
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
    readers.require_told(paths, Table(table), day, files)
    if table is WarehouseTable.BARS_1M:
        return [_file_source(path, table, parquet.row_count(path)) for path in files]
    found = (source for path in files for source in parquet.read_sources(path))
    return [Source(source.segment, source.sha256, source.rows) for source in found]


def _file_source(path: Path, name: str, rows: int) -> Source:
    return Source(str(name), hashlib.sha256(path.read_bytes()).hexdigest(), rows)


def _whole(sources: Sequence[Source]) -> str:
    """Returns the name of a day's one source, for a table whose rows name none."""
    # It has one file, or none.
    return sources[0].name if sources else ""


def _require_own(table: WarehouseTable, day: date, difference: Difference) -> None:
    """Checks that there are no rows that no load wrote."""
    if not difference.foreign:
        return
    shown = [f"{rows} of {name or 'no source'} ({said})" for name, rows, said in difference.foreign]
    more = ["..."] if len(shown) > _MOST_SHOWN else []
    remove = f"DELETE FROM {SCHEMA}.{table} WHERE trading_day = '{day}'"  # noqa: S608 - shown, never sent
    raise ConservationError(
        f"Loading {table} of {day}: PostgreSQL holds more rows than were loaded (in brackets): "
        f"{', '.join(shown[:_MOST_SHOWN] + more)}; nothing was changed.",
        remedy="Find out who wrote them: members of observer_writer may. Then remove the day's rows, "
        f"`{remove}`: the next load brings all that the lake has.",
    )


def _require_all(table: WarehouseTable, day: date, sources: Sequence[Source], rows: int) -> None:
    expected = sum(source.rows for source in sources)
    if sources and rows != expected:
        raise ConservationError(
            f"Loading {table} of {day}: the lake's files name {expected} rows, and with them the table would "
            f"hold {rows}; nothing was loaded.",
            remedy="Restore the day's files from the backup target, or remove them and their receipt: while "
            "the journal still has the day, compact_hours makes them anew.",
        )


def _delete(connection: Connection, table: WarehouseTable, day: date, names: Collection[str]) -> int:
    """Removes the rows of sources that were loaded before, and returns how many there were."""
    if not names:
        return 0
    target = relation(table)
    # Saying the day leaves all partitions alone but one: a row's trading day is its segment's.
    statement = sa.delete(target).where(target.c.trading_day == day)
    return connection.execute(
        statement if table.is_whole else statement.where(target.c.segment.in_(names))
    ).rowcount


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
