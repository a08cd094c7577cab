"""The broker's limit of requests a second (broker reference, 3.3).

Invariant: at any instant of the clock no more requests have passed than the bucket held and has
got since.
"""

from __future__ import annotations

from observer_core.clock.base import NANOSECONDS
from observer_simulator.credentials import Refusal

TOO_MANY_REQUESTS = Refusal(500, "EGW00201", "초당 거래건수를 초과하였습니다.")


class Bucket:
    """A bucket of one second's requests.

    Args:
        per_second: Requests a second.
    """

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._left = float(per_second)
        self._at_ns: int | None = None

    def passes(self, now_ns: int) -> bool:
        """Takes one request out of the bucket; returns whether there was one."""
        if self._at_ns is not None:
            refill = (now_ns - self._at_ns) / NANOSECONDS * self._per_second
            self._left = min(float(self._per_second), self._left + refill)
        self._at_ns = now_ns
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
