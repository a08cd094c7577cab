"""The ledger: which segments a table's day was loaded from.

Invariant: a row of the ledger is written in the transaction that loads its rows, so it is there
exactly when they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from observer_core.warehouse.tables import WarehouseTable, ledger_relation


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """What rows were loaded from.

    Attributes:
        name: File name of the segment, or of the universe.
        sha256: Its content.
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


def write_ledger(connection: Connection, table: WarehouseTable, day: date, sources: Iterable[Source]) -> None:
    """Enters what was loaded, in place of an older entry of the same name."""
    entries = [
        {"table_name": table.value, "trading_day": day, "segment": source.name, "sha256": source.sha256,
         "rows": source.rows}
        for source in sources
    ]  # fmt: skip
    if not entries:
        return
    entry = insert(ledger_relation())
    connection.execute(
        entry.on_conflict_do_update(
            index_elements=["table_name", "trading_day", "segment"],
            set_={"sha256": entry.excluded.sha256, "rows": entry.excluded.rows, "loaded_at": sa.func.now()},
        ),
        entries,
    )
