"""Who may do what in the warehouse: an owner, writers, readers.

Invariant: the owner is whoever migrates (`DB_USER`), and alone may change or drop anything; a member of the
writers' group may change rows and nothing else, a member of the readers' group may only look. What the owner
makes later, such as the partitions of days to come, is readable at once. Granting again changes nothing.

A server has its roles once for all of its databases, and making one needs a right that an owner of tables
seldom has. So roles are looked for each time, made where we may, and otherwise asked for by name; the
warehouse works without them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from psycopg2.errors import DuplicateObject, UniqueViolation
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from observer_core.warehouse.tables import SCHEMA, VERSION_TABLE


class Role(StrEnum):
    """The groups; neither can log in, people and programs become members."""

    WRITER = "observer_writer"
    READER = "observer_reader"


_MEANINGS = {
    Role.WRITER: "writes rows of the schema observer, changes nothing else",
    Role.READER: "reads the schema observer",
}

_RIGHTS = {Role.WRITER: ("SELECT", "INSERT", "UPDATE", "DELETE"), Role.READER: ("SELECT",)}


@dataclass(frozen=True, slots=True)
class Access:
    """What is there of the roles and their rights.

    Attributes:
        missing: Roles that the server lacks, and that we may not make.
        unreadable: Tables that a role lacks rights on, as `role: table`; empty for a role that is missing.
    """

    missing: tuple[Role, ...]
    unreadable: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether both groups are there and have their rights on every table."""
        return not self.missing and not self.unreadable

    @property
    def remedy(self) -> str:
        """What an administrator has to do; empty where nothing is missing."""
        if self.missing:
            statements = " ".join(f"CREATE ROLE {role} NOLOGIN;" for role in self.missing)
            return f"As an administrator of the server: {statements} The next migration grants their rights."
        return "Run `observer warehouse migrate` as the owner of the tables." if self.unreadable else ""


def grant_access(connection: Connection) -> Access:
    """Makes the groups where that is allowed, and gives them their rights; nothing where all is well.

    Args:
        connection: A transaction on the migrated database.

    Returns:
        What is still missing afterwards.
    """
    access = look_at_access(connection)
    if access.complete or not _owns_schema(connection):
        return access
    for role in access.missing:
        _make(connection, role)
    present = set(Role) - set(_missing(connection))
    for role in sorted(present):
        _grant(connection, role)
    return look_at_access(connection)


def look_at_access(connection: Connection) -> Access:
    """Returns what is there of the roles and their rights, and changes nothing."""
    missing = _missing(connection)
    lacking = [
        f"{role}: {table}"
        for role in Role
        if role not in missing
        for table in _without_rights(connection, role)
    ]
    return Access(missing, tuple(lacking))


def _missing(connection: Connection) -> tuple[Role, ...]:
    found = set(connection.execute(text("SELECT rolname FROM pg_roles")).scalars())
    return tuple(role for role in Role if role.value not in found)


def _owns_schema(connection: Connection) -> bool:
    """Whether the present role may grant: it is the owner of the schema, or a member of it."""
    owns: bool = connection.execute(
        text("SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = :schema"),
        {"schema": SCHEMA},
    ).scalar_one()
    return owns


def _make(connection: Connection, role: Role) -> None:
    """Makes a role where the present one may; another process may make it meanwhile."""
    may: bool = connection.execute(
        text("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user")
    ).scalar_one()
    if not may:
        return
    try:
        with connection.begin_nested():
            connection.execute(text(f"CREATE ROLE {role} NOLOGIN"))
            connection.execute(text(f"COMMENT ON ROLE {role} IS '{_MEANINGS[role]}'"))
    except DBAPIError as error:
        # Roles belong to the server: the migration of another database came first.
        if not isinstance(error.orig, DuplicateObject | UniqueViolation):
            raise


def _grant(connection: Connection, role: Role) -> None:
    rights = ", ".join(_RIGHTS[role])
    quote = connection.dialect.identifier_preparer.quote
    tables = [f"{SCHEMA}.{quote(table)}" for table in _without_rights(connection, role)]
    for statement in (
        f"GRANT USAGE ON SCHEMA {SCHEMA} TO {role}",
        *(f"GRANT {rights} ON {table} TO {role}" for table in tables),
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {SCHEMA} GRANT {rights} ON TABLES TO {role}",
        # Which versions were applied is the owner's to say.
        f"REVOKE ALL ON {SCHEMA}.{VERSION_TABLE} FROM {role}",
        f"GRANT SELECT ON {SCHEMA}.{VERSION_TABLE} TO {role}",
    ):
        connection.execute(text(statement))


# A partition that was made before the default privileges is found here as well; a table of somebody else's,
# who works in our schema, is his to grant.
_WITHOUT_RIGHTS = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = :schema AND c.relkind IN ('r', 'p') AND c.relowner = n.nspowner AND NOT (
        has_schema_privilege(CAST(:role AS name), n.oid, 'USAGE')
        AND has_table_privilege(CAST(:role AS name), c.oid, 'SELECT')
        AND (c.relname = :versions OR NOT :writes OR (
            has_table_privilege(CAST(:role AS name), c.oid, 'INSERT')
            AND has_table_privilege(CAST(:role AS name), c.oid, 'UPDATE')
            AND has_table_privilege(CAST(:role AS name), c.oid, 'DELETE')
        ))
    ) ORDER BY c.relname
"""


def _without_rights(connection: Connection, role: Role) -> list[str]:
    found = connection.execute(
        text(_WITHOUT_RIGHTS),
        {"schema": SCHEMA, "role": role.value, "versions": VERSION_TABLE, "writes": role is Role.WRITER},
    )
    return list(found.scalars())
