"""What a migration may not do unless an operator names it: remove tables, columns, rows, keys, narrow a type.

Invariant: a statement that removes something is refused before it is sent; and whatever a version did, by SQL
of any kind, the tables and partitions afterwards are those of before, with every column that they had, of the
same type or of a wider one; two rows that their primary key refused before are refused still; and no row was
removed or changed but alembic's own. All is looked at in the migration's own transaction, so that a refusal
leaves everything as it was (incident I-25).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, text

from observer_core.warehouse.tables import SCHEMA

# Table -> column -> type, as PostgreSQL writes it.
Shape = Mapping[str, Mapping[str, str]]
# Table -> columns of its primary key, in no order.
Keys = Mapping[str, frozenset[str]]

# A constraint holds no rows, and a key can be replaced only by removing it; which keys are there is looked at
# afterwards. No column can have the name of that word, unless in quotes.
# COMMIT and ROLLBACK would take the transaction away in which everything is looked at.
_DESTRUCTIVE = re.compile(
    r"\b(DROP(?!\s+CONSTRAINT\b)|TRUNCATE|DELETE|DETACH|TYPE\b[^;]*\bUSING"
    r"|(?<!\bON\s)COMMIT|ROLLBACK(?!\s+TO\b))\b",
    re.IGNORECASE,
)
_COMMENTS = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_COMMENTS_AND_TEXTS = re.compile(rf"{_COMMENTS.pattern}|'(?:[^']|'')*'", re.DOTALL)
# What stands in the texts of a program may be sent by it.
_PROGRAM = re.compile(r"(^|;)\s*(DO|CREATE\s+(OR\s+REPLACE\s+)?(FUNCTION|PROCEDURE))\b", re.IGNORECASE)

# Each value of the first has an equal one of the second.
_WIDENINGS = frozenset(
    {
        ("smallint", "integer"), ("smallint", "bigint"), ("integer", "bigint"),
        ("smallint", "numeric"), ("integer", "numeric"), ("bigint", "numeric"),
        ("real", "double precision"), ("smallint", "double precision"), ("integer", "double precision"),
    }
)  # fmt: skip
_LIMITED_TEXT = re.compile(r"character varying(?:\((\d+)\))?|character\((\d+)\)")

# The days of a table have the columns of the table.
_COLUMNS = """
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = :schema AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY c.relname, a.attnum
"""

_KEYS = """
    SELECT c.relname, a.attname
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey)
    WHERE n.nspname = :schema AND NOT c.relispartition AND i.indisprimary
"""


def is_destructive(statement: str) -> bool:
    """Returns whether a statement of SQL can remove tables, columns or rows."""
    read = _COMMENTS.sub(" ", statement)
    if not _PROGRAM.search(read):
        read = _COMMENTS_AND_TEXTS.sub(" ", statement)
    return _DESTRUCTIVE.search(read) is not None


def shape_of(connection: Connection) -> Shape:
    """Returns the tables of the schema with their columns; those of partitions are their table's."""
    tables: dict[str, dict[str, str]] = {}
    for table, column, kind in connection.execute(text(_COLUMNS), {"schema": SCHEMA}):
        tables.setdefault(table, {})[column] = kind
    return tables


def retyped(before: Shape, after: Shape) -> frozenset[str]:
    """Returns the tables that have another column than before, or one of another type."""
    return frozenset(table for table, columns in after.items() if columns != before.get(table))


def keys_of(connection: Connection) -> Keys:
    """Returns the columns of the primary key of each table of the schema that has one."""
    keys: dict[str, frozenset[str]] = {}
    for table, column in connection.execute(text(_KEYS), {"schema": SCHEMA}):
        keys[table] = keys.get(table, frozenset()) | {column}
    return keys


def lost_keys(before: Keys, after: Keys) -> Iterator[str]:
    """Yields in words which tables may now hold rows that their key refused before.

    The order of a key's columns refuses nothing, and a key of fewer columns refuses more.
    """
    for table, columns in before.items():
        if table not in after or not after[table] <= columns:
            yield f"{table} may hold two rows with the same {', '.join(sorted(columns))}"


def losses(before: Shape, after: Shape) -> Iterator[str]:
    """Yields in words what the tables held before and cannot hold any more."""
    for table, columns in before.items():
        if table not in after:
            yield f"table {table} is gone"
            continue
        for column, kind in columns.items():
            new = after[table].get(column)
            if new is None:
                yield f"column {table}.{column} is gone"
            elif not _holds(kind, new):
                yield f"column {table}.{column} narrows from {kind} to {new}"


def _holds(old: str, new: str) -> bool:
    """Returns whether a column of the new type holds every value of the old one."""
    if old == new or (old, new) in _WIDENINGS:
        return True
    limited = _LIMITED_TEXT.fullmatch(old)
    if limited is None:
        return False
    wider = re.fullmatch(r"character varying(?:\((\d+)\))?", new)
    if new == "text" or (wider is not None and wider[1] is None):
        return True
    length = limited[1] or limited[2]
    return wider is not None and length is not None and int(length) <= int(wider[1])
