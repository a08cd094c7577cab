"""The warehouse from the lake, where there is no dump of it.

Invariant: what is loaded is what retention would keep, so that the next run of it drops nothing again.
"""

from __future__ import annotations

from datetime import date

from sqlalchemy import Engine

from observer_core.backup.inventory import day_in
from observer_core.lake import readers
from observer_core.market.calendar import MarketCalendar
from observer_core.retention.holdings import due_after_sessions
from observer_core.settings import RetentionSettings
from observer_core.settings.paths import Paths
from observer_core.warehouse import WAREHOUSE_TABLES, WarehouseTable, load_table, migrate, pending_loads


def reload_warehouse(
    engine: Engine, paths: Paths, policy: RetentionSettings, today: date
) -> dict[WarehouseTable, int]:
    """Brings the schema up to date, and loads every day that the lake has and the policy keeps.

    Args:
        engine: The database; empty, or loaded in part.
        paths: The layout.
        policy: How many days of trades and sweep rows PostgreSQL keeps.
        today: The present day, Korean time.

    Returns:
        Table -> rows written.

    Raises:
        DatabaseUnavailableError: The server does not answer; days that are loaded stay.
        ConservationError: A file of the lake does not hold what it says.
    """
    migrate(engine)
    return {
        table: sum(load_table(engine, paths, table, day).rows_loaded for day in days)
        for table, days in _kept_days(paths, policy, today).items()
    }


def lacking_days(
    engine: Engine, paths: Paths, policy: RetentionSettings, today: date
) -> list[tuple[WarehouseTable, date]]:
    """Returns what `reload_warehouse` would load: days that PostgreSQL has not as the lake has them.

    Each day that the policy keeps is counted, so that a dropped partition and removed rows are among them.

    Args:
        engine: The migrated database.
        paths: The layout.
        policy: How many days of trades and sweep rows PostgreSQL keeps.
        today: The present day, Korean time.

    Raises:
        DatabaseUnavailableError: The server does not answer.
        ConfigurationError: The database has not the versions of this program.
        StorageError: A file of the lake is damaged.
    """
    kept = _kept_days(paths, policy, today).items()
    return [pending for table, days in kept for pending in pending_loads(engine, paths, days, [table])]


def _kept_days(paths: Paths, policy: RetentionSettings, today: date) -> dict[WarehouseTable, list[date]]:
    """Returns the days of each table that the lake has and the policy keeps."""
    calendar = MarketCalendar()
    kept = {
        WarehouseTable.SCALP_TRADES: policy.trades_days,
        WarehouseTable.SWING_SNAPSHOTS: policy.swing_days,
    }

    def keeps(table: WarehouseTable, day: date) -> bool:
        return table not in kept or due_after_sessions(day, kept[table], calendar) > today

    return {table: [day for day in _days(paths, table) if keeps(table, day)] for table in WAREHOUSE_TABLES}


def _days(paths: Paths, table: WarehouseTable) -> list[date]:
    if table.lake_table is not None:
        return readers.table_days(paths, table.lake_table)
    files = paths.settings.snapshot_dir.glob("*_kr_stocks.json")
    return sorted({day for path in files if (day := day_in(path.name)) is not None})
