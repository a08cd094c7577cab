"""One symbol watched on two exchanges and another on both together: a day from the broker to the lake.

The simulator is the oracle: its account says what was sent, its tapes say what each exchange traded.
"""

import asyncio
import json
from collections import Counter
from datetime import date

import polars as pl
from collector_world import Collector, World, by_channel, sealed_lines

from observer_core.lake.days import close_day
from observer_core.lake.readers import scan
from observer_core.lake.schemas import Table
from observer_core.settings.paths import Track
from observer_simulator.faults.model import read_fault
from observer_simulator.market.venue import Venue

DAY = date(2026, 9, 15)
SAMSUNG, HYNIX = "005930", "000660"
CHANNELS = {"H0STCNT0": Venue.KRX, "H0NXCNT0": Venue.NXT, "H0UNCNT0": Venue.UNIFIED}
WATCHED = {("KRX", SAMSUNG): Venue.KRX, ("NXT", SAMSUNG): Venue.NXT, ("UNIFIED", HYNIX): Venue.UNIFIED}
SESSIONS = {"KRX": {"2", "3", "5"}, "NXT": {"1", "2", "3"}, "UNIFIED": {"1", "2", "3", "5"}}
SETTINGS = {
    "OBSERVER_PINNED_SYMBOLS": f"{SAMSUNG}:H0STCNT0+H0NXCNT0+H0NXASP0,{HYNIX}:H0UNCNT0+H0UNASP0",
    "OBSERVER_REGISTRATIONS": "6",
    "OBSERVER_FIXED_REGISTRATIONS": f"H0UNMKO0:{HYNIX}",
    "OBSERVER_MARKET_OPERATION": "0",
    "OBSERVER_TRIGGER_SYMBOLS": "0",
    "OBSERVER_VI_POLL_SECONDS": "0",
    "OBSERVER_RANKING_POLL_SECONDS": "0",
    "OBSERVER_SWING_INTERVAL_SECONDS": "3600",
}
# In the pre-market, where the KRX is still; in the session; and in the evening.
BREAKS = (("08:20:00", "08:35:00"), ("10:30:00", "10:45:00"), ("17:00:00", "17:45:00"))
TEN_MINUTES = {"kind": "maintenance", "seconds": 600}


async def test_each_exchange_is_accounted_for_by_itself(tmp_path, monkeypatch):
    """Three breaks in three sessions: every share of a venue is captured or in a hole of its true size."""
    monkeypatch.setattr("observer_collector.session.backoff._FIRST_SECONDS", 0.05)
    options = {"OBSERVER_SIMULATOR_DENSITY": "0.3"}
    async with World(tmp_path, "07:56:00", 10_000, options) as market:
        market.universe(size=10)
        async with Collector(market, **SETTINGS) as collector:
            await market.until("07:59:00")
            await collector.eventually(all_confirmed)
            for begins, ends in BREAKS:
                await market.until(begins)
                market.simulator.websocket.add_fault(read_fault(TEN_MINUTES, market.clock.now_ns()))
                await market.until(ends)
                await collector.eventually(all_confirmed)
            await market.until("20:05:00")
            await collector.eventually(lambda status: status["counters"]["holes_waiting"] == 0)
        account = market.simulator.account.channels
        tapes = {
            (venue, symbol): market.simulator.market.tape(symbol, DAY, own)
            for (venue, symbol), own in WATCHED.items()
        }
        paths = market.paths
    lines = sealed_lines(paths)
    journaled = by_channel([*lines[Track.SCALP], *lines[Track.SWING]])
    for channel in CHANNELS:
        # What was on its way when a line broke may be lost; it is in a hole then, and never doubled.
        for key, count in journaled[channel].items():
            assert count <= account[channel][key]
    closed = await asyncio.to_thread(close_day, paths, DAY)
    assert closed.quarantined == 0
    trades = scan(paths, Table.SCALP_TRADES, DAY).collect()
    assert {(venue, symbol) for venue, symbol in trades.select("venue", "symbol").unique().rows()} == set(
        WATCHED
    )
    holes = [
        json.loads(line.payload) for line in lines[Track.SCALP] if line.is_control and line.key == "hole"
    ]
    missed = Counter()
    for hole in holes:
        missed[CHANNELS[hole["channel"]], hole["symbol"]] += hole["shares"]
    assert {hole["channel"] for hole in holes} == set(CHANNELS)
    for (venue, symbol), own in WATCHED.items():
        rows = trades.filter(pl.col("venue") == venue, pl.col("symbol") == symbol)
        tape = tapes[venue, symbol]
        assert rows["volume"].sum() + missed[own, symbol] == int(tape.trades.volume.sum())
        assert set(rows["market_session"]) == SESSIONS[venue]
        assert rows["cumulative_volume"].max() == int(tape.trades.cumulative_volume[-1])
    pre_market = {hole["channel"] for hole in holes if hole["session"] == "pre_market"}
    assert "H0STCNT0" not in pre_market
    assert {"H0NXCNT0", "H0UNCNT0"} <= pre_market
    settled = [json.loads(line.payload) for line in lines[Track.SCALP] if line.key == "backfill"]
    assert {one["outcome"] for one in settled} == {"healed"}
    assert len(settled) == len(holes)
    bars = scan(paths, Table.BARS_1M, DAY).collect()
    assert "pre_market" in set(bars.filter(pl.col("venue") == "NXT")["session"])
    assert bars["volume"].sum() == trades["volume"].sum()
    books = scan(paths, Table.SCALP_QUOTES, DAY).collect()
    assert set(books["venue"]) == {"NXT", "UNIFIED"}
    assert books["extra"].list.len().fill_null(0).max() == 0, "every value of a book has its column"


def all_confirmed(status):
    found = status.get("session", {}).get("registrations", {})
    return found.get("confirmed") == 6 == sum(found.values())
