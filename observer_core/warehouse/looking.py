"""A look at a table, for a person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Engine

from observer_core.warehouse.connection import transaction
from observer_core.warehouse.tables import WarehouseTable, relation


def first_rows(engine: Engine, table: WarehouseTable, day: date, *, most: int) -> list[Mapping[str, Any]]:
    """Returns some rows of a day as PostgreSQL holds them, in no order.

    Args:
        engine: The migrated database.
        table: The table.
        day: Trading day.
        most: Rows at the most.

    Raises:
        DatabaseUnavailableError: The server does not answer.
    """
    target = relation(table)
    statement = sa.select(target).where(target.c.trading_day == day).limit(most)
    with transaction(engine) as connection:
        return [dict(row) for row in connection.execute(statement).mappings()]
