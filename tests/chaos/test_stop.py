"""A stop while the broker hangs: the process ends by itself, and what it received is sealed."""

import asyncio
from pathlib import Path

import aiohttp
from collector_world import CollectorProcess, World, by_channel, sealed_lines

from observer_core.settings.paths import Track

PATIENCE = 60


async def fault(market, **content):
    async with aiohttp.ClientSession() as http:
        await http.post(f"{market.simulator.rest_url}/admin/faults", json=content)


async def fired(market, kind):
    """Waits until a fault has happened."""
    while True:
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{market.simulator.rest_url}/admin/faults") as answer,
        ):
            found = (await answer.json())["faults"]
        if any(one["kind"] == kind and one["fired"] for one in found):
            return
        await asyncio.sleep(0.05)


def all_confirmed(status):
    return status.get("session", {}).get("registrations") == {"confirmed": 41}


async def test_a_stop_does_not_wait_for_a_broker_that_hangs(tmp_path):
    """A half-open line and a sweep without an answer: status 0, nothing open, and the stop is told."""
    async with World(tmp_path, "08:59:00", 60, {}) as market:
        market.universe()
        async with CollectorProcess(market, OBSERVER_STOP_SECONDS="20") as running:
            await market.until("09:00:30")
            await running.eventually(all_confirmed)
            await fault(market, kind="half_open", seconds=36_000)
            await fault(market, kind="rest_delay", path="intstock-multprice", seconds_off=14.0)
            market.wall.release()
            await fired(market, "rest_delay")
            sent = market.simulator.account.channels
            running.process.terminate()
            # Far more than it may take: the deadline itself is tested on a clock of its own.
            assert await asyncio.to_thread(running.process.wait, PATIENCE) == 0
        lines = sealed_lines(market.paths)
        assert not list(Path(market.paths.data).glob("assets/*/*/*.open"))
        assert [line.key for line in lines[Track.SCALP] if line.is_control][-1] == "stop"
        journaled = by_channel([*lines[Track.SCALP], *lines[Track.SWING]])
        assert sum(journaled["H0STCNT0"].values()) > 0
        for channel, counts in journaled.items():
            assert all(count <= sent[channel][key] for key, count in counts.items())
