"""Daily partitions.

Invariant: a row can only be written to a trading day whose partition exists; partitions are made
before they are needed and never removed here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, timedelta

from sqlalchemy import Connection, text

from observer_core.warehouse.tables import SCHEMA, WAREHOUSE_TABLES, WarehouseTable


def partition_name(table: WarehouseTable, day: date) -> str:
    """Returns the name of a day's partition."""
    return f"{table}_{day:%Y%m%d}"


def ensure_partitions(connection: Connection, days: Iterable[date]) -> list[str]:
    """Makes the partitions of trading days, of all tables.

    Args:
        connection: A transaction on the migrated database.
        days: The trading days, those to come included.

    Returns:
        The names of those that were not there before.
    """
    wanted = {
        partition_name(table, day): (table, day) for day in sorted(set(days)) for table in WAREHOUSE_TABLES
    }
    if not _missing(connection, wanted):
        return []
    # Two transactions that make the same partition would both fail to find it.
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('observer/partitions'))"))
    missing = {name: wanted[name] for name in _missing(connection, wanted)}
    for name, (table, day) in sorted(missing.items()):
        # Names and dates are ours: a table of the enum and an ISO date, nothing from outside.
        connection.execute(
            text(
                f"CREATE TABLE IF NOT EXISTS {SCHEMA}.{name} PARTITION OF {SCHEMA}.{table} "
                f"FOR VALUES FROM ('{day}') TO ('{day + timedelta(days=1)}')"
            )
        )
    return sorted(missing)


def _missing(connection: Connection, names: Collection[str]) -> list[str]:
    found = connection.execute(
        text("SELECT tablename FROM pg_tables WHERE schemaname = :schema AND tablename = ANY(:names)"),
        {"schema": SCHEMA, "names": list(names)},
    )
    return sorted(set(names) - {row[0] for row in found})
