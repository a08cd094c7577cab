"""Bringing the schema `observer` up to date.

Invariant: the schema changes only through the versions in `migrations/versions`, in their order, one
process at a time, all missing ones in one transaction; a statement that removes a table, a column or
rows is refused before it is sent (incident I-25).
"""

from __future__ import annotations

import re
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, event, inspect, text
from sqlalchemy.schema import CreateSchema

from observer_core.errors import ConfigurationError
from observer_core.warehouse.connection import transaction
from observer_core.warehouse.tables import SCHEMA

VERSIONS = Path(__file__).with_name("migrations")

# Any number that nobody else in this database locks: "observer" as ASCII.
_LOCK = 0x6F62736572766572


# What a statement may not contain; removing what a version no longer needs is an operator's decision.
_DESTRUCTIVE = re.compile(r"\b(DROP|TRUNCATE|DELETE|DETACH)\b", re.IGNORECASE)
_COMMENTS_AND_TEXTS = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)


def migrate(engine: Engine, *, versions: Path = VERSIONS) -> list[str]:
    """Applies the versions that the database lacks.

    Args:
        engine: The database; its role may make schemas in it.
        versions: Folder of `env.py` and `versions`.

    Returns:
        Their names, oldest first; empty where the database was up to date.

    Raises:
        DatabaseUnavailableError: The server does not answer.
        ConfigurationError: A version contains a destructive statement; nothing was changed.
    """
    with transaction(engine) as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        # Asked first: CREATE SCHEMA IF NOT EXISTS wants a right even where it has nothing to do.
        if not inspect(connection).has_schema(SCHEMA):
            connection.execute(CreateSchema(SCHEMA))
        missing = _missing(connection, versions)
        if missing:
            event.listen(connection, "before_cursor_execute", _refuse_destruction)
            configuration = _configuration(versions)
            configuration.attributes["connection"] = connection
            command.upgrade(configuration, "head")
        return missing


def is_destructive(statement: str) -> bool:
    """Returns whether a statement of SQL can remove tables, columns or rows."""
    return _DESTRUCTIVE.search(_COMMENTS_AND_TEXTS.sub(" ", statement)) is not None


def _refuse_destruction(
    _connection: Connection,
    _cursor: object,
    statement: str,
    _parameters: object,
    _context: object,
    _many: bool,
) -> None:
    if is_destructive(statement):
        raise ConfigurationError(
            f"A migration would remove data: {' '.join(statement.split())[:200]}",
            remedy="Write a version that adds; what is no longer needed is removed by hand.",
        )


def require_current(connection: Connection) -> None:
    """Checks that the database has every version.

    Raises:
        ConfigurationError: It lacks some; they are named (incident I-32).
    """
    missing = _missing(connection, VERSIONS)
    if missing:
        raise ConfigurationError(
            f"The database lacks the migrations {', '.join(missing)} of schema {SCHEMA}.",
            remedy="Run the migrations: every run of the pipeline that loads does so first.",
        )


def pending_steps(engine: Engine) -> list[str]:
    """Returns the versions that the database lacks, oldest first, without applying any."""
    with transaction(engine) as connection:
        return _missing(connection, VERSIONS)


def _missing(connection: Connection, versions: Path) -> list[str]:
    context = MigrationContext.configure(connection, opts={"version_table_schema": SCHEMA})
    present = context.get_current_heads()
    script = ScriptDirectory.from_config(_configuration(versions))
    missing = []
    for revision in script.walk_revisions("base", "heads"):
        if revision.revision in present:
            break
        missing.append(revision.revision)
    return missing[::-1]


def _configuration(versions: Path) -> Config:
    configuration = Config()
    # ConfigParser reads a percent sign in a path as the beginning of a reference.
    configuration.set_main_option("script_location", str(versions).replace("%", "%%"))
    return configuration
