"""Everything PostgreSQL needs before a load: versions, rights, and the partitions of the days to come.

Invariant: preparing twice changes nothing, and looking changes nothing at all; so a schedule may prepare as
often as it likes, and a person may look at any time.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Engine

from observer_core.warehouse.connection import transaction
from observer_core.warehouse.migrate import migrate, pending_steps
from observer_core.warehouse.partitions import days_ahead, ensure_partitions, missing_partitions
from observer_core.warehouse.roles import Access, look_at_access


@dataclass(frozen=True, slots=True)
class Prepared:
    """What preparing did.

    Attributes:
        versions: The versions that were applied, oldest first.
        partitions: The partitions that were made.
    """

    versions: tuple[str, ...]
    partitions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Readiness:
    """What the database has, and what it lacks.

    Attributes:
        pending: Versions that it lacks, oldest first.
        access: The roles and their rights.
        days: The trading days whose partitions should be there.
        missing_partitions: Those that are not.
    """

    pending: tuple[str, ...]
    access: Access
    days: tuple[date, ...]
    missing_partitions: tuple[str, ...]


def prepare(engine: Engine, today: date, *, may_destroy: Collection[str] = frozenset()) -> Prepared:
    """Applies what is missing, and makes the partitions of today and of the next trading days.

    Args:
        engine: The database; its role owns the tables.
        today: The present day, Korean time.
        may_destroy: Versions that an operator allows to remove or narrow something.

    Raises:
        DatabaseUnavailableError: The server does not answer.
        ConfigurationError: A version would remove something, or the role does not own the tables.
    """
    versions = migrate(engine, may_destroy=may_destroy)
    with transaction(engine) as connection:
        made = ensure_partitions(connection, days_ahead(today))
    return Prepared(tuple(versions), tuple(made))


def readiness(engine: Engine, today: date) -> Readiness:
    """Returns what the database has, and changes nothing.

    Raises:
        DatabaseUnavailableError: The server does not answer.
    """
    days = days_ahead(today)
    pending = pending_steps(engine)
    with transaction(engine) as connection:
        lacking = missing_partitions(connection, days)
        return Readiness(tuple(pending), look_at_access(connection), tuple(days), tuple(lacking))
