"""A shared clock for work that waits while time stands.

Invariant: it never shows less than the clock behind it, and passes at least as fast as real time from the
moment it was made. A run that a conductor has stopped time for can so keep a broker's pace; nothing that
belongs to the market may be dated by it.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from observer_core.clock.base import NANOSECONDS, Clock, Participant, kst_datetime

_POLL_SECONDS = 0.01


class RunningClock:
    """A clock that never stands.

    Args:
        clock: The clock behind it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began_ns = clock.now_ns()
        self._began_monotonic_ns = clock.monotonic_ns()

    @property
    def is_virtual(self) -> bool:
        return self._clock.is_virtual

    def now_ns(self) -> int:
        elapsed_ns = self._clock.monotonic_ns() - self._began_monotonic_ns
        return max(self._clock.now_ns(), self._began_ns + elapsed_ns)

    def now(self) -> datetime:
        return kst_datetime(self.now_ns())

    def monotonic_ns(self) -> int:
        return self._clock.monotonic_ns()

    async def sleep_until(self, instant_ns: int) -> None:
        while (remaining := instant_ns - self.now_ns()) > 0:
            # The clock behind it may have leapt ahead meanwhile.
            await asyncio.sleep(min(remaining / NANOSECONDS, _POLL_SECONDS))

    async def sleep(self, seconds: float) -> None:
        await self.sleep_until(self.now_ns() + int(seconds * NANOSECONDS))

    def participant(self, name: str) -> Participant:
        return self._clock.participant(name)
