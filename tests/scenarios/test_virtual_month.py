"""A virtual month: broker, collector, journal, compaction and day close in one process, on one clock.

Every kind of day is in it: normal days with both exchanges, the exam day, the first day of a year, a
weekend with a maintenance window, a holiday, the end of the year, the broker's weekly restart, a day on
which much goes wrong, and one on which the collector restarts and its slots change. Each trading day closes
and is compared with the broker's official figures: whatever differs has a reason out of the closed list.

The short form has each kind once; OBSERVER_SOAK=1 has every day from the middle of November to the new year.
"""

import asyncio
import json
import os
import sys
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

import aiohttp
import pytest
from collector_world import Collector, World, by_channel

from observer_core.accounting.compared import Outcome, Reason
from observer_core.accounting.reconciliation import share_explained
from observer_core.brokers.kis.rest import KisRestClient
from observer_core.clock import KST
from observer_core.clock.running import RunningClock
from observer_core.journal import read_lines, sealed_segments
from observer_core.journal.departed import manifests_of
from observer_core.lake.completeness import build_completeness
from observer_core.lake.days import close_day
from observer_core.lake.hours import compact_hour
from observer_core.lake.official import recorded_pairs, write_official
from observer_core.lake.pending import open_hours
from observer_core.lake.receipts import is_closed
from observer_core.lake.reconciling import reconcile_day
from observer_core.market.calendar import MarketCalendar
from observer_core.reference.daily_official import ask_official
from observer_core.settings.paths import Track
from observer_simulator.faults.model import read_fault

CALENDAR = MarketCalendar()
SAMSUNG, HYNIX, KODEX, NAVER = "005930", "000660", "069500", "035420"
PINNED = f"{SAMSUNG}:H0STCNT0+H0NXCNT0+H0NXASP0,{HYNIX}:H0UNCNT0,{KODEX}:H0STCNT0"
CHANGED = f"{SAMSUNG}:H0STCNT0+H0NXCNT0+H0NXASP0,{NAVER}:H0UNCNT0,{KODEX}:H0STCNT0"
SETTINGS = {
    "OBSERVER_PINNED_SYMBOLS": PINNED,
    "OBSERVER_REGISTRATIONS": "6",
    "OBSERVER_FIXED_REGISTRATIONS": f"H0UNMKO0:{HYNIX}",
    "OBSERVER_MARKET_OPERATION": "0",
    "OBSERVER_TRIGGER_SYMBOLS": "0",
    "OBSERVER_VI_POLL_SECONDS": "0",
    "OBSERVER_RANKING_POLL_SECONDS": "0",
    "OBSERVER_SWING_INTERVAL_SECONDS": "1800",
    "OBSERVER_CONNECTS_PER_HOUR": "100",
}
# Trades of an active symbol and day: about 160 on the KRX.
THIN = {"OBSERVER_SIMULATOR_DENSITY": "0.05", "OBSERVER_SIMULATOR_KEEP_ALIVE_SECONDS": "600"}
SPEED = 20_000
STEP_NS = 5 * 10**9

EXAM, RESTART, FAULTS, CHANGES = (
    date(2026, 11, 19),
    date(2026, 11, 20),
    date(2026, 11, 23),
    date(2026, 11, 24),
)
FIRST_OF_YEAR = date(2027, 1, 4)
MAINTENANCE = date(2026, 11, 21)
CLOSED = (MAINTENANCE, date(2026, 11, 22), date(2026, 12, 25), date(2026, 12, 31), date(2027, 1, 1))
SOAK = bool(os.environ.get("OBSERVER_SOAK"))
# The collector lives through each of these without a restart of the test's making.
SPANS = (
    [(date(2026, 11, 16), date(2027, 1, 5))]
    if SOAK
    else [
        (date(2026, 11, 18), CHANGES),
        (date(2026, 12, 25), date(2026, 12, 25)),
        (date(2026, 12, 31), FIRST_OF_YEAR),
    ]
)


def at(day, text):
    return datetime.combine(day, time.fromisoformat(text), KST)


def days_of(first, last):
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


@dataclass
class DayReport:
    """What a day came to."""

    day: date
    records: int
    comparisons: list
    share: float
    reasons: Counter = field(default_factory=Counter)
    outcomes: set = field(default_factory=set)
    missing: int = 0


class Month:
    """The days of one market and its deployment."""

    def __init__(self, world):
        self.world = world
        self.collector = None
        self.reports = []

    async def until(self, day, text):
        """Lets the market run to an instant, and everybody do what was due up to there."""
        await self.world.until(text, datetime.combine(day, time(), KST))
        while not self.world.conductor.is_settled():
            await asyncio.sleep(0.005)

    async def pass_to(self, day, text):
        """Passes over hours in which nothing trades."""
        target = int(at(day, text).timestamp()) * 10**9
        self.world.conductor.jump(target)
        await self.world.until(text, datetime.combine(day, time(), KST))

    @asynccontextmanager
    async def collecting(self):
        """Runs a collector, registered for everything, for the length of the block."""
        async with Collector(self.world, **SETTINGS) as self.collector:
            yield

    async def eventually(self, condition):
        """Lets time pass by seconds, at the machine's pace, until the status fulfils a condition."""
        while not condition(await self.collector.eventually(lambda _: True)):
            target = self.world.clock.now_ns() + STEP_NS
            wall = self.world.conductor.hold(target, "the test")
            self.world.wall.release()
            self.world.wall = wall
            while self.world.clock.now_ns() < target:
                await asyncio.sleep(0.005)
            await asyncio.sleep(0.02)

    async def registered(self):
        await self.eventually(all_confirmed)

    def fault(self, kind, **parameters):
        self.world.simulator.websocket.add_fault(
            read_fault({"kind": kind, **parameters}, self.world.clock.now_ns())
        )

    async def end_faults(self):
        async with aiohttp.ClientSession() as http:
            await http.delete(f"{self.world.simulator.rest_url}/admin/faults")

    async def out_for(self, day, begins, ends, seconds):
        """Lets the broker be away for some time, and the collector come back."""
        await self.until(day, begins)
        self.fault("maintenance", seconds=seconds)
        await self.until(day, ends)
        await self.registered()

    async def settled_by(self, day, text):
        """Lets the market go on until every hole was worked on, to an instant at the latest."""
        await self.until(day, text)
        await self.settled()

    async def settled(self):
        """Lets time pass until every hole was worked on: its requests keep the clock's pace."""
        await self.eventually(lambda status: status["counters"]["holes_waiting"] == 0)

    async def official(self, day):
        """Asks for the day's official figures as the pipeline does, and compares."""
        clock, paths = RunningClock(self.world.clock), self.world.paths
        client = KisRestClient.connect(self.collector.settings.kis, paths.token_cache, clock)
        async with client as charts:
            rows = await ask_official(charts, recorded_pairs(paths, day), day, clock)
        write_official(paths, day, rows)
        return rows, reconcile_day(paths, day)

    async def close(self, day):
        """Closes a day whose segments are all sealed, and compares it."""
        # Settling a hole writes a control record: all of them before the last hour is sealed.
        await self.settled_by(day, "20:10:00")
        await self.until(day, "21:00:30")
        closed = await asyncio.to_thread(close_day, self.world.paths, day)
        assert closed.unsealed == ()
        assert is_closed(self.world.paths, day)
        # Each record of the journal is in the lake or in quarantine, once.
        in_lake = sum(rows for table, rows in closed.rows.items() if table not in ("gaps", "bars_1m"))
        assert closed.records == in_lake + closed.quarantined
        manifests = [m for track in Track for m in manifests_of(self.world.paths, track, day)]
        assert closed.records == sum(manifest.records for manifest in manifests)
        rows, compared = await self.official(day)
        assert rows
        report = DayReport(day, closed.records, compared, share_explained(compared))
        # The collector was there from the first trade to the last: what is missing lies in holes.
        found = await asyncio.to_thread(build_completeness, self.world.paths, day)
        assert Reason.OUTAGE not in found.missing_by_reason, found.missing_by_reason
        report.missing = found.rows["missing_volume"].sum()
        report.outcomes = {one.outcome for one in compared}
        for one in compared:
            report.reasons.update(one.reasons)
        self.reports.append(report)
        return report

    def journaled(self, day):
        """Returns the records of a day by channel and symbol."""
        folders = [self.world.paths.journal(track, day) for track in Track]
        segments = [segment for folder in folders for segment in sealed_segments(folder)]
        return by_channel([line for segment in segments for line in read_lines(segment.path)])


def all_confirmed(status):
    found = status.get("session", {}).get("registrations", {})
    return found.get("confirmed") == 6 == sum(found.values())


async def normal_day(month, day):
    """Both exchanges from the first to the last trade; the hours are compacted as they pass."""
    sent = Counter(records_of(month.world.simulator.account.channels))
    await month.until(day, "14:30:00")
    hours = open_hours(month.world.paths, day, month.world.clock.now())
    assert hours
    for hour in hours:
        await asyncio.to_thread(compact_hour, month.world.paths, day, hour)
    report = await month.close(day)
    sent = Counter(records_of(month.world.simulator.account.channels)) - sent
    assert dict(sent) == records_of(month.journaled(day)), "every record that was sent, and no other"
    assert report.outcomes == {Outcome.AGREES}, [vars_of(one) for one in report.comparisons]
    assert report.missing == 0
    venues = {(one.symbol, one.venue) for one in report.comparisons}
    assert venues == {(SAMSUNG, "KRX"), (SAMSUNG, "NXT"), (HYNIX, "UNIFIED"), (KODEX, "KRX")}


async def restart_day(month, day):
    """All sockets close in the week's restart; what was missed is filled in, and the day agrees."""
    await month.out_for(day, "13:30:00", "13:55:00", 600)
    report = await month.close(day)
    assert report.outcomes == {Outcome.AGREES}, [vars_of(one) for one in report.comparisons]
    status = (await month.collector.get("/status"))[1]
    assert status["counters"]["holes_healed"] > 0


async def faulty_day(month, day):
    """Holes that nobody fills, lines that nobody understands, figures that do not come at first."""
    executions = "inquire-time-itemconclusion"
    await month.out_for(day, "09:20:00", "09:45:00", 600)
    await month.settled_by(day, "09:58:00")
    # From here on no list of executions is served: what is missed stays missed.
    month.fault("rest_status", path=executions, status=500)
    await month.out_for(day, "10:00:00", "10:25:00", 900)
    await month.settled_by(day, "11:25:00")
    month.fault("duplicate", share=0.5, seed=7, seconds=1800)
    await month.until(day, "12:00:00")
    month.fault("invalid_utf8", channels=["H0STCNT0"], symbols=[SAMSUNG], count=1)
    month.fault("width", channels=["H0NXCNT0"], values=48, seconds=1800)
    month.fault("truncate", channels=["H0UNCNT0"], count=2)
    await month.until(day, "13:00:00")
    month.fault("slow_reader", rate=1, bytes=1200, drop=True, seconds=1800)
    await month.until(day, "14:30:00")
    month.fault("clock_skew", seconds_off=-3600.0, seconds=600)
    month.fault("unknown_channel", share=0.3, seed=3, seconds=1800)
    month.fault("rest_status", path="inquire-daily-itemchartprice", status=503)
    report = await month.close(day)
    assert report.outcomes == {Outcome.NOT_ANSWERED}, "that the broker does not answer is no difference"
    await month.end_faults()
    rows, compared = await month.official(day)
    assert {row.answer.value for row in rows} == {"stated"}
    report.comparisons, report.share = compared, share_explained(compared)
    report.outcomes = {one.outcome for one in compared}
    for one in compared:
        report.reasons.update(one.reasons)
    assert Outcome.UNEXPLAINED not in report.outcomes, [vars_of(one) for one in compared]
    assert report.reasons[Reason.HOLE] > 0
    assert report.reasons[Reason.QUARANTINED] > 0


async def changing_day(month, day):
    """The collector restarts in the session, and its slots change at noon."""
    await month.until(day, "10:20:00")
    await month.collector.stop()
    await month.until(day, "10:50:00")
    month.collector = Collector(month.world, **SETTINGS)
    await month.collector.__aenter__()
    await month.registered()
    await month.until(day, "12:30:00")
    month.world.paths.collector_changes.write_text(json.dumps({"OBSERVER_PINNED_SYMBOLS": CHANGED}))
    await month.eventually(
        lambda status: all_confirmed(status) and NAVER in {slot["symbol"] for slot in status["slots"]}
    )
    report = await month.close(day)
    found = {(one.symbol, one.venue): one for one in report.comparisons}
    assert Outcome.UNEXPLAINED not in report.outcomes, [vars_of(one) for one in report.comparisons]
    assert set(found[HYNIX, "UNIFIED"].reasons) == {Reason.AFTER_WATCH}
    assert set(found[NAVER, "UNIFIED"].reasons) == {Reason.BEFORE_WATCH}
    assert found[SAMSUNG, "KRX"].outcome is Outcome.AGREES
    month.world.paths.collector_changes.unlink()
    await month.eventually(
        lambda status: all_confirmed(status) and HYNIX in {slot["symbol"] for slot in status["slots"]}
    )


async def closed_day(month, day):
    """Nothing trades, and nothing is recorded; on the Saturday the broker is under maintenance."""
    assert not CALENDAR.is_trading_day(day)
    if day == MAINTENANCE:
        await month.out_for(day, "10:00:00", "12:30:00", 7200)
    else:
        await month.until(day, "09:40:00")
    assert month.journaled(day) == {}
    status = (await month.collector.get("/status"))[1]
    assert status["phase"] == "closed"


def script(day):
    """Returns what happens on a day."""
    if not CALENDAR.is_trading_day(day):
        return closed_day
    return {RESTART: restart_day, FAULTS: faulty_day, CHANGES: changing_day}.get(day, normal_day)


def records_of(channels):
    return {(channel, key): count for channel, keys in channels.items() for key, count in keys.items()}


def vars_of(one):
    return {
        "symbol": one.symbol,
        "venue": one.venue,
        "official": one.official,
        "captured": one.captured,
        "reasons": dict(one.reasons),
        "unexplained": one.unexplained,
        "differences": list(one.differences),
    }


@pytest.mark.timeout(3600 if SOAK else 300)
async def test_a_month_closes_day_by_day_and_every_difference_has_its_reason(
    tmp_path, monkeypatch, record_property
):
    monkeypatch.setattr("observer_collector.session.backoff._FIRST_SECONDS", 0.05)
    monkeypatch.setattr("observer_core.brokers.kis.rest._FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("observer_collector.slots.reloading._POLL_SECONDS", 0.1)
    monkeypatch.setattr("observer_collector.recording.backfill._IDLE_SECONDS", 0.02)
    seen = []
    async with World(tmp_path, "07:00:00", SPEED, THIN) as world:
        month = Month(world)
        for first, last in SPANS:
            days = days_of(first, last)
            for day in days:
                if CALENDAR.is_trading_day(day):
                    world.universe(size=10, day=datetime.combine(day, time(), KST))
            if not CALENDAR.is_trading_day(last):
                following = CALENDAR.next_trading_day(last)
                world.universe(size=10, day=datetime.combine(following, time(), KST))
            await month.pass_to(first, "07:30:00")
            async with month.collecting():
                for day in days:
                    if day != first:
                        await month.pass_to(day, "07:30:00")
                    await month.registered()
                    seen.append(script(day))
                    await script(day)(month, day)
                await month.collector.stop()
    assert {normal_day, restart_day, faulty_day, changing_day, closed_day} <= set(seen)
    assert {EXAM, FIRST_OF_YEAR} <= {report.day for report in month.reports}
    share = share_explained([one for report in month.reports for one in report.comparisons])
    record_property("share_explained", share)
    told = [
        f"{report.day}: {report.records:,} records, {report.share:.4%} explained,"
        f" {', '.join(sorted(report.outcomes))}; {dict(report.reasons)}"
        for report in month.reports
    ]
    sys.stdout.write("\n".join([*told, f"share of the month explained: {share:.6%}\n"]))
    assert share == 1.0
