"""What PostgreSQL refuses because of how the database is set up.

Invariant: whoever meets a missing right, or a table that somebody changed by hand, is told which, and what to
do; every other refusal keeps its own error.
"""

from __future__ import annotations

import psycopg2
from psycopg2.errors import InsufficientPrivilege, UndefinedColumn, UndefinedTable
from sqlalchemy import Engine

from observer_core.errors import ConfigurationError
from observer_core.warehouse.tables import LEDGER, SCHEMA


def typed_refusal(engine: Engine, cause: BaseException | None) -> ConfigurationError | None:
    """Returns the error that a person can act on; None where the cause is another one.

    Args:
        engine: Its address names the role.
        cause: What the driver said.
    """
    if not isinstance(cause, psycopg2.Error):
        return None
    reason = cause.diag.message_primary or (str(cause).strip().splitlines() or ["no reason given"])[0]
    if isinstance(cause, InsufficientPrivilege):
        return ConfigurationError(
            f"PostgreSQL refuses the role {engine.url.username}: {reason}.",
            remedy="Set DB_USER to the owner of the tables; one who only reads needs to be a member of "
            "observer_reader. `observer warehouse status` names missing roles and rights.",
        )
    if isinstance(cause, UndefinedColumn | UndefinedTable):
        return ConfigurationError(
            f"The database {engine.url.database} is not as its versions made it: {reason}.",
            remedy="Somebody removed or renamed it by hand. Rename it back; or, as the owner, add it as "
            "observer_core/warehouse/migrations/versions does, then "
            f"`TRUNCATE {SCHEMA}.{LEDGER}`: each load then brings what the lake has. Else restore the dump "
            "(docs/operations/restore.md).",
        )
    return None
