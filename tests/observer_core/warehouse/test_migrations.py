"""Migrations: versioned, repeatable, never destructive, and equal to the declarations."""

import re
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from observer_core.lake.columns import ColumnType
from observer_core.warehouse import WAREHOUSE_TABLES, WarehouseTable, migrate, pending_steps, transaction
from observer_core.warehouse.partitions import ensure_partitions
from observer_core.warehouse.tables import WAREHOUSE_SCHEMAS

VERSIONS = Path(__file__).resolve().parents[3] / "observer_core/warehouse/migrations/versions"

TYPES = {
    ColumnType.TEXT: "text",
    ColumnType.TEXTS: "ARRAY",
    ColumnType.INTEGER: "bigint",
    ColumnType.DECIMAL: "double precision",
    ColumnType.INSTANT: "timestamp with time zone",
    ColumnType.DATE: "date",
    ColumnType.FLAG: "boolean",
}


def test_an_empty_database_is_brought_up_to_date_once(engine: Engine) -> None:
    """The second run has nothing to do."""
    assert pending_steps(engine) == ["0001"]
    assert migrate(engine) == ["0001"]
    assert migrate(engine) == []
    assert pending_steps(engine) == []


@pytest.mark.parametrize("table", WAREHOUSE_TABLES)
def test_columns_are_those_declared(engine: Engine, table: WarehouseTable) -> None:
    """A changed declaration needs a migration."""
    migrate(engine)
    with transaction(engine) as connection:
        found = connection.execute(
            sa.text(
                "SELECT column_name, data_type FROM information_schema.columns "
                "WHERE table_schema = 'observer' AND table_name = :table ORDER BY ordinal_position"
            ),
            {"table": table.value},
        )
        columns = [tuple(row) for row in found]
    declared = [(column.name, TYPES[column.type]) for column in WAREHOUSE_SCHEMAS[table].columns]
    assert columns == declared


def test_partitions_are_made_once_and_hold_one_day(engine: Engine) -> None:
    """Repeating makes none; a row without a partition is refused."""
    migrate(engine)
    days = [date(2026, 9, 15), date(2026, 9, 16)]
    with transaction(engine) as connection:
        assert len(ensure_partitions(connection, days)) == 2 * len(WAREHOUSE_TABLES)
        assert ensure_partitions(connection, days) == []
        connection.execute(
            sa.text(
                "INSERT INTO observer.universe VALUES "
                "('2026-09-15', 'x', 'x', 'KOSPI', 1, 1, '2026-09-15', 'kis-master')"
            )
        )
        rows = connection.execute(sa.text("SELECT count(*) FROM observer.universe_20260915")).scalar_one()
    assert rows == 1


def test_no_version_destroys_anything() -> None:
    """Dropping, truncating or deleting is refused in review and here."""
    versions = sorted(VERSIONS.glob("[0-9]*.py"))
    assert versions
    for path in versions:
        assert not re.search(r"\b(DROP|TRUNCATE|DELETE)\b", path.read_text(), re.IGNORECASE), path.name
