"""Who wrote the rows of a day: the load that the ledger names, or somebody after it.

Invariant: rows and entry of a source are written by one transaction, whose number PostgreSQL keeps in every
row (`xmin`) until the row is written again. So a row whose number is not its entry's was changed since it was
loaded, whatever was changed in it, and finding that costs little more than counting. A restored dump is one
transaction as a whole. Where a version of the schema writes a table anew, its entries are given the number of
its rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy import Connection

from observer_core.warehouse.tables import LEDGER, SCHEMA, WarehouseTable, ledger_relation, relation

_NUMBER = sa.literal_column("xmin", sa.Text)
# The driver does not know the type of such a number.
_AS_TEXT = sa.cast(_NUMBER, sa.Text).label("transaction")

_FILES = """
    SELECT c.relname, pg_relation_filenode(c.oid)
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
    WHERE p.relnamespace = to_regnamespace(:schema) AND c.relispartition AND c.relkind = 'r'
"""

_ENTER_AGAIN = f"""
    UPDATE {SCHEMA}.{LEDGER} SET rows = rows
    WHERE table_name || to_char(trading_day, '_YYYYMMDD') = ANY(:partitions)
"""  # noqa: S608 - our names


@dataclass(frozen=True, slots=True)
class Held:
    """What PostgreSQL holds of a day.

    Attributes:
        rows: Name of a source -> its rows; "" stands for rows that name none.
        changed: Name of a source that the ledger knows -> those of them that its load did not write.
    """

    rows: Mapping[str, int]
    changed: Mapping[str, int]


def held_of(connection: Connection, table: WarehouseTable, day: date, whole: str = "") -> Held:
    """Returns the rows of a day by source.

    Args:
        connection: A transaction on the migrated database.
        table: The table.
        day: Trading day.
        whole: Name of the day's one source, of a table whose rows name none.
    """
    target = relation(table)
    source = sa.literal(whole) if table.is_whole else sa.func.coalesce(target.c.segment, "")
    counted = (
        sa.select(source.label("source"), _AS_TEXT, sa.func.count())
        .where(target.c.trading_day == day)
        .group_by(sa.text("1"), _NUMBER)
    )
    # Of a whole table, the name is said even where there is no row.
    rows = Counter({whole: 0} if table.is_whole else {})
    changed: Counter[str] = Counter()
    loads = _loads(connection, table, day)
    for name, transaction, count in connection.execute(counted).tuples():
        rows[name] += count
        if loads.get(name, transaction) != transaction:
            changed[name] += count
    return Held(rows, changed)


def _loads(connection: Connection, table: WarehouseTable, day: date) -> dict[str, str]:
    """Returns source -> number of the transaction that entered it."""
    entry = ledger_relation().c
    found = connection.execute(
        sa.select(entry.segment, _AS_TEXT).where(entry.table_name == table.value, entry.trading_day == day)
    )
    return dict(found.tuples().all())


def partition_files(connection: Connection) -> dict[str, int]:
    """Returns partition -> number of its file, of all tables; another one once it was written anew."""
    return dict(connection.execute(sa.text(_FILES), {"schema": SCHEMA}).tuples().all())


def enter_again(connection: Connection, partitions: Collection[str]) -> None:
    """Gives the entries of partitions, all of whose rows this transaction has written anew, its number."""
    if partitions:
        connection.execute(sa.text(_ENTER_AGAIN), {"partitions": list(partitions)})
