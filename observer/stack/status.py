"""What a running stack looks like at a moment: the numbers of its summary.

Invariant: each number is read where it is made (broker's account, collector's status, files of the
lake, tables of PostgreSQL); a part that does not answer shows as unknown and stops nothing.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import deque
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import psycopg2
import pyarrow.parquet
from psycopg2 import sql

from observer.stack.conductor import DayConductor
from observer.stack.dagster_client import RunStatus
from observer.stack.environment import mounts
from observer.stack.journal_count import JournalCount
from observer.stack.proof.evidence import RECORD_TABLES, WAREHOUSE_TABLES
from observer.stack.stack import LocalStack
from observer_core.clock import RealClock
from observer_core.errors import ExternalError
from observer_core.market.calendar import MarketCalendar
from observer_core.settings import DatabaseSettings, Paths, PathSettings

_SECONDS = 5.0
_SPEED_READINGS = 12
_RUNS_SHOWN = 500


@dataclass(frozen=True, slots=True)
class Status:
    """One reading. None is unknown.

    Attributes:
        now: The market's time.
        phase: What the exchange does.
        speed: Seconds of the clock per real second, lately; 1 on the real clock.
        waiting: What the clock waits for.
        simulated: Whether the broker is simulated; a real one does not tell what it has sent.
        sent: Records of the day that the simulated broker has sent.
        journaled: Records of the day in the journal's files.
        collector: The collector's own word on its readiness.
        slots: Confirmed registrations.
        holes: Breaks of continuity of the day, by the journal.
        quarantined: Records in quarantine for the day.
        lake: Records in the lake for the day.
        warehouse: Records in PostgreSQL for the day.
        gaps: Intervals without data of the day, by the journal.
        runs: Runs of Dagster that succeeded and failed.
        in_flight: The run that is under way.
        free_gigabytes: Free space on the disk.
        notes: What happened lately.
    """

    now: datetime
    phase: str
    speed: float
    waiting: str
    simulated: bool
    sent: int | None
    journaled: int
    collector: str
    slots: int | None
    holes: int
    quarantined: int
    lake: int
    warehouse: int | None
    gaps: int
    runs: tuple[int, int] | None
    in_flight: str
    free_gigabytes: float
    notes: tuple[str, ...]


class StatusReader:
    """Reads the status of a stack.

    Args:
        stack: The stack, started.
        conductor: Who leads the virtual day; None on the real clock.
    """

    def __init__(self, stack: LocalStack, conductor: DayConductor | None) -> None:
        self._stack = stack
        self._conductor = conductor
        self._paths = Paths(PathSettings.load(mounts(stack.plan.folder.runtime)))
        self._calendar = MarketCalendar()
        self._readings: deque[tuple[float, datetime]] = deque(maxlen=_SPEED_READINGS)
        self._journal = JournalCount(self._paths)
        # The simulator's account goes on over days and restarts; the screen shows one day.
        self._sent_before: tuple[date, int] | None = None
        self._rows: dict[Path, tuple[int, int]] = {}

    async def read(self) -> Status:
        """Returns the present status."""
        now = self._conductor.now if self._conductor else RealClock().now()
        day = now.date()
        collector = await self._stack.collector.read()
        journaled = await asyncio.to_thread(self._journal.of, day)
        waiting = self._stack.clock.waiting_for() if self._stack.clock else []
        in_flight = self._conductor.in_flight if self._conductor else None
        database = self._stack.database
        assert database is not None, "the stack is started"
        return Status(
            now=now,
            phase=self._calendar.phase(now).value.replace("_", " "),
            speed=self._speed(now),
            waiting=", ".join(sorted(set(waiting))),
            simulated=self._conductor is not None,
            sent=await self._sent(day, journaled.records),
            journaled=journaled.records,
            collector=str(collector.get("reason", "does not answer")),
            slots=collector.get("session", {}).get("registrations", {}).get("confirmed", 0)
            if collector
            else None,
            holes=journaled.holes,
            quarantined=await asyncio.to_thread(self._quarantined, day),
            lake=await asyncio.to_thread(self._lake_rows, RECORD_TABLES, day),
            warehouse=await asyncio.to_thread(_warehouse_rows, database, day),
            gaps=journaled.gaps,
            runs=await self._runs(),
            in_flight=f"{in_flight.job} {in_flight.partition}" if in_flight else "",
            free_gigabytes=shutil.disk_usage(self._stack.plan.folder.folder).free / 1e9,
            notes=(*self._stack.notes[-3:], *(self._conductor.notes if self._conductor else ())),
        )

    def _speed(self, now: datetime) -> float:
        # A night that was skipped is no speed.
        if self._readings and self._readings[-1][1].date() != now.date():
            self._readings.clear()
        self._readings.append((time.monotonic(), now))
        (then, before), (real, _) = self._readings[0], self._readings[-1]
        return (now - before).total_seconds() / (real - then) if real > then else 0.0

    async def _sent(self, day: date, journaled: int) -> int | None:
        if self._conductor is None:
            return None
        try:
            sent = (await self._stack.broker.read()).records
        except ExternalError:
            return None
        if self._sent_before is None or self._sent_before[0] != day:
            self._sent_before = (day, sent - journaled)
        return sent - self._sent_before[1]

    async def _runs(self) -> tuple[int, int] | None:
        try:
            runs = await self._stack.dagster.runs(_RUNS_SHOWN)
        except ExternalError:
            return None
        statuses = [run.status for run in runs]
        return statuses.count(RunStatus.SUCCESS), statuses.count(RunStatus.FAILURE)

    def _quarantined(self, day: date) -> int:
        folder = self._paths.quarantine / f"{day:%Y%m%d}"
        return sum(path.read_bytes().count(b"\n") for path in folder.glob("*.jsonl"))

    def _lake_rows(self, tables: tuple[str, ...], day: date) -> int:
        rows = 0
        for table in tables:
            closed = self._paths.lake_day(table, day)
            hours = self._paths.lake_open_day(table, day).glob("hour=*/hour.parquet")
            rows += sum(map(self._rows_of, [closed] if closed.exists() else hours))
        return rows

    def _rows_of(self, path: Path) -> int:
        """Returns the rows of a Parquet file, which is read again only when it has changed."""
        try:
            changed = path.stat().st_mtime_ns
            known = self._rows.get(path)
            if known is None or known[0] != changed:
                known = self._rows[path] = (changed, pyarrow.parquet.read_metadata(path).num_rows)
        except FileNotFoundError:
            # Compaction has just replaced the hours by the day.
            return 0
        return known[1]


def _warehouse_rows(database: DatabaseSettings, day: date) -> int | None:
    try:
        session = psycopg2.connect(
            host=database.host,
            port=database.port,
            dbname=database.name,
            user=database.user,
            password=database.password.get_secret_value(),
            connect_timeout=int(_SECONDS),
        )
    except psycopg2.OperationalError:
        return None
    try:
        with session.cursor() as cursor:
            rows = 0
            for table in WAREHOUSE_TABLES:
                name = sql.Identifier("observer", table)
                cursor.execute(sql.SQL("SELECT count(*) FROM {} WHERE trading_day = %s").format(name), (day,))
                counted = cursor.fetchone()
                rows += counted[0] if counted else 0
            return rows
    except psycopg2.errors.UndefinedTable:
        # Before the first load has migrated the schema.
        return 0
    except psycopg2.OperationalError:
        return None
    finally:
        session.close()
