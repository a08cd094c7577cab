"""Waiting for instants that come again and again, on a clock that may be set."""

import asyncio
from datetime import UTC, datetime

import pytest
from set_back_clock import SetBackClock

from observer_collector import cadence
from observer_collector.cadence import next_multiple, reached

START = datetime(2026, 9, 15, 1, 0, 30, tzinfo=UTC)
MINUTE_NS = 60 * 10**9


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr(cadence, "_LOOK_SECONDS", 0.01)
    return SetBackClock(START)


async def test_the_next_multiple_is_the_one_the_clock_shows(clock):
    waiting = asyncio.ensure_future(next_multiple(clock, MINUTE_NS))
    await asyncio.sleep(0)
    await clock.advance_to(START.replace(second=59))
    assert not waiting.done()
    await clock.advance_to(START.replace(minute=1, second=0))
    assert waiting.done()


async def test_after_a_step_back_the_next_multiple_is_that_of_the_present(clock):
    waiting = asyncio.ensure_future(next_multiple(clock, MINUTE_NS))
    await asyncio.sleep(0)
    clock.step_back(2_400)
    await clock.awaited_within(60)
    await clock.advance_to(START.replace(hour=0, minute=21, second=0))
    assert waiting.done()


@pytest.mark.parametrize(("back", "found"), [(60, True), (150, False)])
async def test_a_step_of_less_than_an_interval_is_waited_for(clock, back, found):
    """NTP puts a clock right by parts of a second all day: that is no reason to begin anew."""
    due_ns = clock.now_ns() + 30 * 10**9
    waiting = asyncio.ensure_future(reached(clock, due_ns, MINUTE_NS))
    await asyncio.sleep(0)
    clock.step_back(back)
    if found:
        await asyncio.sleep(0.05)
        assert not waiting.done()
        await clock.advance_to(START.replace(minute=1, second=0))
    async with asyncio.timeout(60):
        assert await waiting is found
