"""What may leave the warehouse is a day's partition of our tables, never a table of a likely name."""

from datetime import date, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from observer_core.errors import ConfigurationError
from observer_core.settings import Paths
from observer_core.warehouse import WarehouseTable, load_table, migrate
from observer_core.warehouse.expiry import drop_day, held_days, other_partitions

from .conftest import DAY, WriteHour, trades

TRADES = WarehouseTable.SCALP_TRADES
LATER = DAY + timedelta(days=100)


def execute(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text(statement))


def tables(engine: Engine) -> set[str]:
    with engine.begin() as connection:
        found = connection.execute(sa.text("SELECT tablename FROM pg_tables WHERE schemaname = 'observer'"))
        return set(found.scalars())


@pytest.fixture
def loaded(engine: Engine, paths: Paths, write_hour: WriteHour) -> Engine:
    migrate(engine)
    write_hour(9, ("s", "a", trades("s", 5)))
    load_table(engine, paths, TRADES, DAY)
    return engine


NO_PARTITIONS = (
    "CREATE TABLE observer.scalp_trades_20250102 AS SELECT * FROM observer.scalp_trades",
    "CREATE TABLE observer.scalp_trades_20260231 (x int)",
    "CREATE TABLE observer.scalp_trades_20250103 (x int) PARTITION BY RANGE (x)",
    "CREATE TABLE observer.scalp_trades_20250106 () INHERITS (observer.contract_states)",
)

# What is made -> its name.
ODD_PARTITIONS = {
    "CREATE TABLE observer.scalp_trades_20260231 PARTITION OF observer.scalp_trades "
    "FOR VALUES FROM ('2026-02-28') TO ('2026-03-01')": "scalp_trades_20260231",
    "CREATE TABLE observer.scalp_trades_20240102 PARTITION OF observer.scalp_trades "
    "FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')": "scalp_trades_20240102",
    "CREATE TABLE observer.rest PARTITION OF observer.scalp_trades DEFAULT": "rest",
    "CREATE TABLE other.scalp_trades_20250102 PARTITION OF observer.scalp_trades "
    "FOR VALUES FROM ('2025-01-02') TO ('2025-01-03')": "scalp_trades_20250102",
}


def test_a_table_of_a_partitions_name_is_nobodys_day(loaded: Engine) -> None:
    """A person's copy, or a name that is no date."""
    for made in NO_PARTITIONS:
        execute(loaded, made)
        assert [held.day for held in held_days(loaded, TRADES, before=LATER)] == [DAY], made
        assert other_partitions(loaded, TRADES) == [], made


def test_a_partition_that_no_load_makes_is_named(loaded: Engine) -> None:
    """Its name is not its day's, it holds other days too, or it lies elsewhere."""
    execute(loaded, "CREATE SCHEMA other")
    for number, made in enumerate(ODD_PARTITIONS, start=1):
        execute(loaded, made)
        assert [held.day for held in held_days(loaded, TRADES, before=LATER)] == [DAY], made
        named = sorted(one.name for one in other_partitions(loaded, TRADES))
        assert named == sorted(list(ODD_PARTITIONS.values())[:number]), made


def test_a_partition_that_was_detached_meanwhile_is_not_dropped(loaded: Engine) -> None:
    """It was looked at as a partition; now it is somebody's table."""
    execute(loaded, "ALTER TABLE observer.scalp_trades DETACH PARTITION observer.scalp_trades_20260915")
    with pytest.raises(ConfigurationError, match="is no partition of"):
        drop_day(loaded, TRADES, DAY)
    assert "scalp_trades_20260915" in tables(loaded)
    with loaded.begin() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM observer.loaded_segments")).scalar_one() == 1


def test_a_days_partition_goes_with_its_entries(loaded: Engine, paths: Paths) -> None:
    execute(loaded, "CREATE TABLE observer.scalp_trades_20250102 (x int)")
    drop_day(loaded, TRADES, DAY)
    assert held_days(loaded, TRADES, before=date.max) == []
    assert {one for one in tables(loaded) if one.startswith("scalp_trades_")} == {"scalp_trades_20250102"}
    assert load_table(loaded, paths, TRADES, DAY).rows_loaded == 5
