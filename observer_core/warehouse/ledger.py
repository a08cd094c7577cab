"""The ledger: which segments a table's day was loaded from.

Invariant: a row of the ledger is written in the transaction that loads its rows, so it is there
exactly when they are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy import Connection

from observer_core.warehouse.tables import WarehouseTable, ledger_relation


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """What rows were loaded from.

    Attributes:
        name: File name of the segment; of bars the table, of the universe its file.
        sha256: Of its content.
        rows: Rows of it.
    """

    name: str
    sha256: str
    rows: int


def read_ledger(connection: Connection, table: WarehouseTable, day: date) -> dict[str, Source]:
    """Returns what a table's day was loaded from, by name."""
    entry = ledger_relation().c
    found = connection.execute(
        sa.select(entry.segment, entry.sha256, entry.rows).where(
            entry.table_name == table.value, entry.trading_day == day
        )
    )
    return {name: Source(name, sha256, rows) for name, sha256, rows in found}


def forget(connection: Connection, table: WarehouseTable, day: date, names: Collection[str]) -> None:
    """Removes the entries of sources whose rows were removed."""
    entry = ledger_relation()
    connection.execute(
        sa.delete(entry).where(
            entry.c.table_name == table.value, entry.c.trading_day == day, entry.c.segment.in_(names)
        )
    )


def write_ledger(connection: Connection, table: WarehouseTable, day: date, sources: Iterable[Source]) -> None:
    """Enters what was loaded."""
    entries = [
        {"table_name": table.value, "trading_day": day, "segment": source.name, "sha256": source.sha256,
         "rows": source.rows}
        for source in sources
    ]  # fmt: skip
    if entries:
        connection.execute(sa.insert(ledger_relation()), entries)
