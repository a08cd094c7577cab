"""The pace of REST requests (broker reference, 3.3).

Invariant: two requests of one limiter are at least one interval apart on the process's clock, so
that no second of any of the broker's gateways holds more than the rate.
"""

from __future__ import annotations

from observer_core.clock import Clock

_NANOSECONDS = 1_000_000_000


class RequestLimiter:
    """A bucket of one token, refilled evenly.

    Args:
        clock: Whose seconds are counted.
        per_second: Requests a second.
    """

    def __init__(self, clock: Clock, per_second: float) -> None:
        self._clock = clock
        self._interval_ns = int(_NANOSECONDS / per_second)
        self._next_ns = 0

    async def acquire(self) -> None:
        """Returns when the next request may be sent; callers are served in their order.

        It waits on the clock: never call it while a `Participant` is busy, virtual time would stand.
        """
        now_ns = self._clock.now_ns()
        turn_ns = max(now_ns, self._next_ns)
        self._next_ns = turn_ns + self._interval_ns
        if turn_ns > now_ns:
            await self._clock.sleep_until(turn_ns)
