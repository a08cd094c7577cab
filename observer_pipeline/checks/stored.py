"""A day in PostgreSQL, counted there.

Invariant: nothing is written, and one connection answers for all tables: with a password, a connection
costs more than a count. The code location is loaded without this module: it needs SQLAlchemy.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import cached_property

import sqlalchemy as sa

from observer_core.lake.columns import ColumnType
from observer_core.settings import DatabaseSettings
from observer_core.warehouse import WarehouseTable, connect, transaction
from observer_core.warehouse.tables import SCHEMA, WAREHOUSE_SCHEMAS, relation
from observer_pipeline.partitions import TIME_ZONE

# The exchange's day of a record is within days of the day on which it was received; saying so lets
# PostgreSQL leave all other partitions alone.
_NEARBY = timedelta(days=10)

_TYPES = {
    ColumnType.TEXT: "text",
    ColumnType.TEXTS: "ARRAY",
    ColumnType.INTEGER: "bigint",
    ColumnType.DECIMAL: "double precision",
    ColumnType.INSTANT: "timestamp with time zone",
    ColumnType.DATE: "date",
    ColumnType.FLAG: "boolean",
}
_CATALOGUE = ("table_schema", "table_name", "column_name", "data_type", "ordinal_position")


class StoredDay:
    """What PostgreSQL holds of a trading day.

    Every property raises `DatabaseUnavailableError` where the server does not answer.

    Args:
        settings: The server.
        day: The trading day.
    """

    def __init__(self, settings: DatabaseSettings, day: date) -> None:
        self._engine = connect(settings)
        self._day = day

    @cached_property
    def rows_by_hour(self) -> Mapping[str, Mapping[int, int]]:
        """Table of the lake -> hour in Korean time -> rows: by receive time, bars by their minute."""
        tables = [table for table in WarehouseTable if table.lake_table is not None]
        with transaction(self._engine) as connection:
            return {
                table.value: {row[0]: row[1] for row in connection.execute(self._by_hour(table))}
                for table in tables
            }

    def rows(self, table: str) -> int:
        """Returns the rows of a table."""
        target = relation(WarehouseTable(table))
        statement = sa.select(sa.func.count()).select_from(target).where(target.c.trading_day == self._day)
        with transaction(self._engine) as connection:
            counted: int = connection.execute(statement).scalar_one()
            return counted

    @cached_property
    def columns(self) -> Mapping[str, Mapping[str, str]]:
        """Table -> the columns that it has, with PostgreSQL's types, in order; none where it is missing."""
        catalogue = sa.table("columns", *map(sa.column, _CATALOGUE), schema="information_schema")
        statement = (
            sa.select(catalogue.c.table_name, catalogue.c.column_name, catalogue.c.data_type)
            .where(catalogue.c.table_schema == SCHEMA)
            .order_by(catalogue.c.ordinal_position)
        )
        found: dict[str, dict[str, str]] = {table.value: {} for table in WarehouseTable}
        with transaction(self._engine) as connection:
            for row in connection.execute(statement):
                # Partitions and the ledger stand in the same schema.
                if row.table_name in found:
                    found[row.table_name][row.column_name] = row.data_type
        return found

    def _by_hour(self, table: WarehouseTable) -> sa.Select[tuple[int, int]]:
        target = relation(table)
        instant = target.c.minute if table is WarehouseTable.BARS_1M else target.c.received_at
        local = sa.func.timezone(TIME_ZONE, instant)
        hour = sa.cast(sa.extract("hour", local), sa.Integer)
        nearby = target.c.trading_day.between(self._day - _NEARBY, self._day + _NEARBY)
        return (
            sa.select(hour, sa.func.count())
            .select_from(target)
            .where(nearby, sa.cast(local, sa.Date) == self._day)
            .group_by(hour)
        )


def declared_columns(table: str) -> Mapping[str, str]:
    """Returns the columns that a table must have, with PostgreSQL's types, in order."""
    return {column.name: _TYPES[column.type] for column in WAREHOUSE_SCHEMAS[WarehouseTable(table)].columns}
