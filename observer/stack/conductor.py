"""Leads a virtual day: asks Dagster for its runs, and holds the clock until they are done.

Invariant: under a virtual clock nobody else requests runs (Dagster's own schedules follow the
machine's clock), and time never passes a wall of the day's programme.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from pathlib import Path

from observer.stack.collector_status import CollectorStatus
from observer.stack.dagster_client import DagsterClient, RunStatus
from observer.stack.programme import DayProgramme, Request, Wall
from observer_core.clock import ClockFile, Conductor, Hold, kst_datetime
from observer_core.errors import ExternalError, ProcessError, StorageError
from observer_core.files import write_atomically
from observer_core.market.calendar import MarketCalendar

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BEAT_SECONDS = 0.1
# Each question costs the webserver some milliseconds of a core that the market needs, too.
_FOLLOW_SECONDS = 0.4
_NOTES = 6
# 41 registrations at 0.1 s, and a busy machine.
_REGISTRATION_SECONDS = 60.0


class DayConductor:
    """Runs one virtual day after the other.

    Args:
        clock: The clock's conductor.
        dagster: Where runs are requested.
        collector: Tells when it hears the market.
        programme: The first day.
        saved: File that keeps clock and programme for the next start; None keeps nothing.
        strict: True raises when a run fails; False shows it and goes on.
        single_day: True returns at the end of the first day.
    """

    def __init__(
        self,
        clock: Conductor,
        dagster: DagsterClient,
        collector: CollectorStatus,
        programme: DayProgramme,
        *,
        saved: Path | None = None,
        strict: bool,
        single_day: bool,
    ) -> None:
        self._clock = clock
        self._dagster = dagster
        self._collector = collector
        self._listening_by: float | None = None
        self.programme = programme
        self._saved = saved
        self._strict = strict
        self._single_day = single_day
        self._calendar = MarketCalendar()
        self._holds: dict[Wall, Hold] = {}
        self._in_flight: tuple[Request, str] | None = None
        self._next_question = 0.0
        self.notes: deque[str] = deque(maxlen=_NOTES)
        # Nothing more to hear after the last data of the day.
        programme.listening = self.now >= programme.session.at(programme.session.data_ends)
        # From here on time stands where it has to; whoever holds it until now may let it pass.
        self._place_walls()

    @property
    def now(self) -> datetime:
        """The present virtual instant in Korean time."""
        return kst_datetime(self._clock.now_ns())

    @property
    def in_flight(self) -> Request | None:
        """The request whose run has not ended."""
        return self._in_flight[0] if self._in_flight else None

    @property
    def run_in_flight(self) -> str | None:
        """The run that has not ended."""
        return self._in_flight[1] if self._in_flight else None

    async def run(self) -> None:
        """Leads until the day ends (`single_day`) or until it is cancelled.

        Raises:
            ProcessError: A run failed, and `strict` was asked for.
        """
        while True:
            self._place_walls()
            await self._look_for_registrations()
            try:
                await self._serve_programme()
            except ExternalError as error:
                if self._strict:
                    raise
                self.notes.append(f"{self.now:%H:%M:%S} {error}")
                await asyncio.sleep(1)
            if self._day_is_over():
                if self._single_day:
                    return
                self._next_day()
            await asyncio.sleep(_BEAT_SECONDS)

    async def finish(self, request: Request) -> None:
        """Requests one more run and waits for it; for what came after the programme's end.

        Raises:
            ProcessError: It failed, and `strict` was asked for.
        """
        self._in_flight = (request, await self._launch(request))
        while self._in_flight is not None:
            await self._follow(*self._in_flight)
            await asyncio.sleep(_BEAT_SECONDS)

    def save(self) -> None:
        """Writes where clock and programme stand."""
        if self._saved is None:
            return
        compacted_to = self.programme.compacted_to
        state = {
            "now": self.now.isoformat(),
            "now_ns": self._clock.now_ns(),
            "day": self.programme.partition,
            "has_reference": self.programme.has_reference,
            "compacted_to": compacted_to.isoformat() if compacted_to else None,
            "closed": self.programme.closed,
            "late_close": self.programme.late_close,
        }
        write_atomically(self._saved, (json.dumps(state, indent=1) + "\n").encode())

    async def _serve_programme(self) -> None:
        if self._in_flight is not None:
            await self._follow(*self._in_flight)
            return
        request = self.programme.due(self.now)
        if request is not None:
            self._in_flight = (request, await self._launch(request))

    async def _launch(self, request: Request) -> str:
        tags = {"observer/trigger": "conductor", "observer/trading_day": request.partition}
        return await self._dagster.launch(request.job, partition=request.partition, tags=tags)

    async def _follow(self, request: Request, run_id: str) -> None:
        if time.monotonic() < self._next_question:
            return
        self._next_question = time.monotonic() + _FOLLOW_SECONDS
        status = await self._dagster.status(run_id)
        if status is RunStatus.SUCCESS:
            self.programme.succeeded(request)
            self._in_flight = None
        elif status in (RunStatus.FAILURE, RunStatus.CANCELED):
            self._in_flight = None
            await self._take_failure(request, run_id)

    async def _take_failure(self, request: Request, run_id: str) -> None:
        reason = await self._dagster.failure(run_id)
        self.programme.failed(request)
        message = f"The run {request.job} for {request.partition} failed: {reason}"
        if self._strict:
            raise ProcessError(message, remedy=f"See {self._dagster.address}/runs/{run_id}.")
        self.notes.append(f"{self.now:%H:%M:%S} {message}")

    async def _look_for_registrations(self) -> None:
        """Notes when the collector hears the market; `up` goes on without it after a while."""
        programme = self.programme
        if programme.listening or not programme.has_reference:
            self._listening_by = None
            return
        self._listening_by = self._listening_by or time.monotonic() + _REGISTRATION_SECONDS
        if await self._collector.is_registered():
            programme.listening = True
        elif not self._strict and time.monotonic() > self._listening_by:
            programme.listening = True
            self.notes.append(f"{self.now:%H:%M:%S} The collector has not all its registrations.")

    def _place_walls(self) -> None:
        walls = set(self.programme.walls())
        for wall in walls - self._holds.keys():
            self._holds[wall] = self._clock.hold(instant_ns(wall.at), wall.reason)
        for wall in self._holds.keys() - walls:
            self._holds.pop(wall).release()

    def _day_is_over(self) -> bool:
        idle = self._in_flight is None and self.programme.due(self.now) is None
        return idle and self.now >= self.programme.ends

    def _next_day(self) -> None:
        day = self._calendar.next_trading_day(self.programme.session.day)
        skipped = (day - self.programme.session.day).days - 1
        closed = f", over {skipped} closed day{'s' if skipped > 1 else ''}" if skipped else ""
        yesterday = self.programme.partition
        self.programme = DayProgramme(self._calendar.session(day), late_close=yesterday)
        self.notes.append(f"The night is skipped{closed}: on to {day:%A %Y-%m-%d}, 07:20.")
        self._place_walls()
        self._clock.jump(instant_ns(self.programme.begins))
        self.save()


def instant_ns(moment: datetime) -> int:
    """Returns an instant in nanoseconds since the Unix epoch, exactly."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def read_saved(path: Path, clock: Path) -> tuple[int, DayProgramme] | None:
    """Returns where an earlier stack stood, None where there was none.

    Args:
        path: What `save` has written.
        clock: The earlier clock's file: a stack that was killed has seen later instants than it saved.

    Returns:
        The first instant that no process of the earlier stack has passed, and the programme.

    Raises:
        StorageError: The file is damaged.
    """
    if not path.exists():
        return None
    try:
        state = json.loads(path.read_text())
        compacted_to = state["compacted_to"]
        programme = DayProgramme(
            MarketCalendar().session(datetime.fromisoformat(state["day"]).date()),
            has_reference=state["has_reference"],
            compacted_to=datetime.fromisoformat(compacted_to) if compacted_to else None,
            closed=state["closed"],
            late_close=state["late_close"],
        )
        now_ns = int(state["now_ns"])
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{path} is damaged: {error!r}.", remedy="Begin anew with `observer up --reset`."
        ) from error
    return max(now_ns, ClockFile(clock).read().limit_ns) if clock.exists() else now_ns, programme
