"""The clock's interface, and real time.

Invariant: instants are integers of nanoseconds since the Unix epoch; they become a `datetime` only
with the zone of the Korean exchanges, which has no daylight saving (broker reference, section 8).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Protocol

KST = timezone(timedelta(hours=9), "KST")

NANOSECONDS = 1_000_000_000


def kst_datetime(instant_ns: int) -> datetime:
    """Returns the Korean time of an instant, exact to the microsecond."""
    seconds, nanoseconds = divmod(instant_ns, NANOSECONDS)
    return datetime.fromtimestamp(seconds, KST).replace(microsecond=nanoseconds // 1000)


class Participant:
    """One process's promise to the conductor: up to which instant its work is done.

    On real time the promise has no reader. `SharedClock` returns a participant that publishes.
    """

    def __init__(self) -> None:
        self._caught_up_ns = 0
        self._holds: dict[int, int] = {}
        self._next_hold = 0

    def caught_up(self, instant_ns: int) -> None:
        """States that everything that was due at or before the instant is done."""
        self._caught_up_ns = max(self._caught_up_ns, instant_ns)
        self._publish()

    @contextmanager
    def busy(self, since_ns: int) -> Iterator[None]:
        """Keeps the promise at `since_ns` while a piece of work is under way."""
        token = self._next_hold
        self._next_hold += 1
        self._holds[token] = since_ns
        self._publish()
        try:
            yield
        finally:
            del self._holds[token]
            self._publish()

    @property
    def progress_ns(self) -> int:
        """The instant up to which the work is done, unfinished pieces included."""
        return min([self._caught_up_ns, *self._holds.values()])

    def leave(self) -> None:
        """Ends the promise: the conductor no longer waits for this process."""

    def _publish(self) -> None:
        """Makes the promise visible to the conductor, where there is one."""


class Clock(Protocol):
    """What a process may ask about time."""

    @property
    def is_virtual(self) -> bool:
        """Whether this time is not the machine's."""

    def now_ns(self) -> int:
        """Returns the present instant in nanoseconds since the Unix epoch; never goes back."""

    def now(self) -> datetime:
        """Returns the present instant in Korean time."""

    def monotonic_ns(self) -> int:
        """Returns the machine's monotonic time in nanoseconds, for durations of I/O."""

    async def sleep_until(self, instant_ns: int) -> None:
        """Returns once the clock shows the instant or later."""

    async def sleep(self, seconds: float) -> None:
        """Returns once that many seconds of this clock have passed."""

    def participant(self, name: str) -> Participant:
        """Registers this process with the conductor, who from then on waits for it."""


class RealClock:
    """The machine's own time."""

    is_virtual = False

    # Taken twice for every message of the hot path: the functions themselves, without a call around them.
    now_ns = staticmethod(time.time_ns)
    monotonic_ns = staticmethod(time.monotonic_ns)

    def now(self) -> datetime:
        return kst_datetime(self.now_ns())

    async def sleep_until(self, instant_ns: int) -> None:
        # Slept in pieces: a step of the wall clock (NTP) must not oversleep a session's opening.
        while (remaining := instant_ns - self.now_ns()) > 0:
            await asyncio.sleep(min(remaining / NANOSECONDS, 30.0))

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def participant(self, name: str) -> Participant:
        return Participant()
