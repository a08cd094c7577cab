"""Holes are filled from the broker's lists, over real sockets, and the lake's tape is whole again."""

import asyncio
import json
from dataclasses import replace
from datetime import datetime, timedelta

import aiohttp
import pytest
from set_back_clock import SetBackClock

from observer_collector.recording.backfill import Backfiller, open_holes
from observer_collector.supervision import Helpers
from observer_core.accounting import Hole
from observer_core.clock import KST, StepClock
from observer_core.errors import BrokerRequestError, NetworkError
from observer_core.journal import JournalWriter, LineBuilder, Received, WriterSettings
from observer_core.lake.compaction import compact_hour
from observer_core.lake.merged import scan_merged_trades
from observer_core.lake.readers import scan
from observer_core.settings.paths import Track

NOON = datetime(2026, 9, 15, 12, tzinfo=KST)


def controls(lines, kind):
    return [json.loads(line.payload) for line in lines if line.is_control and line.key == kind]


def confirmed(least):
    return lambda status: status.get("session", {}).get("registrations", {}).get("confirmed", 0) >= least


async def test_holes_of_a_lost_connection_are_filled(world, collector, journal_of, counts_of):
    """What the broker lists is journaled beside, reconciled with each hole, and completes the lake's tape."""
    async with world(start="09:00:00", speed=60) as market:
        market.universe()
        async with collector(market) as running:
            await market.until("09:00:20")
            await running.eventually(confirmed(41))
            await market.until("09:03:00")
            async with aiohttp.ClientSession() as http:
                await http.post(f"{market.simulator.rest_url}/admin/faults", json={"kind": "abort"})
            await market.until("09:05:00")
            await running.eventually(lambda status: status["session"]["connections"] == 2)
            market.wall.release()
            await running.eventually(confirmed(41))
            await running.eventually(lambda status: status["counters"]["holes"] >= 10)
            await running.eventually(lambda status: status["counters"]["holes_waiting"] == 0)
            day = market.clock.now().date()
        lines = journal_of(market.paths)
        holes, settled = controls(lines[Track.SCALP], "hole"), controls(lines[Track.SCALP], "backfill")
        assert len(settled) == len(holes) >= 10
        assert {one["outcome"] for one in settled} <= {"healed", "busy"}
        by_hole = {(one["symbol"], one["first_seen_ns"]): one for one in settled}
        for hole in holes:
            found = by_hole[hole["symbol"], hole["first_seen_ns"]]
            assert found["shares"] + found["missing_shares"] == hole["shares"]
            if found["outcome"] == "healed":
                assert (found["value"], found["trades"]) == (hole["value"], hole["trades"])
        assert sum(one["outcome"] == "healed" for one in settled) >= len(holes) // 2
        sent = market.simulator.account.channels
        assert sent["FHPST01060000"]
        assert counts_of([*lines[Track.SCALP], *lines[Track.SWING]]) == sent
        assert_the_lake_is_whole(market.paths, day, holes, by_hole)


def assert_the_lake_is_whole(paths, day, holes, by_hole):
    """Records in = lake + quarantined, and the merged tape of a healed symbol has no break."""
    result = compact_hour(paths, day, 9)
    assert not result.quarantined
    listed = scan(paths, "backfill_trades", day).collect()
    assert listed.height == result.rows["backfill_trades"]
    merged = scan_merged_trades(paths, day).collect()
    filled = merged.filter(merged["source"] == "backfill")
    assert filled.height == sum(one["trades"] for one in by_hole.values())
    torn = {symbol for (symbol, _), one in by_hole.items() if one["outcome"] != "healed"}
    for symbol in {hole["symbol"] for hole in holes} - torn:
        tape = merged.filter(merged["symbol"] == symbol).sort("cumulative_volume")
        steps = tape["cumulative_volume"].diff().drop_nulls()
        assert (steps == tape["volume"][1:]).all(), symbol
        assert {"live", "backfill"} == set(tape["source"])


HOLE = Hole(
    channel="H0STCNT0", symbol="005930", business_date="20260915", from_cumulative=100, to_cumulative=110,
    shares=10, value=1000, trades=1, sell_trades=1, buy_trades=0, sell_volume=10, buy_volume=0,
    last_good_ns=1, first_seen_ns=2, phase="continuous", session="regular", from_time="115900",
    to_time="115910",
)  # fmt: skip
ROW = {"stck_cntg_hour": "115905", "stck_prpr": "100", "acml_vol": "110", "cnqn": "10"}


class Desk:
    """Stands for the recorder: remembers what it is told."""

    def __init__(self):
        self.told, self.written = [], []

    def rows(self, channel, symbol, rows):
        self.written += [(channel, symbol, json.loads(row)) for row in rows]

    def control(self, kind, payload):
        self.told.append((kind.value, payload))


class Lists:
    """The broker's lists; what they answer is scripted."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    async def executions(self, code, until, *, market):
        self.asked.append((code, until, market))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def minute_bars(self, code, until, *, market):
        self.asked.append((code, until, "bars", market))
        return [{"stck_cntg_hour": until, "cntg_vol": "10"}]


async def settle(lists, hole=HOLE, *, seconds=400, root=None, tmp_path=None):
    """Runs a backfiller over one hole while the clock goes on."""
    clock, desk = StepClock(NOON), Desk()
    filler = Backfiller(lists, desk, clock, root=root or tmp_path, shard="0")
    filler.add(hole)
    running = asyncio.ensure_future(filler.run())
    while filler.waiting and not running.done():
        await clock.advance_to(clock.now() + timedelta(seconds=seconds))
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return desk, filler


@pytest.fixture(autouse=True)
def without_idling(monkeypatch):
    monkeypatch.setattr("observer_collector.recording.backfill._IDLE_SECONDS", 0)
    monkeypatch.setattr("observer_collector.supervision._FIRST_PAUSE_SECONDS", 0)


async def test_a_row_names_the_hole_it_was_asked_for(tmp_path):
    """As it was sent, with symbol, venue, session and the hole's borders added."""
    desk, filler = await settle(Lists([ROW]), tmp_path=tmp_path)
    ((channel, symbol, row),) = desk.written
    assert (channel, symbol) == ("FHPST01060000", "005930")
    assert row == {
        **ROW, "observer_symbol": "005930", "observer_venue": "KRX", "observer_session": "regular",
        "observer_hole_from": "100", "observer_hole_to": "110",
    }  # fmt: skip
    ((kind, told),) = desk.told
    assert (kind, told["outcome"], told["shares"], told["first_seen_ns"]) == ("backfill", "healed", 10, 2)
    assert filler.outcomes == {"healed": 1}


async def test_a_broker_that_is_away_is_asked_again(tmp_path):
    """Every half minute; the hole is settled once it answers."""
    lists = Lists(NetworkError("away"), NetworkError("away"), [ROW])
    desk, _ = await settle(lists, seconds=31, tmp_path=tmp_path)
    assert len(lists.asked) == 3
    assert desk.told[0][1]["outcome"] == "healed"


async def test_a_broker_that_stays_away_leaves_the_hole_open_and_says_so(tmp_path):
    desk, _ = await settle(Lists(*[NetworkError("away")] * 10), seconds=31, tmp_path=tmp_path)
    assert (desk.told[0][1]["outcome"], desk.told[0][1]["symbol"]) == ("failed", "005930")


@pytest.mark.parametrize("price", ["NaN", "Infinity", "1e999999", None])
async def test_an_answer_with_a_figure_that_is_none_leaves_the_hole_open_and_is_asked_for_again(
    tmp_path, price
):
    """The rows are kept as they came; the figures of a later answer fill the hole."""
    odd = {**ROW, "stck_prpr": price}
    desk, filler = await settle(Lists([odd], [odd], [ROW]), seconds=31, tmp_path=tmp_path)
    assert [row["stck_prpr"] for _, _, row in desk.written] == [price, price, "100"]
    assert desk.told[0][1]["outcome"] == "healed"
    assert filler.problem is None


async def test_an_answer_that_keeps_its_odd_figure_is_given_up_and_the_figure_named(tmp_path):
    lists = Lists(*[[{**ROW, "acml_vol": "x"}]] * 10)
    desk, filler = await settle(lists, seconds=31, tmp_path=tmp_path)
    assert (desk.told[0][1]["outcome"], lists.answers) == ("failed", [])
    assert "'x' as acml_vol" in desk.told[0][1]["error"]
    assert filler.waiting == 0


async def test_a_hole_that_nobody_can_ask_for_keeps_no_other_waiting(tmp_path):
    """Kept at work by its supervisor, the backfill puts off what fails in an unforeseen way, ten times."""
    clock, desk, lists = StepClock(NOON), Desk(), Lists(*[ValueError("odd"), [ROW], *[ValueError("odd")] * 9])
    filler, helpers = Backfiller(lists, desk, clock, root=tmp_path, shard="0"), Helpers(clock)
    filler.add(replace(HOLE, symbol="odd"))
    filler.add(HOLE)
    running = asyncio.ensure_future(helpers.keep("backfill", filler.run))
    while filler.waiting:
        await clock.advance_to(clock.now() + timedelta(seconds=31))
        await asyncio.sleep(0.01)
    running.cancel()
    assert [(told["symbol"], told["outcome"]) for _, told in desk.told] == [
        ("005930", "healed"), ("odd", "failed")
    ]  # fmt: skip
    assert helpers.status()["backfill"]["failures"] == 10
    assert "ValueError: odd" in desk.told[1][1]["error"]


async def test_what_failed_takes_earlier_holes_up_once(tmp_path):
    """Begun again, it does not ask anew for a hole that it has settled meanwhile."""
    clock = StepClock(NOON)
    settings = WriterSettings(tmp_path, Track.SCALP, "kis", "0", 0.01, 1 << 20)
    writer, lines = JournalWriter(settings, clock), LineBuilder("kis", "0")
    received = Received(1, 1, clock.now_ns(), 1)
    line = lines.any(received, 0, "_control", "hole", json.dumps(HOLE.to_json()))
    writer.segment_for(received.wall_ns).append(line, received, "_control", "hole")
    writer.close()
    await writer.run()
    lists, desk = Lists([ROW], ValueError("odd"), [ROW]), Desk()
    filler = Backfiller(lists, desk, clock, root=tmp_path, shard="0")
    running = asyncio.ensure_future(Helpers(clock).keep("backfill", filler.run))
    while not desk.told:
        await clock.advance_to(clock.now() + timedelta(seconds=6))
        await asyncio.sleep(0.01)
    filler.add(replace(HOLE, symbol="000660"))
    while filler.waiting:
        await clock.advance_to(clock.now() + timedelta(seconds=31))
        await asyncio.sleep(0.01)
    running.cancel()
    assert [told["symbol"] for _, told in desk.told] == ["005930", "000660"]
    assert [code for code, *_ in lists.asked] == ["005930", "000660", "000660"]


async def test_a_refused_request_is_not_repeated(tmp_path):
    lists = Lists(BrokerRequestError("OPSQ2001", "no such market"))
    desk, _ = await settle(lists, tmp_path=tmp_path)
    assert (len(lists.asked), desk.told[0][1]["outcome"]) == (1, "refused")


async def test_where_executions_are_not_served_minute_bars_are_kept(tmp_path):
    """The bars of the minutes of the hole, as records of their own channel."""
    lists = Lists([])
    desk, _ = await settle(lists, tmp_path=tmp_path)
    assert desk.told[0][1]["outcome"] == "unserved"
    assert lists.asked == [("005930", "115910", "J"), ("005930", "115900", "bars", "J")]
    assert [channel for channel, *_ in desk.written] == ["FHKST03010200"]


async def test_a_hole_of_another_day_is_not_asked_for(tmp_path):
    lists = Lists()
    hole = Hole(**{**{name: getattr(HOLE, name) for name in HOLE.__slots__}, "business_date": "20260914"})
    desk, _ = await settle(lists, hole, tmp_path=tmp_path)
    assert (lists.asked, desk.told[0][1]["outcome"]) == ([], "unserved")


async def test_a_restart_takes_up_what_is_open(tmp_path):
    """From the journal alone: holes that a control record has settled are left alone."""
    clock = StepClock(NOON)
    settings = WriterSettings(tmp_path, Track.SCALP, "kis", "0", 0.01, 1 << 20)
    writer, lines = JournalWriter(settings, clock), LineBuilder("kis", "0")
    other = {**HOLE.to_json(), "symbol": "000660"}
    settled = {**other, "outcome": "healed"}
    for number, (kind, payload) in enumerate(
        [("hole", HOLE.to_json()), ("hole", other), ("backfill", settled)]
    ):
        received = Received(1, number, clock.now_ns(), 1)
        line = lines.any(received, 0, "_control", kind, json.dumps(payload))
        writer.segment_for(received.wall_ns).append(line, received, "_control", kind)
    writer.close()
    await writer.run()
    assert open_holes(tmp_path / "20260915", "0") == [HOLE]
    assert open_holes(tmp_path / "20260915", "1") == []
    lists, desk = Lists([ROW]), Desk()
    filler = Backfiller(lists, desk, clock, root=tmp_path, shard="0")
    running = asyncio.ensure_future(filler.run())
    while not desk.told:
        await clock.advance_to(clock.now() + timedelta(seconds=6))
        await asyncio.sleep(0.01)
    running.cancel()
    assert desk.told[0][1]["outcome"] == "healed"


async def test_a_clock_that_is_set_back_puts_no_hole_off(tmp_path):
    """The hole is asked for at once, not when the clock shows the old instant again."""
    clock, desk, lists = SetBackClock(NOON), Desk(), Lists([ROW])
    filler = Backfiller(lists, desk, clock, root=tmp_path, shard="0")
    filler.add(HOLE)
    clock.step_back(2_400)
    running = asyncio.ensure_future(filler.run())
    async with asyncio.timeout(60):
        while not desk.told:
            await asyncio.sleep(0.01)
    running.cancel()
    assert desk.told[0][1]["outcome"] == "healed"
