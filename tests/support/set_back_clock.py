"""A clock that somebody sets back, as an operator or NTP may."""

import asyncio

from observer_core.clock import StepClock


class SetBackClock(StepClock):
    """A clock moved by hand, in both directions; the machine's monotonic time only ever grows."""

    def __init__(self, start):
        super().__init__(start)
        self._back_ns = 0

    def monotonic_ns(self):
        return self._now_ns + self._back_ns

    def step_back(self, seconds):
        self._now_ns -= int(seconds * 10**9)
        self._back_ns += int(seconds * 10**9)

    async def awaited_within(self, seconds):
        """Returns once somebody waits for an instant that near; nobody does who waits for the old time."""
        async with asyncio.timeout(60):
            while not any(
                instant_ns <= self._now_ns + seconds * 10**9 and not woken.done()
                for instant_ns, _, woken in self._sleepers
            ):
                await asyncio.sleep(0.01)
