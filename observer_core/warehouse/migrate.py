"""Bringing the schema `observer` up to date.

Invariant: the schema changes only through the versions in `migrations/versions`, in their order, one
process at a time, all missing ones in one transaction; a version that would remove or narrow something is
refused as a whole, unless the operator names it (incident I-25, see `guard`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, event, inspect, text
from sqlalchemy.schema import CreateSchema

from observer_core.errors import ConfigurationError
from observer_core.warehouse.connection import transaction
from observer_core.warehouse.guard import is_destructive, keys_of, losses, lost_keys, retyped, shape_of
from observer_core.warehouse.roles import grant_access
from observer_core.warehouse.rows import account_of, lost_rows
from observer_core.warehouse.tables import LEDGER, SCHEMA, VERSION_TABLE
from observer_core.warehouse.written import enter_again, partition_files

VERSIONS = Path(__file__).with_name("migrations")

# Any number that nobody else in this database locks: "observer" as ASCII.
_LOCK = 0x6F62736572766572


def migrate(
    engine: Engine, *, versions: Path = VERSIONS, may_destroy: Collection[str] = frozenset()
) -> list[str]:
    """Applies the versions that the database lacks, and gives writers and readers their rights.

    Args:
        engine: The database; its role may make schemas in it, or finds everything done.
        versions: Folder of `env.py` and `versions`.
        may_destroy: Versions that an operator allows to remove or narrow something.

    Returns:
        Their names, oldest first; empty where the database was up to date.

    Raises:
        DatabaseUnavailableError: The server does not answer.
        ConfigurationError: A version would remove or narrow something, or nobody knows which were applied, or
            the role may not change the tables; nothing was changed.
    """
    with transaction(engine) as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        # Asked first: CREATE SCHEMA IF NOT EXISTS wants a right even where it has nothing to do.
        if not inspect(connection).has_schema(SCHEMA):
            connection.execute(CreateSchema(SCHEMA))
        missing = _missing(connection, versions)
        configuration = _configuration(versions)
        configuration.attributes["connection"] = connection
        files = partition_files(connection)
        for version in missing:
            with _harmless(connection, version, allowed=version in may_destroy):
                command.upgrade(configuration, version)
        if missing:
            found = partition_files(connection)
            enter_again(connection, [name for name, file in files.items() if found.get(name, file) != file])
        grant_access(connection)
        return missing


@contextmanager
def _harmless(connection: Connection, version: str, *, allowed: bool) -> Iterator[None]:
    """Refuses a version that removes, changes or narrows something, before or after the fact."""

    def refuse(_connection: Connection, _cursor: object, statement: str, *_others: object) -> None:
        if is_destructive(statement):
            raise _refused(version, " ".join(statement.split())[:200])

    if allowed:
        yield
        return
    shape, keys, account = shape_of(connection), keys_of(connection), account_of(connection)
    event.listen(connection, "before_cursor_execute", refuse)
    try:
        yield
    finally:
        event.remove(connection, "before_cursor_execute", refuse)
    new = shape_of(connection)
    lost = [
        *losses(shape, new),
        *lost_keys(keys, keys_of(connection)),
        *lost_rows(account, account_of(connection), retyped(shape, new)),
    ]
    if lost:
        raise _refused(version, "; ".join(lost))


def _refused(version: str, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"Migration {version} would remove data: {what}",
        remedy=f"Write a version that adds. If it is meant: `observer backup dump`, then "
        f"`observer warehouse migrate --may-destroy {version}`.",
    )


def require_current(connection: Connection) -> None:
    """Checks that the database has every version, and no other.

    Raises:
        ConfigurationError: It lacks some, or is newer than this program; they are named (incident I-32).
    """
    missing = _missing(connection, VERSIONS)
    if missing:
        raise ConfigurationError(
            f"The database lacks the migrations {', '.join(missing)} of schema {SCHEMA}.",
            remedy="Run the migrations: every run of the pipeline that loads does so first.",
        )


def pending_steps(engine: Engine) -> list[str]:
    """Returns the versions that the database lacks, oldest first, without applying any.

    Raises:
        DatabaseUnavailableError: The server does not answer.
        ConfigurationError: The database is newer than this program, or has tables and no version.
    """
    with transaction(engine) as connection:
        return _missing(connection, VERSIONS)


def _missing(connection: Connection, versions: Path) -> list[str]:
    known, applied = _known(versions), _applied(connection)
    strange = sorted(applied - set(known))
    if strange:
        raise ConfigurationError(
            f"The database is newer than this program: schema {SCHEMA} is at version {', '.join(strange)}, "
            f"and the last one known here is {known[-1]}. Nothing was changed.",
            remedy="Promote the image that brought that version once more (docs/operations/upgrade.md), or "
            "restore the dump that was made before it (docs/operations/restore.md).",
        )
    if not applied and _has_tables(connection):
        raise _forgotten(known[-1])
    return list(known[max((known.index(version) + 1 for version in applied), default=0) :])


def _applied(connection: Connection) -> set[str]:
    """Returns the version that the database is at; empty where it has none."""
    # Asked without alembic, which writes two lines to the log each time.
    table = f"{SCHEMA}.{VERSION_TABLE}"
    if connection.execute(text("SELECT to_regclass(:table)"), {"table": table}).scalar_one() is None:
        return set()
    return set(connection.execute(text(f"SELECT version_num FROM {table}")).scalars())  # noqa: S608 - our name


def _has_tables(connection: Connection) -> bool:
    ledger = connection.execute(text("SELECT to_regclass(:table)"), {"table": f"{SCHEMA}.{LEDGER}"})
    return ledger.scalar_one() is not None


def _forgotten(last: str) -> ConfigurationError:
    table = f"{SCHEMA}.{VERSION_TABLE}"
    make = f"CREATE TABLE IF NOT EXISTS {table} (version_num varchar(32) PRIMARY KEY)"
    enter = f"INSERT INTO {table} VALUES ('{last}')"  # noqa: S608 - shown, never sent
    return ConfigurationError(
        f"The schema {SCHEMA} has its tables, and {table} names no version: somebody emptied or dropped it. "
        "Nothing was changed.",
        remedy="Where all versions of this program had been applied, as the owner of the tables: "
        f"`{make}; {enter}`. Else restore the dump (docs/operations/restore.md).",
    )


@cache
def _known(versions: Path) -> tuple[str, ...]:
    """Returns the versions of a folder, oldest first."""
    script = ScriptDirectory.from_config(_configuration(versions))
    return tuple(revision.revision for revision in script.walk_revisions("base", "heads"))[::-1]


def _configuration(versions: Path) -> Config:
    configuration = Config()
    # ConfigParser reads a percent sign in a path as the beginning of a reference.
    configuration.set_main_option("script_location", str(versions).replace("%", "%%"))
    return configuration
