"""Days that leave the warehouse.

Invariant: what is looked at and dropped are partitions of our tables that hold one day and have its name,
never a table because of its name; one is dropped together with the ledger's entries of its day, in one
transaction. So what was dropped counts as not loaded, and can be loaded again from the lake. A load that is
under way is waited for, and a query for a few seconds only: retention comes again tomorrow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from observer_core.errors import ConfigurationError
from observer_core.warehouse.connection import transaction
from observer_core.warehouse.ledger import forget, read_ledger
from observer_core.warehouse.migrate import require_current
from observer_core.warehouse.partitions import partition_name
from observer_core.warehouse.tables import SCHEMA, WarehouseTable
from observer_core.warehouse.written import held_of

_LOCK_MILLISECONDS = 5000

_PARTITIONS = """
    SELECT n.nspname, c.relname, pg_get_expr(c.relpartbound, c.oid), pg_total_relation_size(c.oid)
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE i.inhparent = to_regclass(:parent) AND c.relispartition ORDER BY n.nspname, c.relname
"""

# The driver has PostgreSQL write days in this form.
_BOUNDS = re.compile(r"FOR VALUES FROM \('(\d{4}-\d\d-\d\d)'\) TO \('(\d{4}-\d\d-\d\d)'\)")


@dataclass(frozen=True, slots=True)
class HeldDay:
    """A day's partition of a table.

    Attributes:
        day: The trading day.
        rows: Rows in it.
        bytes: Its size with its indexes.
        loaded: Segment -> SHA-256 and rows, as the ledger has them.
        changed: Those of the rows that were changed after their load.
    """

    day: date
    rows: int
    bytes: int
    loaded: Mapping[str, tuple[str, int]]
    changed: int = 0


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition as PostgreSQL describes it.

    Attributes:
        schema: Where it lies.
        name: Its name.
        bounds: What it takes, as PostgreSQL says it.
        bytes: Its size with its indexes.
    """

    schema: str
    name: str
    bounds: str
    bytes: int

    def day_of(self, table: WarehouseTable) -> date | None:
        """Returns the one day that it holds; None where it is none of those that a load makes."""
        found = _BOUNDS.fullmatch(self.bounds)
        if found is None:
            return None
        first, end = map(date.fromisoformat, found.groups())
        ours = (SCHEMA, partition_name(table, first), first + timedelta(days=1))
        return first if (self.schema, self.name, end) == ours else None


def held_days(engine: Engine, table: WarehouseTable, *, before: date) -> list[HeldDay]:
    """Returns the days before a date of which a table has a partition.

    Raises:
        DatabaseUnavailableError: The server does not answer.
        ConfigurationError: The database lacks a migration.
    """
    with transaction(engine) as connection:
        require_current(connection)
        # By name, and so by day.
        found = [(one.day_of(table), one.bytes) for one in _partitions(connection, table)]
        return [
            _held(connection, table, day, size) for day, size in found if day is not None and day < before
        ]


def other_partitions(engine: Engine, table: WarehouseTable) -> list[Partition]:
    """Returns the partitions of a table that are none of one day under its name; no load has made them.

    Raises:
        DatabaseUnavailableError: The server does not answer.
    """
    with transaction(engine) as connection:
        return [one for one in _partitions(connection, table) if one.day_of(table) is None]


def drop_day(engine: Engine, table: WarehouseTable, day: date) -> None:
    """Drops a day's partition, and lets the ledger forget it.

    Raises:
        DatabaseUnavailableError: The server does not answer, or a query holds the table; nothing was dropped.
        ConfigurationError: The table has no such partition any more, or it is another role's; nothing was
            dropped.
    """
    with transaction(engine) as connection:
        # The same lock as a load's.
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"{table}/{day}"))))
        connection.execute(sa.text(f"SET LOCAL lock_timeout = {_LOCK_MILLISECONDS}"))
        # Dropping takes this lock anyway: taken before, nobody detaches the partition in between.
        connection.execute(sa.text(f"LOCK TABLE ONLY {SCHEMA}.{table} IN ACCESS EXCLUSIVE MODE"))
        if all(one.day_of(table) != day for one in _partitions(connection, table)):
            raise ConfigurationError(
                f"{partition_name(table, day)} is no partition of {SCHEMA}.{table} any more.",
                remedy="Somebody detached or removed it meanwhile; what was detached is for him to drop.",
            )
        # The name is ours: a table of the enum and a date.
        connection.execute(sa.text(f"DROP TABLE {SCHEMA}.{partition_name(table, day)}"))
        forget(connection, table, day, list(read_ledger(connection, table, day)))


def _partitions(connection: Connection, table: WarehouseTable) -> list[Partition]:
    found = connection.execute(sa.text(_PARTITIONS), {"parent": f"{SCHEMA}.{table}"})
    return [Partition(*row) for row in found.tuples()]


def _held(connection: Connection, table: WarehouseTable, day: date, size: int) -> HeldDay:
    held = held_of(connection, table, day)
    ledger = read_ledger(connection, table, day)
    loaded = {name: (source.sha256, source.rows) for name, source in ledger.items()}
    return HeldDay(day, sum(held.rows.values()), size, loaded, sum(held.changed.values()))
