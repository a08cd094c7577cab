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
from datetime import date
from pathlib import Path

import polars as pl

from observer_core.lake import receipts
from observer_core.lake.bars import BarSession, by_symbols, distinct_trades, session_of
from observer_core.lake.hole_accounts import HoleAccount, hole_accounts
from observer_core.lake.ordering import in_order
from observer_core.lake.parquet import TableWriter
from observer_core.lake.readers import scan
from observer_core.lake.schemas import SCHEMAS, Table
from observer_core.lake.storage import LakeStorage, exclusive, work_folder
from observer_core.lake.unrecorded import DayEnds, day_ends
from observer_core.market.calendar import MarketCalendar, Session
from observer_core.settings.paths import Paths

_Series = tuple[str, str, str]


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
        holes = hole_accounts(paths, day, hours, ends.lost)
        rows = _table(_received(paths, day, hours), holes, day)
        closed = receipts.is_closed(paths, day)
        target = (paths.lake_day if closed else paths.lake_so_far)(Table.COMPLETENESS, day)
        if rows.is_empty():
            disk.remove(target)
            return Completeness(rows, holes, None, apart, ends.measured)
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
