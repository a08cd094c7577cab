"""Which universe is in force, day after day.

Invariant: a universe is in force from when its day's file is there until the next day's; an earlier
day's takes its place only when the pre-open phase has passed without the file, and `fallback` says
so. The loop runs for months: no session's end ends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date

from observer_collector.market_hours import MarketHours
from observer_core.clock import Clock
from observer_core.errors import InputError
from observer_core.logs import logger
from observer_core.reference.universe import Universe, earlier_universe, read_universe
from observer_core.settings import Paths

# Real time: the file system has no other.
_POLL_SECONDS = 5.0
_VIRTUAL_POLL_SECONDS = 0.1

_log = logger(__name__)


class Planner:
    """Reads the day's universe and hands it on.

    Args:
        paths: Where the universe files lie.
        hours: The market's hours.
        clock: The process's clock.
        adopt: Takes a new universe.
    """

    def __init__(
        self,
        paths: Paths,
        hours: MarketHours,
        clock: Clock,
        adopt: Callable[[Universe], None],
    ) -> None:
        self._paths = paths
        self._hours = hours
        self._clock = clock
        self._adopt = adopt
        self._problem = ""
        self.universe: Universe | None = None
        self.fallback = False
        self.waiting_for: date | None = None

    async def run(self) -> None:
        """Looks for the day's universe until cancelled."""
        pause = _VIRTUAL_POLL_SECONDS if self._clock.is_virtual else _POLL_SECONDS
        while True:
            self.look()
            await asyncio.sleep(pause)

    def look(self) -> None:
        """Puts the universe in force that belongs to the present instant."""
        now_ns = self._clock.now_ns()
        day = self._hours.plan_day(now_ns)
        if self.universe is not None and self.universe.day == day:
            self.waiting_for = None
            return
        self.waiting_for = day
        path = self._paths.universe(day)
        if path.exists():
            found = self._read(lambda: read_universe(path))
            if found is not None:
                self._put_in_force(found, fallback=False)
                return
        if self._clock.now() >= self._hours.universe_due(day):
            found = self._read(lambda: earlier_universe(self._paths, day))
            if found is not None:
                self._fall_back(found, day)

    def _read(self, read: Callable[[], Universe]) -> Universe | None:
        try:
            return read()
        except InputError as error:
            # The loop comes back every few seconds; the same problem is told once.
            if self._problem != str(error):
                _log.warning("There is no usable universe yet.", reason=str(error))
            self._problem = str(error)
            return None

    def _fall_back(self, universe: Universe, day: date) -> None:
        if self.universe is not None and self.universe.day == universe.day and self.fallback:
            return
        _log.warning(
            "The day's universe is missing; an earlier one is used.", day=f"{day}", used=f"{universe.day}"
        )
        self._put_in_force(universe, fallback=True)

    def _put_in_force(self, universe: Universe, *, fallback: bool) -> None:
        self.universe, self.fallback, self._problem = universe, fallback, ""
        self.waiting_for = None if not fallback else self.waiting_for
        _log.info("Universe in force.", day=f"{universe.day}", symbols=universe.size)
        self._adopt(universe)
