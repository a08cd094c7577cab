"""How much of what was traded Observer has: captured, filled in later, and missing, for each symbol.

Invariant: captured are the shares of the trades that were received, each once; a hole is what the broker's
cumulative volume says was traded in between; filled are the trades inside of holes that were asked for later
and not received live. What is left is missing, with the reasons of its holes. The code location is loaded
without this module: it needs polars.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from observer_core.clock.base import KST
from observer_core.lake.merged import BACKFILL, merge_trades
from observer_core.lake.readers import scan
from observer_core.lake.schemas import Table
from observer_core.settings.paths import Paths
from observer_pipeline.checks import figures

UNEXPLAINED = "unexplained"
_MINUTES_OF_AN_HOUR = 60


@dataclass(frozen=True, slots=True)
class SymbolCompleteness:
    """One symbol's day, over all venues; shares.

    Attributes:
        symbol: The symbol.
        captured: Shares of the trades received.
        holes: Breaks of continuity.
        missed: Shares traded in them.
        filled: Shares of them that were asked for later.
        first_hole: When the first one began, Korean time; empty without one.
        last_hole: When the last one ended.
        reasons: Reason -> holes.
        minutes: Minutes of the day that holes reach into.
    """

    symbol: str
    captured: int
    holes: int = 0
    missed: int = 0
    filled: int = 0
    first_hole: str = ""
    last_hole: str = ""
    reasons: Mapping[str, int] | None = None
    minutes: tuple[int, ...] = ()

    @property
    def missing(self) -> int:
        """Shares that nobody has."""
        return max(self.missed - self.filled, 0)

    @property
    def share(self) -> float:
        """What is there of what was traded, 0 to 1."""
        traded = self.captured + self.missed
        return 1.0 if not traded else 1 - self.missing / traded


def completeness_of(paths: Paths, day: date) -> list[SymbolCompleteness]:
    """Returns the completeness of every symbol with trades or holes, the worst first.

    Args:
        paths: The layout.
        day: The trading day.
    """
    trades, gaps = scan(paths, Table.SCALP_TRADES, day), scan(paths, Table.GAPS, day)
    rows = gaps.filter(pl.col("kind").is_in(["hole", "gap"])).collect().to_dicts()
    holes = [row for row in rows if row["kind"] == "hole"]
    outages = [row for row in rows if row["kind"] == "gap"]
    with_holes = sorted({row["symbol"] for row in holes})
    filled: dict[str, int] = {}
    if with_holes:
        live = trades.filter(pl.col("symbol").is_in(with_holes))
        merged = merge_trades(live, scan(paths, Table.BACKFILL_TRADES, day))
        filled = dict(figures.volumes(merged.filter(pl.col("source") == BACKFILL)))
    captured = figures.distinct_volumes(trades)
    found = [
        _completeness(symbol, captured.get(symbol, 0), filled.get(symbol, 0), holes, outages)
        for symbol in sorted(captured.keys() | set(with_holes))
    ]
    return sorted(found, key=lambda one: (-one.missing, -one.missed, -one.captured, one.symbol))


def _completeness(
    symbol: str,
    captured: int,
    filled: int,
    holes: Iterable[Mapping[str, object]],
    outages: Sequence[Mapping[str, object]],
) -> SymbolCompleteness:
    own = [hole for hole in holes if hole["symbol"] == symbol]
    if not own:
        return SymbolCompleteness(symbol, captured)
    spans = [(_began(hole), _ended(hole)) for hole in own]
    return SymbolCompleteness(
        symbol=symbol,
        captured=captured,
        holes=len(own),
        missed=sum(_shares(hole) for hole in own),
        filled=filled,
        first_hole=_korean(min(began for began, _ in spans)),
        last_hole=_korean(max(ended for _, ended in spans)),
        reasons=dict(Counter(reason_of(hole, outages) for hole in own)),
        minutes=tuple(sorted({minute for span in spans for minute in _minutes(*span)})),
    )


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


def _shares(hole: Mapping[str, object]) -> int:
    shares = hole["missing_volume"]
    return shares if isinstance(shares, int) else 0


def _began(row: Mapping[str, object]) -> datetime:
    return _instant(row["started_at"] or row["received_at"])


def _ended(row: Mapping[str, object]) -> datetime:
    return _instant(row["ended_at"] or row["received_at"])


def _instant(value: object) -> datetime:
    assert isinstance(value, datetime), "the column is an instant"
    return value


def _minutes(began: datetime, ended: datetime) -> range:
    first, last = (moment.astimezone(KST) for moment in (began, ended))
    if first.date() != last.date():
        first = last
    return range(
        first.hour * _MINUTES_OF_AN_HOUR + first.minute, last.hour * _MINUTES_OF_AN_HOUR + last.minute + 1
    )


def _korean(instant: datetime) -> str:
    return f"{instant.astimezone(KST):%H:%M:%S}"
