"""How much of what was traded is there, for each symbol, venue and session.

Invariant: received are the shares of distinct trades; a hole is what the broker's cumulative volume says was
traded in between; filled are the trades inside of it that were asked for later and not received live. What
was traded before the first and after the last trade of the day, and was for us to record, is a hole as any
other (see `unrecorded`). What is left is missing, and explained where the hole's reason is known. A hole
belongs to the session in which it began, and what fills it too, so that the columns of a row add up.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from observer_core.brokers.kis.catalogue import CHANNELS, Kind, Venue
from observer_core.clock.base import KST
from observer_core.lake import receipts
from observer_core.lake.bars import BarSession, by_symbols, distinct_trades, session_of
from observer_core.lake.merged import BACKFILL, merge_trades
from observer_core.lake.ordering import in_order
from observer_core.lake.parquet import TableWriter
from observer_core.lake.readers import scan
from observer_core.lake.schemas import SCHEMAS, Table
from observer_core.lake.storage import LakeStorage, exclusive, work_folder
from observer_core.lake.unrecorded import DayEnds, Unrecorded, day_ends
from observer_core.market.calendar import MarketCalendar, Session
from observer_core.settings.paths import Paths

UNEXPLAINED = "unexplained"
_VENUES = {name: str(channel.venue) for name, channel in CHANNELS.items() if channel.kind is Kind.TRADE}

_Series = tuple[str, str, str]


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


@dataclass(frozen=True, slots=True)
class Completeness:
    """What of a day is there.

    Attributes:
        rows: The table `completeness`.
        holes: The breaks of continuity, by symbol, with those at the begin and the end of the day.
        path: Its file; None where nothing was traded.
        apart: Reason -> shares that are in no row: not for us to record, or not to be told now.
        measured: Whether the broker has stated the volume of each symbol and venue recorded or selected.
    """

    rows: pl.DataFrame
    holes: tuple[HoleAccount, ...]
    path: Path | None
    apart: Mapping[str, int] = field(default_factory=dict)
    measured: bool = False

    @property
    def missing_by_reason(self) -> Mapping[str, int]:
        """Reason -> missing shares."""
        found: Counter[str] = Counter()
        for hole in self.holes:
            found[hole.reason] += hole.missing
        return {reason: shares for reason, shares in sorted(found.items()) if shares}


def build_completeness(
    paths: Paths, day: date, *, calendar: MarketCalendar | None = None, storage: LakeStorage | None = None
) -> Completeness:
    """Accounts for a day and writes the account into the lake.

    Args:
        paths: The layout.
        day: Trading day; its file is that of a closed day once the day is closed.
        calendar: The exchange's hours.
        storage: The disk.
    """
    disk, calendar = storage or LakeStorage(), calendar or MarketCalendar()
    with exclusive(paths.lake_lock(day)):
        hours = calendar.session(day) if calendar.is_trading_day(day) else None
        ends = DayEnds() if hours is None else day_ends(paths, day, hours)
        apart = {reason.value: shares for reason, shares in ends.apart.items()}
        holes = _holes(paths, day, hours, ends.lost)
        rows = _table(_received(paths, day, hours), holes, day)
        closed = receipts.is_closed(paths, day)
        target = (paths.lake_day if closed else paths.lake_so_far)(Table.COMPLETENESS, day)
        if rows.is_empty():
            disk.remove(target)
            return Completeness(rows, holes, None, apart)
        schema = SCHEMAS[Table.COMPLETENESS]
        with work_folder(paths.lake_work(day)) as work:
            source = work / "completeness.parquet"
            with TableWriter(source, schema) as writer:
                writer.write(in_order(rows, schema.sort_key))
                writer.name_sources([])
            disk.publish(source, target)
        if closed:
            disk.remove(paths.lake_open_day(Table.COMPLETENESS, day))
    return Completeness(rows, holes, target, apart, ends.measured)


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


def _received(paths: Paths, day: date, hours: Session | None) -> dict[_Series, tuple[int, int]]:
    """Returns trades and shares received, each trade once."""
    session = session_of(hours).replace(BarSession.AUCTION, BarSession.REGULAR)
    found: dict[_Series, tuple[int, int]] = {}
    for chunk in by_symbols(scan(paths, Table.SCALP_TRADES, day)):
        counted = (
            distinct_trades(chunk)
            .group_by("symbol", "venue", session.alias("session"))
            .agg(pl.len().cast(pl.Int64).alias("trades"), pl.col("volume").sum())
        )
        found |= {
            (symbol, venue, name): (trades, volume) for symbol, venue, name, trades, volume in counted.rows()
        }
    return found


def _holes(
    paths: Paths, day: date, hours: Session | None, at_ends: Sequence[Unrecorded]
) -> tuple[HoleAccount, ...]:
    gaps = scan(paths, Table.GAPS, day).filter(pl.col("kind").is_in(["hole", "gap"])).collect().to_dicts()
    holes = [row for row in gaps if row["kind"] == "hole"]
    outages = [row for row in gaps if row["kind"] == "gap"]
    fillings = _fillings(paths, day, sorted({row["symbol"] for row in holes}))
    found = [_account(row, outages, fillings, hours) for row in holes]
    found += [_account_at_end(one, hours) for one in at_ends]
    return tuple(sorted(found, key=lambda hole: (hole.symbol, hole.venue, hole.began, hole.ended)))


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


def _table(
    received: Mapping[_Series, tuple[int, int]], holes: Iterable[HoleAccount], day: date
) -> pl.DataFrame:
    broken: dict[_Series, list[HoleAccount]] = defaultdict(list)
    for hole in holes:
        broken[hole.symbol, hole.venue, hole.session].append(hole)
    rows = [
        _row(day, series, received.get(series, (0, 0)), broken.get(series, ()))
        for series in sorted(received.keys() | broken.keys())
    ]
    return pl.DataFrame(rows, schema=SCHEMAS[Table.COMPLETENESS].polars)


def _row(
    day: date, series: _Series, received: tuple[int, int], holes: Sequence[HoleAccount]
) -> dict[str, object]:
    trades, volume = received
    missing, filled = sum(hole.missing for hole in holes), sum(hole.filled for hole in holes)
    traded = volume + max(sum(hole.volume for hole in holes), filled)
    reasons = Counter(hole.reason for hole in holes)
    return {
        "trading_day": day,
        **dict(zip(("symbol", "venue", "session"), series, strict=True)),
        "trades": trades,
        "volume": volume,
        "holes": len(holes),
        "hole_volume": sum(hole.volume for hole in holes),
        "backfilled_trades": sum(hole.filled_trades for hole in holes),
        "backfilled_volume": filled,
        "missing_volume": missing,
        "explained_volume": sum(hole.explained for hole in holes),
        "coverage": 1 - missing / traded if traded else None,
        "first_hole_at": min((hole.began for hole in holes), default=None),
        "last_hole_at": max((hole.ended for hole in holes), default=None),
        "reasons": ", ".join(f"{reason} {number}" for reason, number in sorted(reasons.items())),
    }


def _began(row: Mapping[str, object]) -> datetime:
    return _instant(row["started_at"] or row["received_at"])


def _ended(row: Mapping[str, object]) -> datetime:
    return _instant(row["ended_at"] or row["received_at"])


def _instant(value: object) -> datetime:
    assert isinstance(value, datetime), "the column is an instant"
    return value.astimezone(KST)
