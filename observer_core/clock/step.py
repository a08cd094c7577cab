"""A clock that a test moves by hand.

Invariant: time moves only through `advance_to`; sleepers wake in the order of their instants, each
seeing the clock at exactly its own.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from datetime import datetime

from observer_core.clock.base import NANOSECONDS, Participant, kst_datetime


class StepClock:
    """Virtual time inside one process.

    Args:
        start: The first instant, with a zone.
    """

    is_virtual = True

    def __init__(self, start: datetime) -> None:
        self._now_ns = int(start.timestamp() * NANOSECONDS)
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now_ns(self) -> int:
        return self._now_ns

    def now(self) -> datetime:
        return kst_datetime(self._now_ns)

    def monotonic_ns(self) -> int:
        return self._now_ns

    async def sleep_until(self, instant_ns: int) -> None:
        if instant_ns <= self._now_ns:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (instant_ns, next(self._order), woken))
        await woken

    async def sleep(self, seconds: float) -> None:
        await self.sleep_until(self._now_ns + int(seconds * NANOSECONDS))

    def participant(self, name: str) -> Participant:
        return Participant()

    async def advance_to(self, instant: datetime, *, rounds: int = 20) -> None:
        """Moves time, waking each sleeper at its instant.

        Args:
            instant: The new time.
            rounds: Turns of the event loop that woken work gets before time moves on.
        """
        target_ns = int(instant.timestamp() * NANOSECONDS)
        while self._sleepers and self._sleepers[0][0] <= target_ns:
            self._now_ns, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)
            await self._settle(rounds)
        self._now_ns = target_ns
        await self._settle(rounds)

    @staticmethod
    async def _settle(rounds: int) -> None:
        for _ in range(rounds):
            await asyncio.sleep(0)
