"""Figures about a day of a table, counted in PostgreSQL.

Invariant: nothing is written. The code location is loaded without this module: it needs SQLAlchemy.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import sqlalchemy as sa
from sqlalchemy import Engine

from observer_core.lake.columns import ColumnType
from observer_core.warehouse import WarehouseTable, transaction
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


def rows_by_hour(engine: Engine, table: WarehouseTable, day: date) -> Mapping[int, int]:
    """Returns hour in Korean time -> rows: by receive time, for bars by their minute.

    Raises:
        DatabaseUnavailableError: The server does not answer.
    """
    target = relation(table)
    instant = target.c.minute if table is WarehouseTable.BARS_1M else target.c.received_at
    local = sa.func.timezone(TIME_ZONE, instant)
    hour = sa.cast(sa.extract("hour", local), sa.Integer)
    statement = (
        sa.select(hour, sa.func.count())
        .select_from(target)
        .where(target.c.trading_day.between(day - _NEARBY, day + _NEARBY), sa.cast(local, sa.Date) == day)
        .group_by(hour)
    )
    with transaction(engine) as connection:
        return {row[0]: row[1] for row in connection.execute(statement)}


def rows_of_day(engine: Engine, table: WarehouseTable, day: date) -> int:
    """Returns the rows of a trading day.

    Raises:
        DatabaseUnavailableError: The server does not answer.
    """
    target = relation(table)
    statement = sa.select(sa.func.count()).select_from(target).where(target.c.trading_day == day)
    with transaction(engine) as connection:
        counted: int = connection.execute(statement).scalar_one()
        return counted


def columns(engine: Engine, table: WarehouseTable) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Returns the declared columns of a table and those it has, with PostgreSQL's types, in order.

    Raises:
        DatabaseUnavailableError: The server does not answer.
    """
    declared = {column.name: _TYPES[column.type] for column in WAREHOUSE_SCHEMAS[table].columns}
    catalogue = sa.table("columns", *map(sa.column, _CATALOGUE), schema="information_schema")
    statement = (
        sa.select(catalogue.c.column_name, catalogue.c.data_type)
        .where(catalogue.c.table_schema == SCHEMA, catalogue.c.table_name == table.value)
        .order_by(catalogue.c.ordinal_position)
    )
    with transaction(engine) as connection:
        return declared, {row.column_name: row.data_type for row in connection.execute(statement)}


_CATALOGUE = ("table_schema", "table_name", "column_name", "data_type", "ordinal_position")
