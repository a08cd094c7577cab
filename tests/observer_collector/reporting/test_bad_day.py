"""Bad days in a real Prometheus: the component's rules on real collectors and a simulated broker.

The market runs `SPEED` times as fast, and the rules' durations are divided by half of it: a busy machine
does not reach the whole speed, and Prometheus knows real time only. Every scenario ends with all alerts that
have ever fired, so that a fault raises its alert and no other.
"""

import asyncio
import contextlib
import errno
import os
import signal
from types import SimpleNamespace

import pytest
from broker_line import BrokerLine
from prometheus_server import PrometheusServer
from required_tools import required

from observer_core.backup.outcome import note_dump, note_shipment
from observer_core.clock import RealClock

# Half a minute each on a free machine; a busy one takes its time.
pytestmark = pytest.mark.timeout(300)

SPEED = 60
# The machine's disk is other programs' too, and may really be low at any moment.
TOLERATED = {"ObserverDiskLow"}
TEN = "10:00:00"
WRONG_KEY = "PS" + "X" * 34


@pytest.fixture
def prometheus(tmp_path):
    program = required("prometheus", package="prometheus")
    return lambda *ports: PrometheusServer(program, tmp_path / "prometheus", ports=ports, speed=SPEED // 2)


@pytest.fixture(name="world")
def _world_with_copies(world):
    """A deployment whose backup has worked until now; ages of copies are real, as the backup's clock is."""

    @contextlib.asynccontextmanager
    async def made(**options):
        async with world(**options) as market:
            copies(market, hours_ago=0)
            yield market

    return made


def copies(market, *, hours_ago):
    """What the backup's runs have noted."""
    now_ns = RealClock().now_ns()
    at_ns = now_ns - hours_ago * 3600 * 10**9
    note_shipment(market.paths, shipped_ns=at_ns, sealed_ns=at_ns)
    note_dump(market.paths, "observer", now_ns)


async def expect(server, *names):
    """All of these fire, and nothing else has fired until a second later."""
    await server.until_firing(*names)
    await asyncio.sleep(1)
    assert (await server.fired()) - (TOLERATED - set(names)) == set(names)


def recording(status):
    return status["role"] == "writer" and status["reason"] == "recording"


def confirmed(status):
    return status.get("session", {}).get("registrations", {}).get("confirmed", 0) >= 40


@contextlib.asynccontextmanager
async def pair(market, collector_process, prometheus, **options):
    """A writer and its standby, and a Prometheus that knows both from its first moment on."""
    async with collector_process(market, **options) as writer:
        await writer.eventually(lambda status: status["role"] == "writer")
        async with collector_process(market, **options) as standby:
            await standby.eventually(lambda status: status["role"] == "standby")
            async with prometheus(writer.port, standby.port) as server:
                yield SimpleNamespace(writer=writer, standby=standby, server=server)


async def test_a_day_from_night_to_the_death_of_both_collectors(
    world, collector_process, prometheus, tmp_path
):
    """Nothing at night or in a healthy session; silence, holes, odd frames, old copies, a cut and death."""
    async with world(start="05:00:00", speed=SPEED) as market:
        market.universe()
        async with (
            BrokerLine(market.simulator.websocket_url) as line,
            pair(market, collector_process, prometheus, KIS_WEBSOCKET_URL=line.url) as pods,
        ):
            server = pods.server
            await market.until("05:03:00")
            await server.until_value('max(observer_market_phase{phase="pre_open"})', 1)
            await pods.writer.eventually(confirmed)
            market.conductor.jump(market.clock.now_ns() + 3600 * 4 * 10**9)
            await market.until("09:12:00")
            await pods.writer.eventually(recording)
            await server.until_value("max(observer_trades_expected)", 1)
            await asyncio.sleep(1)
            assert await server.fired() - TOLERATED == set()

            market.wall.release()
            line.muted = True
            await server.until_firing("ObserverFeedSilent")
            assert await server.fired() - TOLERATED == {"ObserverFeedSilent"}
            line.muted = False
            await server.until_firing("ObserverHoles")
            await line.inject("0|H0STCNT0|007|005930^093354^71900")
            await server.until_firing("ObserverFramesUnreadable")
            folder = market.paths.quarantine_folder(market.clock.now().date())
            folder.mkdir(parents=True)
            (folder / "0_09_000001.jsonl").write_text('{"reason":"width"}\n')
            await server.until_firing("ObserverQuarantine")
            so_far = {"ObserverFeedSilent", "ObserverHoles", "ObserverFramesUnreadable", "ObserverQuarantine"}
            assert await server.fired() - TOLERATED == so_far
            assert "ObserverFeedSilent" not in await server.firing()

            copies(market, hours_ago=27)
            await server.until_firing("ObserverBackupLate")
            copies(market, hours_ago=0)
            so_far |= {"ObserverBackupLate"}
            assert await server.fired() - TOLERATED == so_far

            line.cut()
            await server.until_firing("ObserverNotConnected")
            so_far |= {"ObserverNotConnected"}
            assert await server.fired() - TOLERATED == so_far

            assert await pods.writer.end(signal.SIGKILL) == -signal.SIGKILL
            await pods.standby.eventually(lambda status: status["role"] == "writer")
            await server.until_firing("ObserverStandbyMissing")
            so_far |= {"ObserverStandbyMissing"}
            assert await server.fired() - TOLERATED == so_far

            assert await pods.standby.end(signal.SIGKILL) == -signal.SIGKILL
            await server.until_firing("ObserverCollectorDown")
            assert await server.value('ALERTS{alertname="ObserverCollectorDown",severity="critical"}') == 1
            await asyncio.sleep(1)
            assert await server.fired() - TOLERATED == so_far | {"ObserverCollectorDown"}


async def test_a_refused_key_whose_alert_is_refused_too(world, collector_process, prometheus, receiver):
    """I-02 once more: two pods that live and answer, and one alert; the webhook's refusal is another one."""
    receiver.script.extend([404] * 10)
    options = {"KIS_APP_KEY": WRONG_KEY, "OBSERVER_ALERT_WEBHOOK_URL": receiver.origin + "/hook"}
    async with world(start=TEN, speed=SPEED) as market:
        market.universe()
        async with pair(market, collector_process, prometheus, **options) as pods:
            market.wall.release()
            await expect(pods.server, "ObserverBrokerRefuses", "ObserverAlertsUndelivered")


async def test_a_morning_without_any_universe(world, collector_process, prometheus):
    async with (
        world(start=TEN, speed=SPEED) as market,
        pair(market, collector_process, prometheus) as pods,
    ):
        market.wall.release()
        await expect(pods.server, "ObserverNoUniverse")


async def test_two_deployments_with_one_key(world, collector_process, prometheus, tmp_path):
    """I-01: each has its own volume and its own lock; the broker refuses the second session."""
    async with world(start=TEN, speed=SPEED) as market:
        market.universe()
        elsewhere = tmp_path / "other-volume"
        elsewhere.mkdir()
        async with collector_process(market) as first:
            await first.eventually(confirmed)
            # The broker's limits per second and minute pass only with time.
            market.wall.release()
            async with (
                collector_process(market, OBSERVER_DATA_DIR=str(elsewhere)) as second,
                prometheus(first.port, second.port) as server,
            ):
                await second.eventually(lambda status: "OPSP8996" in status["reason"])
                await expect(server, "ObserverTwoWriters", "ObserverBrokerRefuses")
                assert await server.value('sum(observer_refusals_total{code="OPSP8996"})') >= 1


async def test_a_full_disk_and_its_recovery(world, collector, collector_process, prometheus, monkeypatch):
    """First it is low, then it is full, then it is freed: the alerts go as they came."""
    state = SimpleNamespace(full=False, free=0.6)
    write, measure = os.pwrite, os.statvfs

    def pwrite(descriptor, block, offset):
        if state.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, block, offset)

    def statvfs(path):
        found = measure(path)
        free = int(found.f_blocks * state.free)
        return os.statvfs_result((*found[:3], free, free, *found[5:10]))

    monkeypatch.setattr(os, "pwrite", pwrite)
    monkeypatch.setattr(os, "statvfs", statvfs)
    monkeypatch.setattr("observer_core.journal.writer._RETRY_SECONDS", 0.05)
    async with world(start=TEN, speed=SPEED) as market:
        market.universe()
        async with (
            collector(market) as writer,
            collector_process(market) as standby,
            prometheus(writer.settings.service.port, standby.port) as server,
        ):
            await writer.eventually(confirmed)
            market.wall.release()
            await writer.eventually(recording)
            state.free = 0.03
            await expect(server, "ObserverDiskLow")
            state.full = True
            await expect(server, "ObserverDiskLow", "ObserverDiskFull")
            state.full, state.free = False, 0.6
            await writer.eventually(recording)
            await server.until_quiet(but=TOLERATED)


async def test_a_container_that_breaks_its_contracts(world, collector_process, prometheus):
    """The real verification, on a machine that is no pod: its mounts are none."""
    async with world(start=TEN, speed=SPEED) as market:
        market.universe()
        options = {"OBSERVER_CONTRACT_INTERVAL_SECONDS": "2"}
        async with pair(market, collector_process, prometheus, **options) as pods:
            await pods.writer.eventually(confirmed)
            market.wall.release()
            await expect(pods.server, "ObserverContractBroken")
