"""The day's programme under a virtual clock: which Dagster runs are due, and what time waits for.

Invariant: at most one run is in flight; a run that others build on puts up a wall that time does
not pass before the run has succeeded. Nothing here reads a clock or starts a run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum

from observer_core.market.calendar import Session
from observer_core.market.programme import CLOSE_DAY_AT, REFRESH_REFERENCE_AT

# Times of the day from `docs/architecture.md`.
_CLOSE_BY = time(20, 40)
DAY_BEGINS = time(7, 20)
DAY_ENDS = time(20, 40)

# The collector seals an hour with the first line of the next one, or shortly after it.
_SEALING = timedelta(seconds=30)


class Job(StrEnum):
    """The jobs of the pipeline."""

    REFRESH_REFERENCE = "refresh_reference"
    COMPACT_HOURS = "compact_hours"
    CLOSE_DAY = "close_day"


@dataclass(frozen=True, slots=True)
class Request:
    """A run to ask for.

    Attributes:
        job: The job.
        partition: The trading day, YYYY-MM-DD.
        through: For `compact_hours`, the end of the last hour that it covers.
    """

    job: Job
    partition: str
    through: datetime | None = None


@dataclass(frozen=True, slots=True)
class Wall:
    """An instant that time does not pass, and why."""

    at: datetime
    reason: str


@dataclass
class DayProgramme:
    """What one trading day asks of Dagster.

    Attributes:
        session: The day.
        has_reference: Whether universe and symbols of the day are there.
        listening: Whether the collector hears what the broker sends on this day. Time waits for it at the
            opening auction, and at once where it begins later: no record is missed by starting.
        compacted_to: Up to which full hour the journal is in the lake.
        closed: Whether the day is closed.
        batch: How many hours are compacted in one run, at least: one, as in production, or more where a
            day is to be over in minutes and the start of a run weighs. The market never runs more than
            one hour further ahead than that.
        late_close: Trading day before this one that is to be closed once more, because the collector
            seals the last lines of a day only when the next hour with data begins; empty when done.
    """

    session: Session
    has_reference: bool = False
    listening: bool = False
    compacted_to: datetime | None = None
    closed: bool = False
    batch: int = 1
    late_close: str = ""
    _given_up: set[Job] = field(default_factory=set)
    _tried_to: datetime | None = None

    @property
    def partition(self) -> str:
        return self.session.day.isoformat()

    @property
    def begins(self) -> datetime:
        """When the first thing happens on this day."""
        return self.session.at(DAY_BEGINS)

    @property
    def ends(self) -> datetime:
        """When nothing more happens on this day."""
        return self.session.at(DAY_ENDS)

    def has_data_at(self, now: datetime) -> bool:
        """Returns whether the universe is due by then and the collector may receive data."""
        return self.session.at(REFRESH_REFERENCE_AT) <= now < self.session.at(self.session.data_ends)

    def due(self, now: datetime) -> Request | None:
        """Returns the run to ask for next, or None.

        Args:
            now: The present instant of the virtual clock.
        """
        if self.late_close and now >= self.begins + _SEALING:
            return Request(Job.CLOSE_DAY, self.late_close)
        if self._wants_reference(now):
            return Request(Job.REFRESH_REFERENCE, self.partition)
        through = self._closed_hours(now)
        if through is not None:
            return Request(Job.COMPACT_HOURS, self.partition, through)
        if self._wants_closing(now):
            return Request(Job.CLOSE_DAY, self.partition)
        return None

    def succeeded(self, request: Request) -> None:
        """Takes note of a run that succeeded."""
        if request.partition == self.late_close:
            self.late_close = ""
        elif request.job is Job.REFRESH_REFERENCE:
            self.has_reference = True
        elif request.job is Job.COMPACT_HOURS:
            self.compacted_to = self._tried_to = request.through
        else:
            self.closed = True

    def failed(self, request: Request) -> None:
        """Takes note of a run that failed: the day goes on, and compaction is tried with the next hour."""
        if request.partition == self.late_close:
            self.late_close = ""
        elif request.job is Job.COMPACT_HOURS:
            self._tried_to = request.through
        else:
            self._given_up.add(request.job)

    def walls(self) -> list[Wall]:
        """Returns what time has to wait for, nearest first; what lies in the past holds it at once."""
        walls = []
        auction = self.session.at(self.session.auction_from)
        if not self.has_reference and Job.REFRESH_REFERENCE not in self._given_up:
            walls.append(Wall(auction, "universe and symbols of the day"))
        elif self.has_reference and not self.listening:
            walls.append(Wall(auction, "the collector's registrations"))
        behind_from = self._oldest_open_hour()
        if self._tried_to == self.compacted_to and behind_from < self._last_compaction():
            lagging = behind_from + timedelta(hours=self.batch + 2)
            walls.append(Wall(lagging, f"compaction of the hour from {behind_from:%H:%M}"))
        if not self.closed and Job.CLOSE_DAY not in self._given_up:
            walls.append(Wall(self.session.at(_CLOSE_BY), "the close of the day"))
        return sorted(walls, key=lambda wall: wall.at)

    def _wants_reference(self, now: datetime) -> bool:
        open_task = not self.has_reference and Job.REFRESH_REFERENCE not in self._given_up
        return open_task and now >= self.session.at(REFRESH_REFERENCE_AT)

    def _wants_closing(self, now: datetime) -> bool:
        open_task = not self.closed and Job.CLOSE_DAY not in self._given_up
        return open_task and now >= self.session.at(CLOSE_DAY_AT)

    def _oldest_open_hour(self) -> datetime:
        return self.compacted_to or self.session.at(self.session.auction_from.replace(minute=0))

    def _last_compaction(self) -> datetime:
        """Returns the end of the last hour that `compact_hours` is asked for: the rest is `close_day`'s."""
        return self.session.at(self.session.data_ends.replace(minute=0)) - timedelta(hours=1)

    def _closed_hours(self, now: datetime) -> datetime | None:
        """Returns the end of the last closed hour where that has not been compacted or tried."""
        sealed = (now - _SEALING).replace(minute=0, second=0, microsecond=0)
        through = min(sealed, self._last_compaction())
        done = max(filter(None, (self._oldest_open_hour(), self._tried_to)))
        return through if through - done >= timedelta(hours=self.batch) else None
