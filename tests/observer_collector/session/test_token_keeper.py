"""The token is renewed before the day."""

import asyncio

import pytest
from set_back_clock import SetBackClock

from observer_collector import cadence
from observer_collector.market_hours import MarketHours
from observer_collector.session.token_keeper import TokenKeeper
from observer_core.clock import kst_datetime
from observer_core.errors import NetworkError


class Tokens:
    """Stands for the store: what it does is tested with a real broker's answers elsewhere."""

    def __init__(self, clock):
        self._clock = clock
        self.asked = []
        self.failures = 0

    async def renew_ahead(self, until):
        self.asked.append((f"{self._clock.now():%H:%M}", f"{until:%d %H:%M}"))
        if self.failures:
            self.failures -= 1
            raise NetworkError("maintenance")
        return True


@pytest.fixture
async def keeping(calendar, at):
    tasks = []

    def make(start, day=None):
        clock = SetBackClock(kst_datetime(at(start) if day is None else at(start, day)))
        tokens = Tokens(clock)
        tasks.append(asyncio.ensure_future(TokenKeeper(tokens, MarketHours(calendar), clock).run()))
        return clock, tokens

    yield make
    for task in tasks:
        task.cancel()


async def run(clock, hour, minute):
    await asyncio.sleep(0)
    await clock.advance_to(clock.now().replace(hour=hour, minute=minute))


async def test_once_in_the_morning_for_the_whole_day(keeping):
    """At half past seven, to outlast the last data of the day."""
    clock, tokens = keeping("06:00:00")
    await run(clock, 12, 0)
    assert tokens.asked == [("07:30", "15 20:00")]


async def test_a_broker_that_does_not_answer_is_asked_again_until_the_auction(keeping):
    clock, tokens = keeping("07:29:30")
    tokens.failures = 3
    await run(clock, 9, 0)
    assert [moment for moment, _ in tokens.asked] == ["07:30", "07:31", "07:32", "07:33"]


async def test_a_start_in_the_session_leaves_the_token_to_those_who_use_it(keeping):
    clock, tokens = keeping("10:00:00")
    await run(clock, 19, 0)
    assert tokens.asked == []


async def test_a_clock_set_back_does_not_put_the_renewal_off(keeping, monkeypatch):
    """Three hours back: half past seven is half past seven of the time that the clock shows now."""
    monkeypatch.setattr(cadence, "_LOOK_SECONDS", 0.01)
    clock, tokens = keeping("09:40:30")
    await run(clock, 9, 41)
    clock.step_back(3 * 3600)
    await clock.awaited_within(60)
    await run(clock, 9, 0)
    assert tokens.asked == [("07:30", "15 20:00")]
