"""The breaks of continuity of a day, and what became of each.

Invariant: each hole that the collector has measured, and each loss at an end of the day, is one account; what
fills it is a trade inside of it that was asked for later and not received live.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import polars as pl

from observer_core.brokers.kis.catalogue import CHANNELS, Kind, Venue
from observer_core.clock.base import KST
from observer_core.lake.bars import BarSession
from observer_core.lake.merged import BACKFILL, merge_trades
from observer_core.lake.readers import scan
from observer_core.lake.schemas import Table
from observer_core.lake.unrecorded import Unrecorded
from observer_core.market.calendar import Session
from observer_core.settings.paths import Paths

UNEXPLAINED = "unexplained"
_VENUES = {name: str(channel.venue) for name, channel in CHANNELS.items() if channel.kind is Kind.TRADE}


@dataclass(frozen=True, slots=True)
class HoleAccount:
    """One break of continuity, and what became of it.

    Attributes:
        symbol: The symbol.
        venue: The venue.
        session: The session in which it began.
        began: Receive time of the last data before it, Korean time.
        ended: Receive time of the first data after it, Korean time.
        volume: Shares traded in it.
        filled: Shares of these that were asked for later.
        filled_trades: Trades of these.
        reason: Why it is there; `UNEXPLAINED` where nobody knows.
    """

    symbol: str
    venue: str
    session: str
    began: datetime
    ended: datetime
    volume: int
    filled: int
    filled_trades: int
    reason: str

    @property
    def missing(self) -> int:
        """Shares that nobody has."""
        return max(self.volume - self.filled, 0)

    @property
    def explained(self) -> int:
        """Missing shares whose reason is known."""
        return 0 if self.reason == UNEXPLAINED else self.missing


def hole_accounts(
    paths: Paths, day: date, hours: Session | None, at_ends: Sequence[Unrecorded]
) -> tuple[HoleAccount, ...]:
    """Returns the breaks of continuity of a day, by symbol.

    Args:
        paths: The layout.
        day: The trading day.
        hours: The hours of the exchange; None on a day that the calendar takes for closed.
        at_ends: What is not there at the begin and the end of the day.
    """
    gaps = scan(paths, Table.GAPS, day).filter(pl.col("kind").is_in(["hole", "gap"])).collect().to_dicts()
    holes = [row for row in gaps if row["kind"] == "hole"]
    outages = [row for row in gaps if row["kind"] == "gap"]
    fillings = _fillings(paths, day, sorted({row["symbol"] for row in holes}))
    found = [_account(row, outages, fillings, hours) for row in holes]
    found += [_account_at_end(one, hours) for one in at_ends]
    return tuple(sorted(found, key=lambda hole: (hole.symbol, hole.venue, hole.began, hole.ended)))


def reason_of(hole: Mapping[str, object], outages: Sequence[Mapping[str, object]]) -> str:
    """Returns why a hole is there: its own cause, or that of an interval without data that touches it.

    Args:
        hole: A row of `gaps` of kind `hole`.
        outages: The rows of kind `gap`.
    """
    if hole["cause"]:
        return str(hole["cause"])
    for outage in outages:
        same = outage["shard"] == hole["shard"] and outage["symbol"] in ("", hole["symbol"])
        if same and _began(outage) <= _ended(hole) and _began(hole) <= _ended(outage):
            return str(outage["cause"] or UNEXPLAINED)
    return UNEXPLAINED


def session_at(moment: datetime, venue: str, hours: Session | None) -> BarSession:
    """Returns the session of an instant on a venue; auctions belong to the regular one.

    Args:
        moment: The instant.
        venue: KRX, NXT or UNIFIED.
        hours: The hours of the exchange; None on a day that the calendar takes for closed.
    """
    if hours is None:
        return BarSession.REGULAR
    if moment < hours.at(hours.opens):
        return BarSession.PRE_MARKET
    if venue == Venue.NXT:
        return BarSession.REGULAR if moment < hours.at(hours.closes) else BarSession.AFTER_MARKET
    if moment < hours.at(hours.off_hours_from):
        return BarSession.REGULAR
    evening = hours.after_market_from is not None and moment >= hours.at(hours.after_market_from)
    return BarSession.AFTER_MARKET if evening else BarSession.CLOSING_PRICE


def _fillings(
    paths: Paths, day: date, symbols: Sequence[str]
) -> Mapping[tuple[str, str], Sequence[tuple[int, int]]]:
    """Returns symbol and venue -> cumulative volume and shares of each trade that was filled in."""
    fillings: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    if symbols:
        live = scan(paths, Table.SCALP_TRADES, day).filter(pl.col("symbol").is_in(symbols))
        merged = merge_trades(live, scan(paths, Table.BACKFILL_TRADES, day)).filter(
            pl.col("source") == BACKFILL
        )
        rows = merged.select("symbol", "venue", "cumulative_volume", "volume").collect().rows()
        for symbol, venue, cumulative, volume in rows:
            fillings[symbol, venue].append((cumulative, volume))
    return fillings


def _account(
    row: Mapping[str, Any],
    outages: Sequence[Mapping[str, Any]],
    fillings: Mapping[tuple[str, str], Sequence[tuple[int, int]]],
    hours: Session | None,
) -> HoleAccount:
    venue = _VENUES.get(row["channel"], "")
    first, last = row["from_cumulative_volume"], row["to_cumulative_volume"]
    known = first is not None and last is not None
    inside = [v for c, v in fillings.get((row["symbol"], venue), ()) if known and first < c <= last]
    return HoleAccount(
        symbol=row["symbol"],
        venue=venue,
        session=session_at(_began(row), venue, hours),
        began=_began(row),
        ended=_ended(row),
        volume=row["missing_volume"] or 0,
        filled=sum(inside),
        filled_trades=len(inside),
        reason=reason_of(row, outages),
    )


def _account_at_end(one: Unrecorded, hours: Session | None) -> HoleAccount:
    return HoleAccount(
        symbol=one.symbol,
        venue=one.venue,
        session=session_at(one.began, one.venue, hours),
        began=one.began,
        ended=one.ended,
        volume=one.volume,
        filled=0,
        filled_trades=0,
        reason=UNEXPLAINED if one.reason is None else one.reason.value,
    )


def _began(row: Mapping[str, object]) -> datetime:
    return _instant(row["started_at"] or row["received_at"])


def _ended(row: Mapping[str, object]) -> datetime:
    return _instant(row["ended_at"] or row["received_at"])


def _instant(value: object) -> datetime:
    assert isinstance(value, datetime), "the column is an instant"
    return value.astimezone(KST)
