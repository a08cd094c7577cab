"""A clock that never stands, over one that a test moves."""

from datetime import datetime

from observer_core.clock import KST, StepClock
from observer_core.clock.running import RunningClock

NINE = datetime(2026, 9, 15, 9, tzinfo=KST)


class Standing(StepClock):
    """A market whose time stands, in a world whose time passes by a tenth of a second a question."""

    real_ns = 0

    def monotonic_ns(self) -> int:
        self.real_ns += 100_000_000
        return self.real_ns


async def test_it_passes_in_real_time_while_the_market_stands():
    standing = Standing(NINE)
    clock = RunningClock(standing)
    before = clock.now_ns()
    await clock.sleep(1.0)
    assert clock.now_ns() - before >= 1_000_000_000
    assert standing.now() == NINE


async def test_it_follows_a_market_that_is_faster():
    behind = StepClock(NINE)
    clock = RunningClock(behind)
    await behind.advance_to(NINE.replace(hour=15))
    assert clock.now() == NINE.replace(hour=15) or clock.now() > NINE.replace(hour=15)
    assert clock.is_virtual
