"""Instants on both clocks, and how long to wait for something.

Invariant: a wait that decides about a fault is over only when it has lasted long enough on the
market's clock and in real time, so that a day at several hundred times its speed sees no fault that
a real day would not see. The machine's clock may be set, forwards and back, while somebody waits: it says
what the market does, but how long something lasted, and which of two instants came later, is for the
machine's monotonic time alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from observer_core.clock import Clock

_NANOSECONDS = 1_000_000_000


class Moment(NamedTuple):
    """An instant.

    Attributes:
        clock_ns: On the process's clock, nanoseconds since the Unix epoch.
        real_ns: Monotonic nanoseconds of the machine.
        settable: Whether the clock may be set while somebody waits, as the machine's; a virtual one goes on.
    """

    clock_ns: int
    real_ns: int
    settable: bool = False

    @classmethod
    def now(cls, clock: Clock) -> Moment:
        """Returns the present instant."""
        return cls(clock.now_ns(), clock.monotonic_ns(), not clock.is_virtual)


def latest(first: Moment, *others: Moment) -> Moment:
    """Returns the moment that came last, whatever the clock showed."""
    return max((first, *others), key=lambda moment: moment.real_ns)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait: seconds of the clock, and at least so many real ones."""

    clock_seconds: float
    real_seconds: float

    def exhausted(self, since: Moment, now: Moment, *, times: int = 1) -> bool:
        """Returns whether the wait is over; `times` stretches it."""
        real_ns = now.real_ns - since.real_ns
        clock_ns = now.clock_ns - since.clock_ns
        if now.settable or clock_ns < 0:
            clock_ns = real_ns
        return (
            clock_ns >= times * self.clock_seconds * _NANOSECONDS
            and real_ns >= times * self.real_seconds * _NANOSECONDS
        )
