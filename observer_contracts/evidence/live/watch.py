"""Real time for the persistence test."""

from __future__ import annotations

import time
from datetime import datetime

from observer_core.clock import Clock

_NANOSECONDS = 1_000_000_000


class RealWatch:
    """The time of the process's clock, and real waiting.

    Args:
        clock: Tells the time of day.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        """Returns the present instant in Korean time."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Returns the seconds of a clock that never goes back."""
        return self._clock.monotonic_ns() / _NANOSECONDS

    def wait(self, seconds: float) -> None:
        """Lets time pass."""
        time.sleep(seconds)
