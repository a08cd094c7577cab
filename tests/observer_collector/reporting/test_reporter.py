"""The collector reports by itself: against the simulated broker, to servers that really listen."""

import asyncio
import errno
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

SECRET_PATH = "/services/T00000000/B00000000/abcdefghijklmnopqrstuvwx"
PING_PATH = "/ping/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
WRONG_KEY = "PS" + "X" * 34


def addresses(receiver, **more):
    return {
        "OBSERVER_ALERT_WEBHOOK_URL": receiver.origin + SECRET_PATH,
        "OBSERVER_DEAD_MAN_URL": receiver.origin + PING_PATH,
        "OBSERVER_DEAD_MAN_INTERVAL_SECONDS": "1",
        **more,
    }


def alerts(receiver):
    return [
        (body["attachments"][0]["title"], body["attachments"][0]["color"])
        for body in receiver.accepted
        if body is not None
    ]


def pings(receiver):
    return [path for _, path in receiver.requests if path == PING_PATH]


@pytest.fixture
def disk(monkeypatch):
    """A disk that is full while `full` is set: the kernel's own refusal."""
    state, write = SimpleNamespace(full=False), os.pwrite

    def pwrite(descriptor, block, offset):
        if state.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, block, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    monkeypatch.setattr("observer_core.journal.writer._RETRY_SECONDS", 0.05)
    return state


async def test_a_refused_key_reaches_people_without_dagster(world, collector_process, receiver):
    """I-02: within a minute a message with the broker's code, and no sign of life; no address leaks."""
    async with world(start="09:10:00", speed=20) as market:
        market.universe()
        options = addresses(receiver, KIS_APP_KEY=WRONG_KEY, LOG_LEVEL="DEBUG")
        # The first attempts fail, so that the failures are logged too.
        receiver.script.extend([503, "drop"])
        async with collector_process(market, **options) as running:
            market.wall.release()
            await receiver.until(alerts)
            answers = [str(await running.get(path)) for path in ("/status", "/metrics", "/ready")]
            await running.end()
        log = running.log.read_text()
        logs = [path.read_text() for path in market.root.rglob("*.log")]
    assert alerts(receiver) == [("ObserverBrokerRefuses", "danger")]
    (attachment,) = receiver.accepted[0]["attachments"]
    assert "EGW00103" in attachment["text"]
    fields = {field["title"]: field["value"] for field in attachment["fields"]}
    assert fields["Where"] == "collector-under-test"
    assert fields["Since"].startswith("2026-09-15 09:1")
    assert pings(receiver) == []
    assert "An alert is not delivered yet." in log
    assert 'observer_alert_deliveries_total{outcome="failed"} 2.0' in answers[1].replace("\\n", "\n")
    for text in (log, *logs, *answers):
        for secret in (SECRET_PATH, "abcdefghijklmnopqrstuvwx", PING_PATH, PING_PATH.rpartition("/")[2]):
            assert secret not in text


async def test_a_quiet_night_gives_signs_of_life(world, collector, receiver):
    """Before the opening nothing is due: the outside watcher hears the collector, and nobody is alerted."""
    async with (
        world(start="05:00:00", speed=20) as market,
        collector(market, **addresses(receiver)) as running,
    ):
        market.wall.release()
        await receiver.until(lambda found: len(pings(found)) >= 2)
        metrics = (await running.get("/metrics"))[1]
    assert alerts(receiver) == []
    assert "observer_dead_man_last_ping_timestamp_seconds 1.789" in metrics


async def test_a_standby_gives_no_sign_of_life(world, collector, receiver):
    """Only the writer speaks: a standby that is well must not hide a writer that is not."""
    async with (
        world(start="05:00:00", speed=20) as market,
        collector(market) as first,
        collector(market, **addresses(receiver)) as second,
    ):
        assert (await first.get("/status"))[1]["role"] == "writer"
        await second.eventually(lambda status: status["role"] == "standby")
        await asyncio.sleep(1.5)
    assert receiver.requests == []


async def test_a_full_disk_is_reported_once_and_taken_back_by_the_next_process(
    world, collector, receiver, disk
):
    """A restart in between neither repeats the alert nor forgets to take it back."""
    async with world(start="09:00:00", speed=50) as market:
        market.universe()
        async with collector(market, **addresses(receiver)) as running:
            await market.until("09:00:30")
            await running.eventually(lambda status: status["ready"])
            disk.full = True
            market.wall.release()
            await receiver.until(alerts)
            assert (await running.get("/ready"))[0] == 503
            heard = len(pings(receiver))
            await asyncio.sleep(1.5)
            assert len(pings(receiver)) == heard
            disk.full = False
            await running.eventually(lambda status: status["ready"])
        memory = market.paths.alerts("0")
        assert list(json.loads(memory.read_bytes())["reported"]) == ["ObserverDiskFull"]
        async with collector(market, **addresses(receiver)):
            await receiver.until(lambda found: len(alerts(found)) == 2)
            await receiver.until(lambda found: len(pings(found)) > heard)
    assert alerts(receiver) == [("ObserverDiskFull", "danger"), ("ObserverDiskFull", "good")]
    assert json.loads(memory.read_bytes())["reported"] == {}


async def test_a_damaged_memory_is_said_and_no_obstacle(world, collector, receiver):
    async with world(start="05:00:00") as market:
        path = market.paths.alerts("0")
        path.parent.mkdir()
        for damaged in (b"{", b"[]", b'{"format":1,"reported":{"ObserverNothing":{}}}'):
            path.write_bytes(damaged)
            async with collector(market, **addresses(receiver)):
                heard = len(pings(receiver))
                await receiver.until(lambda found, heard=heard: len(pings(found)) > heard)
            assert Path(path).read_bytes() == damaged
