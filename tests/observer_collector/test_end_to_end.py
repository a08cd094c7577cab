"""The collector against the simulated broker, over real sockets, on a virtual clock."""

import asyncio
import base64
import errno
import json
import signal
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from pydantic import SecretStr

from observer_core.brokers.kis.oauth import KisOAuth
from observer_core.brokers.kis.tokens import TokenStore
from observer_core.brokers.token_cache import Entry, TokenCache
from observer_core.journal import sealed_segments
from observer_core.journal.storage import SegmentStorage
from observer_core.settings.paths import Track


def confirmed(number):
    return lambda status: status.get("session", {}).get("registrations", {}).get("confirmed") == number


def recorded(number):
    return lambda status: status.get("counters", {}).get("scalp_records", 0) >= number


def controls(lines, kind):
    return [json.loads(line.payload) for line in lines if line.is_control and line.key == kind]


async def test_what_the_broker_sent_is_journaled(world, collector, journal_of, counts_of):
    """From before the opening into the session: every record per channel and symbol, on both tracks."""
    async with world(start="08:56:00") as market:
        market.universe()
        async with collector(market, OBSERVER_SWING_INTERVAL_SECONDS="30") as running:
            await market.until("08:57:00")
            await running.eventually(confirmed(41))
            await market.until("09:05:00")
            status = (await running.get("/status"))[1]
            assert (await running.get("/ready"))[0] == 200
        account = market.simulator.account
        lines = journal_of(market.paths)
        assert set(account.channels) == {"H0STCNT0", "H0STASP0", "H0STMKO0", "H0UPCNT0", "FHKST11300006"}
        assert counts_of([*lines[Track.SCALP], *lines[Track.SWING]]) == account.channels
        assert account.records_sent > 1000
        assert status["counters"]["holes"] == 0
        kinds = [line.key for line in lines[Track.SCALP] if line.is_control]
        assert kinds[0] == "start"
        assert kinds[-2:] == ["disconnect", "stop"]
        assert kinds.count("acknowledge") >= 41
        identities = [
            (line.shard, line.epoch, line.frame, line.record) for track in lines.values() for line in track
        ]
        assert len(set(identities)) == len(identities)


async def test_an_hour_is_sealed_before_time_passes_it_by(world, collector):
    """The conductor waits: when the market stands just behind the hour, the hour is sealed."""
    async with world(start="08:50:00") as market:
        market.universe()
        async with collector(market) as running:
            await market.until("08:51:00")
            await running.eventually(confirmed(41))
            await market.until("09:00:20")
            while market.clock.now_ns() > market.conductor._file.slots()[0].progress_ns + 15 * 10**9:
                await asyncio.sleep(0.01)
            folder = market.paths.journal(Track.SCALP) / "20260915"
            hours = {sealed.manifest.hour: sealed.manifest for sealed in sealed_segments(folder)}
            assert hours[8].sealed_by == "hour"
            assert hours[8].records > 0


async def test_a_broken_connection_is_made_anew(world, collector, journal_of, counts_of, at):
    """After an abrupt end: a new epoch, every pair again, a gap for each, and holes of the true size."""
    async with world(start="09:00:00", speed=50) as market:
        market.universe()
        async with collector(market) as running:
            await market.until("09:00:30")
            await running.eventually(confirmed(41))
            await market.until("09:03:00")
            async with aiohttp.ClientSession() as http:
                await http.post(f"{market.simulator.rest_url}/admin/faults", json={"kind": "abort"})
            await market.until("09:06:00")
            await running.eventually(lambda status: status["session"]["connections"] == 2)
            market.wall.release()
            await running.eventually(confirmed(41))
            await running.eventually(lambda status: status["counters"]["holes"] >= 5)
        lines = journal_of(market.paths)[Track.SCALP]
        received = {
            (line.channel, line.key)
            for line in lines
            if not line.is_control and line.channel.startswith("H0")
        }
        # The two market operations have nothing to tell in these minutes.
        assert len(received) == 39
        epochs = [line.epoch for line in lines]
        assert epochs == sorted(epochs)
        assert set(epochs) == {1, 2, 3}
        (lost, stopped) = controls(lines, "disconnect")
        assert (lost["cause"], lost["code"]) == ("lost", 1006)
        assert stopped["cause"] == "stopped"
        gaps = controls(lines, "gap")
        assert len(gaps) == 41
        assert {gap["cause"] for gap in gaps} == {"lost"}
        await assert_holes_are_true(market, controls(lines, "hole"))


async def assert_holes_are_true(market, holes):
    """Compares each hole with what the market traded between its two trades."""
    assert holes
    async with aiohttp.ClientSession() as http:
        for hole in holes:
            query = {
                "after_cumulative": hole["from_cumulative"],
                "until_cumulative": hole["to_cumulative"],
            }
            address = f"{market.simulator.rest_url}/admin/tape/{hole['symbol']}"
            async with http.get(address, params=query) as answer:
                truth = await answer.json()
            assert (hole["shares"], hole["value"]) == (truth["shares"], truth["value"])
            assert (hole["sell_trades"], hole["buy_trades"]) == (truth["sell_trades"], truth["buy_trades"])
            assert (hole["sell_volume"], hole["buy_volume"]) == (truth["sell_volume"], truth["buy_volume"])


async def test_a_killed_collector_loses_no_line_that_was_on_disk(world, collector_process, journal_of):
    """SIGKILL in mid-session, a new start: every durable line is sealed, the hole has its true size."""
    async with world(start="09:00:00", speed=60) as market:
        market.universe()
        async with collector_process(market) as first:
            await market.until("09:00:20")
            await first.eventually(confirmed(41))
            await market.until("09:02:00")
            await first.eventually(recorded(300))
            assert await first.end(signal.SIGKILL) == -signal.SIGKILL
        on_disk = b"".join(
            path.read_bytes() for path in sorted(market.paths.journal(Track.SCALP).glob("*/*.jsonl*"))
        )
        durable = on_disk[: on_disk.rfind(b"\n") + 1].splitlines(keepends=True)
        assert len(durable) > 300
        await market.until("09:06:00")
        async with collector_process(market) as second:
            market.wall.release()
            await second.eventually(confirmed(41))
            status = await second.eventually(lambda found: found["counters"]["holes"] >= 5)
            assert status["session"]["epoch"] > 2
            assert await second.end() == 0
        sealed = [
            line
            for segment in sealed_segments(market.paths.journal(Track.SCALP) / "20260915")
            for line in segment.path.read_bytes().splitlines(keepends=True)
        ]
        assert sealed[: len(durable)] == durable
        assert len(set(sealed)) == len(sealed)
        assert not list(market.paths.journal(Track.SCALP).glob("*/*.open"))
        lines = journal_of(market.paths)[Track.SCALP]
        (recovery,) = [one for one in controls(lines, "recovery") if one["track"] == "scalp"]
        assert recovery["segments"][0]["lines"] == len(durable)
        assert {gap["cause"] for gap in controls(lines, "gap")} == {"restart"}
        await assert_holes_are_true(market, controls(lines, "hole"))


async def test_a_standby_takes_over(world, collector_process, journal_of):
    """The second process waits, ready, without the broker; it takes over when the first one dies."""
    async with world(start="09:00:00", speed=60) as market:
        market.universe()
        async with collector_process(market, POD_NAME="first") as first:
            await market.until("09:00:20")
            await first.eventually(confirmed(41))
            async with collector_process(market, POD_NAME="second") as second:
                status = await second.eventually(lambda found: found["role"] == "standby")
                assert status["writer"]["name"] == "first"
                assert "slots" not in status
                assert (await second.get("/ready"))[0] == 200
                before = len(market.simulator.account.connections)
                assert before == 1
                open_files = set(market.paths.journal(Track.SCALP).glob("*/*.open"))
                assert open_files
                await first.end(signal.SIGKILL)
                market.wall.release()
                status = await second.eventually(confirmed(41))
                assert status["role"] == "writer"
                assert status["writer"]["name"] == "second"
                assert len(market.simulator.account.connections) == 2
                assert await second.end() == 0
        starts = controls(journal_of(market.paths)[Track.SCALP], "start")
        assert len(starts) == 2


async def test_a_standby_ends_at_once(world, collector_process):
    async with world(start="07:20:00") as market, collector_process(market) as first:
        await first.eventually(lambda found: found["role"] == "writer")
        async with collector_process(market) as second:
            await second.eventually(lambda found: found["role"] == "standby")
            assert await second.end() == 0
        assert (await first.get("/health"))[0] == 200


class FullDisk(SegmentStorage):
    """A disk that is full while `full` is set."""

    full = False

    def write(self, descriptor, block, offset):
        if FullDisk.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(descriptor, block, offset)


async def test_a_full_disk_pauses_intake_and_loses_nothing(
    world, collector, journal_of, counts_of, monkeypatch
):
    """Not ready while it lasts; afterwards everything is there without anybody's help."""
    monkeypatch.setattr("observer_core.journal.writer.SegmentStorage", FullDisk)
    monkeypatch.setattr("observer_core.journal.writer._RETRY_SECONDS", 0.05)
    async with world(start="09:00:00", speed=50) as market:
        market.universe()
        async with collector(market) as running:
            await market.until("09:00:30")
            await running.eventually(confirmed(41))
            FullDisk.full = True
            moving = asyncio.ensure_future(market.until("09:04:00"))
            await running.eventually(lambda status: status["session"]["waiting_for_disk"])
            status, body = await running.get("/ready")
            assert (status, body["reason"]) == (503, "journal not writable: disk_full")
            await asyncio.sleep(0.3)
            assert not moving.done()
            FullDisk.full = False
            await moving
            await running.eventually(lambda found: found["ready"])
        assert counts_of(journal_of(market.paths)[Track.SCALP]) == {
            channel: counts
            for channel, counts in market.simulator.account.channels.items()
            if channel != "FHKST11300006"
        }
        assert len(market.simulator.account.connections) == 1
        (gap,) = controls(journal_of(market.paths)[Track.SCALP], "gap")
        assert gap["cause"] == "disk: disk_full"
        assert gap["first_seen_ns"] > gap["last_good_ns"]


async def test_a_new_day_is_planned_without_a_restart(world, collector, at):
    """The connection stays over the night; what is registered follows the new day's universe."""
    async with world(start="19:20:00", speed=5000) as market:
        market.universe(size=30)
        tomorrow = market.clock.now().replace(day=16)
        async with collector(market) as running:
            await market.until("19:58:00")
            await running.eventually(confirmed(41))
            before = await registered(running)
            await market.until("23:00:00")
            market.universe(size=60, day=tomorrow)
            kept = market.paths.universe(tomorrow.date())
            content = json.loads(kept.read_bytes())
            content["symbols"] = [
                one for one in content["symbols"] if one["code"] not in {code for _, code in before}
            ]
            kept.write_bytes(json.dumps(content).encode())
            await market.until("08:40:00", day=tomorrow)
            await running.eventually(
                lambda found: found["universe"]["day"] == "2026-09-16" and confirmed(41)(found)
            )
            after = await registered(running)
            await running.eventually(lambda found: found["reason"].startswith("connected"))
        assert not before & after
        assert len(market.simulator.account.connections) == 1


def without(path, codes):
    """Takes symbols out of a universe file."""
    content = json.loads(path.read_bytes())
    content["symbols"] = [one for one in content["symbols"] if one["code"] not in codes]
    path.write_bytes(json.dumps(content).encode())


async def registered(running):
    slots = (await running.get("/status"))[1]["slots"]
    # The indices are the same every day.
    return {
        (slot["channel"], slot["symbol"])
        for slot in slots
        if slot["state"] == "confirmed" and slot["channel"] != "H0UPCNT0"
    }


async def test_no_secret_leaves_the_process(world, collector_process):
    """Key, secret, token, approval key, iv and key of the socket: in no log, line, status or metric."""
    async with world(start="08:59:00", speed=20) as market:
        market.universe()
        options = {"LOG_LEVEL": "DEBUG", "OBSERVER_SWING_INTERVAL_SECONDS": "10"}
        async with collector_process(market, **options) as running:
            await market.until("08:59:20")
            await running.eventually(confirmed(41))
            async with aiohttp.ClientSession() as http:
                await http.post(f"{market.simulator.rest_url}/admin/faults", json={"kind": "close"})
            market.wall.release()
            await running.eventually(
                lambda status: status["session"]["connections"] == 2 and confirmed(41)(status)
            )
            await running.eventually(lambda status: status["counters"]["swing_rows"] > 0)
            paths = ("/status", "/status?format=html", "/metrics", "/ready", "/health")
            answers = [str(await running.get(path)) for path in paths]
            assert await running.end() == 0
        cache = market.paths.token_cache
        stored = json.loads(cache.read_bytes())["entries"].popitem()[1]
        secrets = {stored["access_token"]["value"], stored["approval_key"]["value"]}
        secrets |= {running.variables["KIS_APP_KEY"], running.variables["KIS_APP_SECRET"]}
        assert len(secrets) == 4
        secrets |= {base64.b64encode(secret.encode()).decode() for secret in set(secrets)}
        # iv and key of an acknowledgement never pass the codec; their names would betray them.
        names = ('\\"iv\\"', '"iv":')
        files = [
            path
            for path in market.root.rglob("*")
            if path.is_file() and path != cache and path.name != "clock"
        ]
        texts = {str(path): path.read_bytes().decode(errors="replace") for path in files}
        assert any(path.endswith(".jsonl") for path in texts)
        assert any(path.endswith("collector.log") for path in texts)
        for path, text in [*texts.items(), *((f"answer {n}", text) for n, text in enumerate(answers))]:
            for secret in (*secrets, *names):
                assert secret not in text, Path(path).name


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_seals_everything(world, collector_process, journal_of, counts_of, number):
    """Status 0, no open segment, and what was sent until the close is journaled."""
    async with world(start="09:00:00", speed=60) as market:
        market.universe()
        async with collector_process(market) as running:
            await market.until("09:00:20")
            await running.eventually(confirmed(41))
            market.wall.release()
            await running.eventually(recorded(500))
            assert await running.end(number) == 0
        assert not list(market.paths.data.glob("assets/*/*/*.open"))
        lines = journal_of(market.paths)
        assert counts_of([*lines[Track.SCALP], *lines[Track.SWING]]) == market.simulator.account.channels
        (connection,) = market.simulator.account.connections
        assert connection.closed is not None


async def test_an_app_key_in_use_elsewhere_is_left_alone(world, collector, tmp_path):
    """Another deployment holds the broker's one session: refused once, not ready, and no second attempt."""
    async with world(start="09:00:00", speed=20) as market:
        market.universe()
        async with collector(market) as first:
            await market.until("09:00:20")
            await first.eventually(confirmed(41))
            elsewhere = tmp_path / "other-volume"
            elsewhere.mkdir()
            async with collector(market, OBSERVER_DATA_DIR=str(elsewhere)) as second:
                market.wall.release()
                await second.eventually(lambda status: "OPSP8996" in status["reason"])
                status, body = await second.get("/ready")
                assert status == 503
                assert body["reason"].startswith("external: ")
                await asyncio.sleep(1.0)
                assert len(market.simulator.account.connections) == 2
            assert (await first.get("/status"))[1]["session"]["connections"] == 1


async def test_a_refused_approval_key_is_renewed_once(world, collector):
    """OPSP0011 for a cached key: a new one is asked for, and the connection comes about."""
    async with world(start="09:00:00", speed=20) as market:
        market.universe()
        running = collector(market)
        tokens = stale_approval_key(running, market)
        async with running:
            market.wall.release()
            await running.eventually(confirmed(41))
            assert len(market.simulator.account.connections) == 2
            assert (await running.get("/ready"))[0] == 200
        assert (await tokens.approval_key()).get_secret_value() != STALE


STALE = "00000000-1111-2222-3333-444444444444"


def stale_approval_key(running, market):
    """Puts an approval key into the cache that the broker does not know."""
    tokens = TokenStore(
        market.paths.token_cache,
        running.settings.kis,
        KisOAuth(None, running.settings.kis, market.clock),
        market.clock,
    )
    now = market.clock.now()
    entry = Entry(value=SecretStr(STALE), issued_at=now, expires_at=now + timedelta(hours=20))
    TokenCache(market.paths.token_cache, tokens.fingerprint).write("approval_key", entry)
    return tokens
