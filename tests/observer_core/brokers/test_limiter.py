"""The pace of requests, on a clock that stands still unless moved."""

import asyncio
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from observer_core.brokers.kis.endpoints import requests_per_second, rest_url, websocket_url
from observer_core.brokers.limiter import RequestLimiter
from observer_core.clock import KST, StepClock
from observer_core.errors import StorageError
from observer_core.settings import KisSettings

START = datetime(2026, 9, 15, 9, tzinfo=KST)


@pytest.fixture
def pace(tmp_path: Path) -> Path:
    return tmp_path / "rate"


async def turns(
    path: Path, per_second: float, callers: int, seconds: float, *, limiters: int = 1
) -> list[float]:
    """Returns when each caller got its turn, in seconds after the start."""
    clock = StepClock(START)
    desks = [RequestLimiter(path, clock, per_second) for _ in range(limiters)]
    served: list[float] = []

    async def call(limiter: RequestLimiter) -> None:
        await limiter.acquire()
        served.append((clock.now() - START).total_seconds())

    async with asyncio.TaskGroup() as group:
        for number in range(callers):
            group.create_task(call(desks[number % limiters]))
        # They ask before time moves.
        for _ in range(3):
            await asyncio.sleep(0)
        await clock.advance_to(START + timedelta(seconds=seconds))
    return served


async def test_the_first_request_goes_at_once_and_the_others_are_evenly_spaced(pace):
    assert await turns(pace, 4, 5, seconds=10) == pytest.approx([0, 0.25, 0.5, 0.75, 1.0])


async def test_no_second_holds_more_requests_than_the_rate(pace):
    served = await turns(pace, 14.4, 60, seconds=10)
    for start in served:
        assert sum(start <= other < start + 1 for other in served) <= 15


async def test_limiters_of_one_key_share_the_rate_in_the_order_of_asking(pace):
    """Three of them together are as fast as one."""
    assert await turns(pace, 4, 9, seconds=10, limiters=3) == pytest.approx(
        [number * 0.25 for number in range(9)]
    )


async def test_idle_time_is_not_saved_up(pace):
    clock = StepClock(START)
    limiter = RequestLimiter(pace, clock, 1)
    await limiter.acquire()
    await clock.advance_to(START + timedelta(seconds=60))
    await limiter.acquire()
    waiting = asyncio.create_task(limiter.acquire())
    await asyncio.sleep(0)
    assert not waiting.done()
    await clock.advance_to(START + timedelta(seconds=61))
    assert waiting.done()


async def test_a_refusal_slows_everybody_down_for_a_while(pace):
    """Half as fast again after one refusal; a few quiet minutes later the old pace is back."""
    clock = StepClock(START)
    await RequestLimiter(pace, clock, 1).refused()
    other = RequestLimiter(pace, clock, 1)
    await other.acquire()
    waiting = asyncio.create_task(other.acquire())
    await asyncio.sleep(0)
    await clock.advance_to(START + timedelta(seconds=1.4))
    assert not waiting.done()
    await clock.advance_to(START + timedelta(seconds=1.5))
    assert waiting.done()
    await clock.advance_to(START + timedelta(minutes=20))
    await other.acquire()
    waiting = asyncio.create_task(other.acquire())
    await asyncio.sleep(0)
    await clock.advance_to(START + timedelta(minutes=20, seconds=1.01))
    assert waiting.done()


async def test_refusals_in_a_row_stretch_the_pace_eightfold_at_most(pace):
    clock = StepClock(START)
    limiter = RequestLimiter(pace, clock, 1)
    for _ in range(50):
        await limiter.refused()
    await limiter.acquire()
    waiting = asyncio.create_task(limiter.acquire())
    await asyncio.sleep(0)
    await clock.advance_to(START + timedelta(seconds=8))
    assert waiting.done()


@pytest.mark.parametrize("content", [b"", b"torn", b"\xff" * 28, b"\x00" * 28])
async def test_a_torn_file_counts_as_an_empty_one(pace, content):
    """A process that died in a write costs nobody more than its turn."""
    pace.write_bytes(content)
    assert await turns(pace, 4, 2, seconds=1) == pytest.approx([0, 0.25])


async def test_turns_of_another_clock_do_not_count(pace):
    """A virtual day far ahead must not keep the real one waiting."""
    await RequestLimiter(pace, StepClock(START + timedelta(days=90)), 1).acquire()
    assert await turns(pace, 4, 1, seconds=1) == [0]


async def test_a_folder_that_takes_no_file_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="KIS_TOKEN_CACHE_DIR"):
        await RequestLimiter(tmp_path / "file" / "rate", StepClock(START), 1).acquire()


CLIENT = """
import asyncio, sys, time
from pathlib import Path
from observer_core.brokers.limiter import RequestLimiter
from observer_core.clock import RealClock

async def main():
    limiter = RequestLimiter(Path(sys.argv[1]), RealClock(), 50)
    while True:
        await limiter.acquire()
        print(time.time_ns(), flush=True)

asyncio.run(main())
"""


async def test_processes_share_one_rate_and_survive_a_kill(pace):
    """Four processes at fifty a second, one of them killed: together no faster, and none starves."""
    started_ns = time.time_ns()
    processes = [
        subprocess.Popen([sys.executable, "-c", CLIENT, str(pace)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    lines: list[list[str]] = [[] for _ in processes]
    try:
        for process, kept in zip(processes, lines, strict=True):
            kept.append(process.stdout.readline())
        processes[0].kill()
        for process, kept in zip(processes[1:], lines[1:], strict=True):
            kept.extend(process.stdout.readline() for _ in range(20))
    finally:
        for process in processes:
            process.kill()
    for process, kept in zip(processes, lines, strict=True):
        kept.extend(process.communicate()[0].splitlines())
    turns_ns = sorted(int(line) for kept in lines for line in kept if line.strip())
    assert len(turns_ns) > 60
    # No turn is early: the n-th comes n intervals after the first could at the soonest.
    for number, turn_ns in enumerate(turns_ns):
        assert turn_ns >= started_ns + number * 20_000_000


def settings(**variables: str) -> KisSettings:
    return KisSettings.load(variables)


def test_the_rate_is_four_fifths_of_the_documented_one():
    """Broker reference, 3.3: 18 a second on the real host, 1 on the paper host."""
    assert requests_per_second(settings()) == pytest.approx(14.4)
    assert requests_per_second(settings(KIS_ENVIRONMENT="paper")) == pytest.approx(0.8)
    assert requests_per_second(settings(KIS_REQUESTS_PER_SECOND="3")) == 3
    assert requests_per_second(settings(KIS_RATE_SHARE="0.5")) == 9


def test_addresses_are_the_documented_ones_unless_set():
    """Broker reference, section 1."""
    assert rest_url(settings()) == "https://openapi.koreainvestment.com:9443"
    assert rest_url(settings(KIS_ENVIRONMENT="paper")) == "https://openapivts.koreainvestment.com:29443"
    assert websocket_url(settings()) == "ws://ops.koreainvestment.com:21000/tryitout"
    assert websocket_url(settings(KIS_ENVIRONMENT="paper")) == "ws://ops.koreainvestment.com:31000/tryitout"
    assert rest_url(settings(KIS_REST_URL="http://127.0.0.1:1/")) == "http://127.0.0.1:1"
    assert websocket_url(settings(KIS_WEBSOCKET_URL="ws://127.0.0.1:2")) == "ws://127.0.0.1:2"
