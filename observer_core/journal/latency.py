"""How long it takes from a message to its line on the disk.

Invariant: a histogram with fixed bounds, so that it costs the same after a month as after a minute,
and so that those of many processes can be added.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate

# Seconds; the last bucket has no bound. Dense around half a second, the default window.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.75, 1.0, 2.5, 5.0, 10.0, 30.0)


class LatencyHistogram:
    """Durations, counted by bucket."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self.total_seconds = 0.0
        self.longest_seconds = 0.0

    def add(self, seconds: float) -> None:
        """Counts one duration."""
        self._counts[bisect_left(BOUNDS, seconds)] += 1
        self.total_seconds += seconds
        self.longest_seconds = max(self.longest_seconds, seconds)

    @property
    def counts(self) -> list[int]:
        """How many durations fell into each bucket; the last one has no bound."""
        return list(self._counts)

    @property
    def cumulative(self) -> list[int]:
        """How many durations were at most as long as each bound, and last how many there were."""
        return list(accumulate(self._counts))
