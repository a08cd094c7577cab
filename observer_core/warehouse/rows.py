"""What a transaction has done to the rows of the schema.

Invariant: PostgreSQL's own account of the present transaction decides, not the text of a statement: it counts
every row that was removed or changed, by whatever statement, function or trigger, and knows a file that was
exchanged for another one. So nothing has to be counted before, however much a table holds.

    removed, changed    rows of its account, in other schemas too
    gone, detached      a name that means no table, another one, or one that is no partition any more
    emptied             another file and no rows: TRUNCATE
    emptied and filled  another file, and rows put into it since: TRUNCATE begins the account anew
    written anew        another file, and no column's type has changed: ALTER COLUMN ... USING

What is left, another file with all rows of before and a column of a wider type, is what such an ALTER TABLE
does. Rows that a savepoint brought back count as removed: a version has no reason to remove any for a while.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, literal, select, table, text, union_all

from observer_core.errors import ConfigurationError
from observer_core.warehouse.tables import SCHEMA, VERSION_TABLE

# A table that is looked into stays locked until the look is undone, with its indexes: so many at once.
_BATCH = 50

# What somebody else keeps in our schema and does not show us is not ours to empty, either.
_TABLES = """
    SELECT c.relname, c.oid, coalesce(i.inhparent, 0), coalesce(p.relname, c.relname),
        coalesce(pg_relation_filenode(c.oid), 0), coalesce(pg_relation_size(c.oid), 0) > 0
            AND has_table_privilege(c.oid, 'SELECT'), pg_stat_get_xact_tuples_inserted(c.oid)
    FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class p ON p.oid = i.inhparent
    WHERE c.relnamespace = to_regnamespace(:schema) AND c.relkind IN ('r', 'p', 'm')
    ORDER BY c.relname
"""

# Catalogs are none of the user's tables, so that making and changing tables is not counted.
_TOUCHED = """
    SELECT s.schemaname || '.' || s.relname, s.n_tup_del, s.n_tup_upd FROM pg_stat_xact_user_tables s
    WHERE s.n_tup_del + s.n_tup_upd > 0 AND s.schemaname !~ '^pg_temp_'
        AND NOT (s.schemaname = :schema AND s.relname = :versions)
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """A table or a partition.

    Attributes:
        number: PostgreSQL's own; a table that is made anew under the same name has another one.
        parent: Number of the table that it is a partition of; 0 if it is none.
        table: Name of that table; its own if it is no partition.
        file: Number of its file; 0 for a table that only has partitions.
        has_rows: Whether there is any row in it.
        inserted: Rows that this transaction has put into its present file.
    """

    number: int
    parent: int
    table: str
    file: int
    has_rows: bool
    inserted: int


@dataclass(frozen=True, slots=True)
class Account:
    """The tables at one moment of a transaction.

    Attributes:
        stored: Name -> table or partition, of the schema.
        removed: Schema and name -> rows that this transaction has removed so far, of any schema.
        changed: The same of rows that it has changed.
    """

    stored: Mapping[str, Stored]
    removed: Mapping[str, int]
    changed: Mapping[str, int]


def account_of(connection: Connection) -> Account:
    """Returns what there is, and what the present transaction has done so far.

    Raises:
        ConfigurationError: The server does not count rows.
    """
    if connection.execute(text("SELECT current_setting('track_counts')")).scalar_one() != "on":
        raise ConfigurationError(
            "Whether a migration removes rows cannot be seen: track_counts of PostgreSQL is off.",
            remedy="Switch it on, as it is by default; autovacuum needs it too.",
        )
    found = connection.execute(text(_TABLES), {"schema": SCHEMA}).tuples().all()
    filled = _with_rows(connection, [name for name, *_, looked_into, _ in found if looked_into])
    touched = connection.execute(text(_TOUCHED), {"schema": SCHEMA, "versions": VERSION_TABLE}).tuples().all()
    return Account(
        {
            name: Stored(number, parent, owner, file, name in filled, inserted)
            for name, number, parent, owner, file, _, inserted in found
        },
        {name: removed for name, removed, _ in touched},
        {name: changed for name, _, changed in touched},
    )


def _with_rows(connection: Connection, names: Sequence[str]) -> frozenset[str]:
    """Returns those of some tables that hold any row."""
    filled: set[str] = set()
    for start in range(0, len(names), _BATCH):
        looks = [
            select(literal(name)).where(select(text("1")).select_from(table(name, schema=SCHEMA)).exists())
            for name in names[start : start + _BATCH]
        ]
        connection.execute(text("SAVEPOINT look"))
        filled.update(connection.execute(union_all(*looks)).scalars())
        # A savepoint that is only rolled back to stays open: rows written later would bear its number.
        connection.execute(text("ROLLBACK TO SAVEPOINT look; RELEASE SAVEPOINT look"))
    return frozenset(filled)


def lost_rows(before: Account, after: Account, retyped: Collection[str]) -> Iterator[str]:
    """Yields in words what happened to rows between two moments of a transaction.

    Args:
        before: The earlier moment.
        after: The later one.
        retyped: Tables of which a column's type has changed, or a column was added; they are written anew.
    """
    for what, earlier, later in (
        ("rows removed from", before.removed, after.removed),
        ("rows changed in", before.changed, after.changed),
    ):
        for name, rows in sorted(later.items()):
            if rows > earlier.get(name, 0):
                yield f"{what} {name}: {rows - earlier.get(name, 0)}"
    for name, old in before.stored.items():
        new = after.stored.get(name)
        if new is None or new.number != old.number:
            yield f"table {SCHEMA}.{name} is gone"
        elif old.parent and new.parent != old.parent:
            yield f"partition {SCHEMA}.{name} is detached"
        elif new.file != old.file and old.has_rows:
            yield from _exchanged(name, new, retyped)


def _exchanged(name: str, new: Stored, retyped: Collection[str]) -> Iterator[str]:
    if not new.has_rows:
        yield f"{SCHEMA}.{name} is emptied"
    elif new.inserted:
        yield f"{SCHEMA}.{name} is emptied or written anew, and {new.inserted} rows are put into it"
    elif new.table not in retyped:
        yield f"{SCHEMA}.{name} is written anew, though no column's type changes: its values may be others"
