"""Daily partitions.

Invariant: a row can only be written to a trading day whose partition exists; partitions are made
before they are needed and never removed here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, timedelta

from psycopg2.errors import DuplicateTable, InsufficientPrivilege, InvalidObjectDefinition
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from observer_core.errors import ConfigurationError
from observer_core.market.calendar import MarketCalendar
from observer_core.warehouse.tables import SCHEMA, WAREHOUSE_TABLES, WarehouseTable

# Two weeks: a schedule that stands still over the longest holidays costs nothing.
DAYS_AHEAD = 10


def partition_name(table: WarehouseTable, day: date) -> str:
    """Returns the name of a day's partition."""
    return f"{table}_{day:%Y%m%d}"


def ensure_partitions(
    connection: Connection, days: Iterable[date], tables: Collection[WarehouseTable] = WAREHOUSE_TABLES
) -> list[str]:
    """Makes the partitions of trading days.

    Args:
        connection: A transaction on the migrated database.
        days: The trading days, those to come included.
        tables: Of which tables.

    Returns:
        The names of those that were not there before.

    Raises:
        ConfigurationError: One is missing, and the present role does not own the tables, or something else
            takes its place: a table of its name, or another partition of the day.
    """
    wanted = {partition_name(table, day): (table, day) for day in sorted(set(days)) for table in tables}
    if not _missing(connection, wanted):
        return []
    # Two transactions that make the same partition would both fail to find it.
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('observer/partitions'))"))
    missing = {name: wanted[name] for name in _missing(connection, wanted)}
    for name, (table, day) in sorted(missing.items()):
        _make(connection, name, table, day)
    return sorted(missing)


def _make(connection: Connection, name: str, table: WarehouseTable, day: date) -> None:
    # Names and dates are ours: a table of the enum and an ISO date, nothing from outside.
    statement = (
        f"CREATE TABLE {SCHEMA}.{name} PARTITION OF {SCHEMA}.{table} "
        f"FOR VALUES FROM ('{day}') TO ('{day + timedelta(days=1)}')"
    )
    try:
        connection.execute(text(statement))
    except DBAPIError as error:
        raise _not_made(name, table, error) from error


def _not_made(name: str, table: WarehouseTable, error: DBAPIError) -> Exception:
    if isinstance(error.orig, InsufficientPrivilege):
        return ConfigurationError(
            f"The partition {name} is missing, and this role does not own the tables.",
            remedy="As their owner: `observer warehouse migrate` makes the partitions of the days to come.",
        )
    if isinstance(error.orig, DuplicateTable | InvalidObjectDefinition):
        return ConfigurationError(
            f"The partition {name} cannot be made: {error.orig.diag.message_primary}.",
            remedy=f"Somebody detached, moved or renamed it: attach it to {SCHEMA}.{table} again under its "
            "name, or give it another name and detach it; the lake's rows are then loaded anew.",
        )
    return error


def days_ahead(today: date) -> list[date]:
    """Returns the trading days whose partitions should be there: today's, and the next ones.

    Args:
        today: A day, Korean time; it counts only where the exchange opens.
    """
    calendar = MarketCalendar()
    days = [today] if calendar.is_trading_day(today) else []
    last = today
    for _ in range(DAYS_AHEAD):
        last = calendar.next_trading_day(last)
        days.append(last)
    return days


def missing_partitions(connection: Connection, days: Iterable[date]) -> list[str]:
    """Returns the names of the partitions that are not there, of all tables."""
    wanted = {partition_name(table, day) for day in days for table in WAREHOUSE_TABLES}
    return _missing(connection, wanted)


def _missing(connection: Connection, names: Collection[str]) -> list[str]:
    """Returns the names of which no partition is there; a table that was detached is none."""
    found = connection.execute(
        text(
            "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(:schema) "
            "AND relispartition AND relname = ANY(:names)"
        ),
        {"schema": SCHEMA, "names": list(names)},
    )
    return sorted(set(names) - {row[0] for row in found})
