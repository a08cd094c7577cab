"""The broker's limit of requests a second (broker reference, 3.3).

Invariant: at any instant no more requests have passed than the bucket held and has got since, by the clock or
in real time, whichever is more: while the market's time stands, a client may keep its pace in real time.
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
        self._at: tuple[int, int] | None = None

    def passes(self, now_ns: int, monotonic_ns: int = 0) -> bool:
        """Takes one request out of the bucket; returns whether there was one.

        Args:
            now_ns: The clock.
            monotonic_ns: Real time.
        """
        if self._at is not None:
            elapsed_ns = max(now_ns - self._at[0], monotonic_ns - self._at[1])
            refill = elapsed_ns / NANOSECONDS * self._per_second
            self._left = min(float(self._per_second), self._left + refill)
        self._at = (now_ns, monotonic_ns)
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
