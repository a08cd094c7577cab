"""How many records came in the last half hour, in steps of ten seconds.

Invariant: a fixed number of samples, however long the process lives; a sample is a total and the instant at
which it was true, so that a pause of the process or a leap of a virtual clock makes a sample longer and
never wrong.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise

from observer_core.clock.base import NANOSECONDS

STEP_NS = 10 * NANOSECONDS
SPAN_NS = 30 * 60 * NANOSECONDS


class RateRing:
    """Totals of the last half hour, about one every ten seconds of the clock."""

    def __init__(self) -> None:
        self._totals: deque[tuple[int, int]] = deque(maxlen=SPAN_NS // STEP_NS + 1)
        self._next_ns = 0

    def observe(self, now_ns: int, total: int) -> None:
        """Takes the present total; keeps it where a step has passed since the one kept before."""
        if now_ns < self._next_ns:
            if self._next_ns - now_ns <= 2 * STEP_NS:
                return
            # The clock was set back: what was sampled under the other time belongs to no time now.
            self._totals.clear()
        self._totals.append((now_ns, total))
        self._next_ns = (now_ns // STEP_NS + 1) * STEP_NS

    def per_second(self, now_ns: int) -> list[tuple[int, float]]:
        """Returns the end of each sample of the last half hour and its records per second of the clock."""
        return [
            (ended_ns, (after - before) * NANOSECONDS / (ended_ns - began_ns))
            for (began_ns, before), (ended_ns, after) in pairwise(self._totals)
            if began_ns >= now_ns - SPAN_NS - STEP_NS
        ]
