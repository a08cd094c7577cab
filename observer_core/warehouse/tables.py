"""Which tables the warehouse has, and their columns.

Invariant: a table of the lake has the lake's columns; only the universe, which comes from a file of
its own, is declared here. A test compares the migrated database with these declarations.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType

import sqlalchemy as sa

from observer_core.lake.columns import Column, ColumnType, TableSchema
from observer_core.lake.schemas import SCHEMAS, Table

SCHEMA = "observer"
LEDGER = "loaded_segments"
VERSION_TABLE = "alembic_version"


class WarehouseTable(StrEnum):
    """The tables, each partitioned by trading day."""

    SCALP_TRADES = "scalp_trades"
    SWING_SNAPSHOTS = "swing_snapshots"
    MARKET_EVENTS = "market_events"
    GAPS = "gaps"
    BARS_1M = "bars_1m"
    UNIVERSE = "universe"

    @property
    def lake_table(self) -> Table | None:
        """The table of the lake that it is loaded from; None where it is not one."""
        return None if self is WarehouseTable.UNIVERSE else Table(self.value)

    @property
    def is_whole(self) -> bool:
        """Whether a day of it is replaced as a whole, because its rows belong to no single segment."""
        return self in (WarehouseTable.BARS_1M, WarehouseTable.UNIVERSE)


WAREHOUSE_TABLES = tuple(WarehouseTable)

_UNIVERSE_COLUMNS = (
    Column("trading_day", ColumnType.DATE, "Trading day it is valid for.", required=True),
    Column("symbol", ColumnType.TEXT, "Short code.", required=True),
    Column("name", ColumnType.TEXT, "Korean name.", required=True),
    Column("market", ColumnType.TEXT, "KOSPI or KOSDAQ.", required=True),
    Column("base_price", ColumnType.INTEGER, "Reference price of the day.", "KRW", required=True),
    Column("previous_volume", ColumnType.INTEGER, "Volume of the day before.", "shares", required=True),
    Column("symbols_date", ColumnType.DATE, "Day of the symbols it was made from.", required=True),
    Column("source", ColumnType.TEXT, "Where those came from.", required=True),
)  # fmt: skip

WAREHOUSE_SCHEMAS = MappingProxyType(
    {
        **{table: SCHEMAS[table.lake_table] for table in WarehouseTable if table.lake_table},
        WarehouseTable.UNIVERSE: TableSchema(
            "universe",
            "One symbol of a trading day's universe.",
            _UNIVERSE_COLUMNS,
            sort_key=("symbol",),
            unique_key=("symbol",),
        ),
    }
)

_LEDGER_COLUMNS = ("table_name", "trading_day", "segment", "sha256", "rows", "loaded_at")


def relation(table: WarehouseTable) -> sa.TableClause:
    """Returns a table for use in a statement."""
    names = [column.name for column in WAREHOUSE_SCHEMAS[table].columns]
    return sa.table(table.value, *map(sa.column, names), schema=SCHEMA)


def ledger_relation() -> sa.TableClause:
    """Returns the ledger for use in a statement."""
    return sa.table(LEDGER, *map(sa.column, _LEDGER_COLUMNS), schema=SCHEMA)
