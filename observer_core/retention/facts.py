"""What takes up room on this node, and what stands against its going.

Invariant: what is not due is only measured; whatever is due is looked at thoroughly, and a doubt or a failure
to look is an obstacle.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sqlalchemy import Engine

from observer_core.backup.inventory import day_in
from observer_core.backup.objects import Kind
from observer_core.clock.base import kst_datetime
from observer_core.errors import ObserverError
from observer_core.lake import readers
from observer_core.lake.receipts import is_closed
from observer_core.lake.schemas import JOURNAL_TABLES, Table
from observer_core.market.calendar import MarketCalendar
from observer_core.retention.belongings import journal_strangers, lake_strangers, torn_files
from observer_core.retention.departures import Departures
from observer_core.retention.holdings import (
    Holding,
    Plan,
    Subject,
    Volume,
    due_after_days,
    due_after_sessions,
    make_plan,
)
from observer_core.retention.verification import doubts_about
from observer_core.settings import RetentionSettings
from observer_core.settings.paths import Paths, Track
from observer_core.warehouse.expiry import HeldDay, held_days, other_partitions
from observer_core.warehouse.tables import WarehouseTable

LAKE_TABLES = (*JOURNAL_TABLES, Table.BARS_1M)
# Small, and no journal brings them back: they tell what a day was whose trades have gone.
_KEPT_TABLES = tuple(table for table in Table if table not in LAKE_TABLES)
EXPIRING = {
    Subject.SCALP_TRADES: WarehouseTable.SCALP_TRADES,
    Subject.SWING_SNAPSHOTS: WarehouseTable.SWING_SNAPSHOTS,
}


@dataclass(frozen=True, slots=True)
class Node:
    """What retention looks at.

    Attributes:
        paths: The layout.
        policy: The policy.
        departures: What has left the node.
        engine: The warehouse, None where it is left out.
        today: The present day, Korean time.
    """

    paths: Paths
    policy: RetentionSettings
    departures: Departures
    engine: Engine | None
    today: date


def look(node: Node) -> tuple[Plan, tuple[str, ...]]:
    """Returns what goes and what stays, and what could not be looked at."""
    holdings = [*_journal(node), *_lake(node), *_kept_tables(node.paths), *_logs(node)]
    problems: list[str] = []
    try:
        holdings += _warehouse(node)
    except ObserverError as error:
        problems.append(str(error))
    return make_plan(holdings, _volumes(node.paths), node.policy, node.today), tuple(problems)


def journal_days(paths: Paths) -> list[date]:
    """Returns the days of which the journal has a folder, or a link to one, of either track."""
    roots = (paths.journal(track) for track in Track)
    found = (path for root in roots if root.is_dir() for path in root.iterdir())
    names = {path.name for path in found if path.is_dir() or path.is_symlink()}
    # Exactly: a copy that somebody made of a day's folder is not the day.
    return sorted(day for name in names if (day := day_in(name)) is not None and name == f"{day:%Y%m%d}")


def journal_obstacles(node: Node, day: date) -> tuple[str, ...]:
    """Returns what stands against the going of a day of the journal."""
    newest = journal_days(node.paths)[-1:] == [day]
    return (
        *(("it is the newest day: the collector continues its accounts from it",) if newest else ()),
        *journal_strangers(node.paths, day),
        *_torn_alone(node, day),
        *doubts_about(node.paths, day),
        *node.departures.obstacles(
            lambda one: one.day == day and one.kind in (Kind.JOURNAL, Kind.QUARANTINE, Kind.LAKE)
        ),
    )


def _torn_alone(node: Node, day: date) -> Iterator[str]:
    """Yields the torn files of a day that are nowhere else: no table has what is in them."""
    if node.departures.target is None:
        for path in torn_files(node.paths, day):
            yield f"{path.name} is kept for people, and no backup target has it: look at it, then remove it"


def lake_obstacles(node: Node, day: date) -> tuple[str, ...]:
    """Returns what stands against the going of a day of the lake."""
    if node.departures.target is None:
        return ("no backup target is configured: this is the only copy",)
    return (
        *(("the journal of the day is still here",) if day in journal_days(node.paths) else ()),
        *lake_strangers(node.paths, day, LAKE_TABLES),
        *node.departures.obstacles(lambda one: one.day == day and one.kind in (Kind.LAKE, Kind.QUARANTINE)),
    )


def _journal(node: Node) -> Iterator[Holding]:
    for day in journal_days(node.paths):
        size = sum(_size(node.paths.journal(track, day)) for track in Track)
        due = due_after_days(day, node.policy.journal_days)
        yield _holding(node, Subject.JOURNAL, day, size=size, due=due, obstacles=journal_obstacles)


def _lake(node: Node) -> Iterator[Holding]:
    days = {day for table in LAKE_TABLES for day in readers.table_days(node.paths, table)}
    for day in sorted(day for day in days if is_closed(node.paths, day)):
        size = sum(_size(node.paths.lake_day(table, day).parent) for table in LAKE_TABLES)
        due = due_after_days(day, node.policy.lake_days)
        yield _holding(node, Subject.LAKE, day, size=size, due=due, obstacles=lake_obstacles)


def _kept_tables(paths: Paths) -> Iterator[Holding]:
    for table in _KEPT_TABLES:
        size = _size(paths.lake_table(table)) + _size(paths.lake_open_table(table))
        if size:
            yield Holding(Subject.KEPT_TABLES, table.value, size, due=None)


def _holding(
    node: Node,
    subject: Subject,
    day: date,
    *,
    size: int,
    due: date | None,
    obstacles: Callable[[Node, date], tuple[str, ...]],
) -> Holding:
    is_due = due is not None and due <= node.today
    return Holding(subject, day.isoformat(), size, due, obstacles(node, day) if is_due else ())


def _warehouse(node: Node) -> Iterator[Holding]:
    if node.engine is None:
        return
    calendar = MarketCalendar()
    sessions = {
        Subject.SCALP_TRADES: node.policy.trades_days,
        Subject.SWING_SNAPSHOTS: node.policy.swing_days,
    }
    for subject, table in EXPIRING.items():
        for held in held_days(node.engine, table, before=node.today):
            due = due_after_sessions(held.day, sessions[subject], calendar)
            obstacles = tuple(warehouse_obstacles(node, table, held)) if due <= node.today else ()
            yield Holding(subject, held.day.isoformat(), held.bytes, due, obstacles)
        for other in other_partitions(node.engine, table):
            reason = f"no load has made {other.schema}.{other.name}, {other.bounds}: it is left alone"
            yield Holding(subject, other.name, other.bytes, node.today, (reason,))


def warehouse_obstacles(node: Node, table: WarehouseTable, held: HeldDay) -> Iterator[str]:
    """Yields what stands against dropping a day's partition: rows that the lake does not hold as they are."""
    if not held.rows and not held.loaded:
        return
    doubts = doubts_about(node.paths, held.day)
    if doubts:
        yield from doubts
        return
    lake = {
        source.segment: (source.sha256, source.rows)
        for source in readers.sources(node.paths, Table(table.value), held.day)
    }
    if lake != dict(held.loaded):
        yield "the lake's file of the day was made from other segments than the rows were loaded from"
    expected = sum(rows for _, rows in lake.values())
    if expected != held.rows:
        yield f"it has {held.rows} rows, and the lake {expected}"
    if held.changed:
        yield f"{held.changed} of its rows were changed after their load; `close_day` loads them anew"


def _logs(node: Node) -> Iterator[Holding]:
    for path in rotated_logs(node.paths):
        status = path.stat()
        due = due_after_days(kst_datetime(status.st_mtime_ns).date(), node.policy.log_days)
        yield Holding(Subject.LOG, str(path.relative_to(node.paths.settings.log_dir)), status.st_size, due)


def rotated_logs(paths: Paths) -> list[Path]:
    """Returns the rotated log files; the one that a program writes to is none of them."""
    folders = {paths.settings.system_log_dir, paths.settings.maintenance_log_dir}
    inside = [folder for folder in folders if folder.is_relative_to(paths.settings.log_dir)]
    found = (path for folder in inside for path in folder.glob("*.log.*"))
    return sorted(path for path in found if path.is_file() and path.suffix[1:].isdigit())


def _volumes(paths: Paths) -> Iterator[Volume]:
    for mount in paths.mounts:
        if mount.writable and mount.path.is_dir():
            usage = shutil.disk_usage(mount.path)
            yield Volume(mount.variable, usage.total, usage.free)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0
