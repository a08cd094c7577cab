"""Bringing the schema `observer` up to date.

Invariant: the schema changes only through the versions in `migrations/versions`, in their order, one
process at a time; no version removes a table, a column or a row.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from observer_core.warehouse.connection import transaction
from observer_core.warehouse.tables import SCHEMA

# Any number that nobody else in this database locks: "observer" as ASCII.
_LOCK = 0x6F62736572766572


def migrate(engine: Engine) -> list[str]:
    """Applies the versions that the database lacks.

    Returns:
        Their names, oldest first; empty where the database was up to date.

    Raises:
        DatabaseUnavailableError: The server does not answer.
    """
    with transaction(engine) as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        missing = _missing(connection)
        if missing:
            configuration = _configuration()
            configuration.attributes["connection"] = connection
            command.upgrade(configuration, "head")
        return missing


def pending_steps(engine: Engine) -> list[str]:
    """Returns the versions that the database lacks, oldest first, without applying any."""
    with transaction(engine) as connection:
        return _missing(connection)


def _missing(connection: Connection) -> list[str]:
    context = MigrationContext.configure(connection, opts={"version_table_schema": SCHEMA})
    present = context.get_current_heads()
    script = ScriptDirectory.from_config(_configuration())
    missing = []
    for revision in script.walk_revisions("base", "heads"):
        if revision.revision in present:
            break
        missing.append(revision.revision)
    return missing[::-1]


def _configuration() -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    return configuration
