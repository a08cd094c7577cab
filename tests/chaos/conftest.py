"""Scenarios: the real collector against the simulated broker, with one thing going wrong.

The simulator is the oracle: its account says what was sent, its tapes say what was traded.
"""

import asyncio
import contextlib
import json
from collections import Counter
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import aiohttp
import pytest
from collector_world import Collector, World, by_channel, sealed_lines

from observer_collector.moments import Patience
from observer_core.settings.paths import Track

MULTI_PRICE = "FHKST11300006"
PRICE, VOLUME, CUMULATIVE = 2, 12, 13


class Scene:
    """A market that runs and a collector that has all its registrations."""

    def __init__(self, market, collector):
        self.market = market
        self.collector = collector
        self.account = market.simulator.account
        self.lines = {}

    async def fault(self, kind, **parameters):
        """Makes something go wrong, now unless `at` says when."""
        async with aiohttp.ClientSession() as http:
            address = f"{self.market.simulator.rest_url}/admin/faults"
            async with http.post(address, json={"kind": kind, **parameters}) as answer:
                assert answer.status == 200, await answer.text()

    async def faults(self):
        """Returns how often each kind has happened."""
        address = f"{self.market.simulator.rest_url}/admin/faults"
        async with aiohttp.ClientSession() as http, http.get(address) as answer:
            found = (await answer.json())["faults"]
        return {fault["kind"]: fault["fired"] for fault in found}

    async def end_faults(self):
        async with aiohttp.ClientSession() as http:
            await http.delete(f"{self.market.simulator.rest_url}/admin/faults")

    async def step_until(self, condition, *, begin, end):
        """Lets the market go on by seconds, at the machine's pace, until the status fulfils a condition."""
        instant, last = (datetime.fromisoformat(f"2026-09-15T{text}") for text in (begin, end))
        while instant <= last:
            await self.until(f"{instant:%H:%M:%S}")
            await asyncio.sleep(0.05)
            if condition(await self.status()):
                return
            instant += timedelta(seconds=1)
        raise AssertionError(f"not by {end}: {await self.status()}")

    async def admin(self, path, **content):
        async with aiohttp.ClientSession() as http:
            await http.post(f"{self.market.simulator.rest_url}/admin/{path}", json=content)

    async def until(self, text):
        await self.market.until(text)

    @asynccontextmanager
    async def moving(self, text):
        """Lets the market run to an instant while the block looks on."""
        task = asyncio.ensure_future(self.market.until(text))
        try:
            yield
        finally:
            await task

    async def status(self):
        return (await self.collector.get("/status"))[1]

    async def eventually(self, condition):
        return await self.collector.eventually(condition)

    async def complete(self):
        """Returns once every wanted registration is confirmed."""
        return await self.eventually(all_confirmed)

    def records(self, track=Track.SCALP):
        return [line for line in self.lines[track] if not line.is_control]

    def controls(self, kind, track=Track.SCALP):
        control = [line for line in self.lines[track] if line.is_control]
        return [json.loads(line.payload) for line in control if line.key == kind]

    def assert_identities_are_unique(self):
        every = [line for lines in self.lines.values() for line in lines]
        assert every
        assert len({(one.shard, one.epoch, one.frame, one.record) for one in every}) == len(every)

    def assert_all_that_was_sent_is_journaled(self):
        """Per channel and symbol, neither one less nor one more."""
        assert by_channel([*self.lines[Track.SCALP], *self.lines[Track.SWING]]) == self.account.channels

    def assert_nothing_that_was_not_sent_is_journaled(self):
        """What was on its way when a line broke may be lost; it is never doubled."""
        for channel, counts in by_channel(self.lines[Track.SCALP]).items():
            for key, count in counts.items():
                assert count <= self.account.channels[channel][key], (channel, key)

    async def assert_holes_are_true(self):
        """Each hole has the figures of what the market traded between its two trades."""
        async with aiohttp.ClientSession() as http:
            for hole in self.controls("hole"):
                query = {
                    "after_cumulative": hole["from_cumulative"],
                    "until_cumulative": hole["to_cumulative"],
                }
                address = f"{self.market.simulator.rest_url}/admin/tape/{hole['symbol']}"
                async with http.get(address, params=query) as answer:
                    truth = await answer.json()
                for figure in ("shares", "value", "sell_trades", "buy_trades", "sell_volume", "buy_volume"):
                    assert hole[figure] == truth[figure], (hole, truth)

    def assert_every_share_is_accounted_for(self):
        """Per symbol: from the first captured trade to the last, captured and missed are what was traded."""
        trades = {}
        for line in self.records():
            values = line.payload.split("^")
            if line.channel == "H0STCNT0" and line.record >= 0 and len(values) > CUMULATIVE:
                found = trades.setdefault(line.key, {})
                found[int(values[CUMULATIVE])] = int(values[VOLUME])
        missed = Counter()
        for kind in ("hole", "unwatched"):
            for hole in self.controls(kind):
                missed[hole["symbol"]] += hole["shares"]
        assert trades
        for symbol, found in trades.items():
            first = min(found)
            traded = max(found) - (first - found[first])
            assert sum(found.values()) + missed[symbol] == traded, symbol


def all_confirmed(status):
    found = status.get("session", {}).get("registrations", {})
    return bool(found) and found.get("confirmed", 0) == sum(found.values())


@pytest.fixture
def patience(monkeypatch):
    """Lets waits that are bounded below by real time end sooner; their time on the clock stays."""
    monkeypatch.setattr("observer_collector.session.session.SILENCE", Patience(120, 0.4))
    monkeypatch.setattr("observer_collector.session.session._ANSWER", Patience(30, 0.3))
    monkeypatch.setattr("observer_collector.session.watch._REVIVALS", (Patience(60, 0.2), Patience(300, 0.4)))
    monkeypatch.setattr("observer_collector.session.watch._STARVED", Patience(180, 0.5))
    monkeypatch.setattr("observer_collector.session.backoff._FIRST_SECONDS", 0.2)
    monkeypatch.setattr("observer_core.brokers.kis.rest._FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("observer_collector.session.backoff._REFUSED_SECONDS", (0.5, 0.6))


@pytest.fixture
def scene(tmp_path, patience):
    """Makes a scene; an asynchronous context manager. After it, the journal is sealed and read."""

    @asynccontextmanager
    async def make(*, start="08:58:00", ready="09:00:30", speed=120, broker=None, before=None, **variables):
        async with World(tmp_path, start, speed, broker or {}) as market:
            market.universe()
            variables = {"OBSERVER_TRIGGER_SYMBOLS": "0", "OBSERVER_VI_POLL_SECONDS": "0", **variables}
            collector = Collector(market, **variables)
            found = Scene(market, collector)
            if before is not None:
                await before(found)
            async with collector:
                await market.until(ready)
                if before is None:
                    await found.complete()
                yield found
            with contextlib.suppress(FileNotFoundError):
                assert not list(market.paths.data.glob("assets/*/*/*.open"))
            found.lines = sealed_lines(market.paths)
            found.assert_identities_are_unique()

    return make
