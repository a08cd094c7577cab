"""The pace of requests, on a clock that stands still unless moved."""

import asyncio
from datetime import datetime, timedelta

import pytest

from observer_core.brokers.kis.endpoints import requests_per_second, rest_url, websocket_url
from observer_core.brokers.kis.limiter import RequestLimiter
from observer_core.clock import KST, StepClock
from observer_core.settings import KisSettings

START = datetime(2026, 9, 15, 9, tzinfo=KST)


async def turns(per_second: float, callers: int, seconds: float) -> list[float]:
    """Returns when each caller got its turn, in seconds after the start."""
    clock = StepClock(START)
    limiter = RequestLimiter(clock, per_second)
    served: list[float] = []

    async def call() -> None:
        await limiter.acquire()
        served.append((clock.now() - START).total_seconds())

    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(call())
        # They ask before time moves.
        await asyncio.sleep(0)
        await clock.advance_to(START + timedelta(seconds=seconds))
    return served


async def test_the_first_request_goes_at_once_and_the_others_are_evenly_spaced():
    assert await turns(4, 5, seconds=10) == pytest.approx([0, 0.25, 0.5, 0.75, 1.0])


async def test_no_second_holds_more_requests_than_the_rate():
    served = await turns(14.4, 60, seconds=10)
    for start in served:
        assert sum(start <= other < start + 1 for other in served) <= 15


async def test_idle_time_is_not_saved_up():
    clock = StepClock(START)
    limiter = RequestLimiter(clock, 1)
    await limiter.acquire()
    await clock.advance_to(START + timedelta(seconds=60))
    await limiter.acquire()
    waiting = asyncio.create_task(limiter.acquire())
    await asyncio.sleep(0)
    assert not waiting.done()
    await clock.advance_to(START + timedelta(seconds=61))
    assert waiting.done()


def settings(**variables: str) -> KisSettings:
    return KisSettings.load(variables)


def test_the_rate_is_four_fifths_of_the_documented_one():
    """Broker reference, 3.3: 18 a second on the real host, 1 on the paper host."""
    assert requests_per_second(settings()) == pytest.approx(14.4)
    assert requests_per_second(settings(KIS_ENVIRONMENT="paper")) == pytest.approx(0.8)
    assert requests_per_second(settings(KIS_REQUESTS_PER_SECOND="3")) == 3


def test_addresses_are_the_documented_ones_unless_set():
    """Broker reference, section 1."""
    assert rest_url(settings()) == "https://openapi.koreainvestment.com:9443"
    assert rest_url(settings(KIS_ENVIRONMENT="paper")) == "https://openapivts.koreainvestment.com:29443"
    assert websocket_url(settings()) == "ws://ops.koreainvestment.com:21000/tryitout"
    assert websocket_url(settings(KIS_ENVIRONMENT="paper")) == "ws://ops.koreainvestment.com:31000/tryitout"
    assert rest_url(settings(KIS_REST_URL="http://127.0.0.1:1/")) == "http://127.0.0.1:1"
    assert websocket_url(settings(KIS_WEBSOCKET_URL="ws://127.0.0.1:2")) == "ws://127.0.0.1:2"
