"""Days that leave the warehouse.

Invariant: a partition is dropped together with the ledger's entries of its day, in one transaction; so what
was dropped counts as not loaded, and can be loaded again from the lake. A load that is under way is waited
for, and a query for a few seconds only: retention comes again tomorrow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from observer_core.warehouse.connection import transaction
from observer_core.warehouse.ledger import forget, read_ledger
from observer_core.warehouse.migrate import require_current
from observer_core.warehouse.partitions import partition_name
from observer_core.warehouse.tables import SCHEMA, WarehouseTable, relation

_LOCK_MILLISECONDS = 5000


@dataclass(frozen=True, slots=True)
class HeldDay:
    """A day's partition of a table.

    Attributes:
        day: The trading day.
        rows: Rows in it.
        bytes: Its size with its indexes.
        loaded: Segment -> SHA-256 and rows, as the ledger has them.
    """

    day: date
    rows: int
    bytes: int
    loaded: Mapping[str, tuple[str, int]]


def held_days(engine: Engine, table: WarehouseTable, *, before: date) -> list[HeldDay]:
    """Returns the days before a date of which a table has a partition.

    Raises:
        DatabaseUnavailableError: The server does not answer.
        ConfigurationError: The database lacks a migration.
    """
    with transaction(engine) as connection:
        require_current(connection)
        days = [day for day in _partition_days(connection, table) if day < before]
        return [_held(connection, table, day) for day in days]


def drop_day(engine: Engine, table: WarehouseTable, day: date) -> None:
    """Drops a day's partition, and lets the ledger forget it.

    Raises:
        DatabaseUnavailableError: The server does not answer, or a query holds the table; nothing was dropped.
    """
    with transaction(engine) as connection:
        # The same lock as a load's.
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"{table}/{day}"))))
        connection.execute(sa.text(f"SET LOCAL lock_timeout = {_LOCK_MILLISECONDS}"))
        # The name is ours: a table of the enum and a date.
        connection.execute(sa.text(f"DROP TABLE IF EXISTS {SCHEMA}.{partition_name(table, day)}"))
        forget(connection, table, day, list(read_ledger(connection, table, day)))


def _partition_days(connection: Connection, table: WarehouseTable) -> list[date]:
    found = connection.execute(
        sa.text("SELECT tablename FROM pg_tables WHERE schemaname = :schema AND tablename LIKE :name"),
        {"schema": SCHEMA, "name": f"{table}\\_%"},
    )
    pattern = re.compile(rf"{re.escape(table)}_(\d{{4}})(\d\d)(\d\d)")
    matches = (pattern.fullmatch(name) for (name,) in found)
    return sorted(date(*map(int, match.groups())) for match in matches if match)


def _held(connection: Connection, table: WarehouseTable, day: date) -> HeldDay:
    target = relation(table)
    rows = connection.execute(
        sa.select(sa.func.count()).select_from(target).where(target.c.trading_day == day)
    ).scalar_one()
    size = connection.execute(
        sa.text("SELECT pg_total_relation_size(CAST(:name AS regclass))"),
        {"name": f"{SCHEMA}.{partition_name(table, day)}"},
    ).scalar_one()
    ledger = read_ledger(connection, table, day)
    loaded = {name: (source.sha256, source.rows) for name, source in ledger.items()}
    return HeldDay(day, rows, size, loaded)
