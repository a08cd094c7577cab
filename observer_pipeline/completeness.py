"""A day's account of shares as a person reads it: a symbol a line, the worst first.

Invariant: the figures are sums of the lake's table `completeness`; nothing is counted a second time. The code
location is loaded without this module: it needs polars.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from observer_core.lake.completeness import Completeness
from observer_core.lake.hole_accounts import HoleAccount

_MINUTES_OF_AN_HOUR = 60


@dataclass(frozen=True, slots=True)
class SymbolCompleteness:
    """One symbol's day, over all venues and sessions; shares.

    Attributes:
        symbol: The symbol.
        captured: Shares of the trades received.
        missed: Shares traded in holes.
        filled: Shares of them that were asked for later.
        missing: Shares that nobody has.
        minutes: Minutes of the day that holes reach into.
    """

    symbol: str
    captured: int
    missed: int = 0
    filled: int = 0
    missing: int = 0
    minutes: tuple[int, ...] = ()


def by_symbol(found: Completeness) -> list[SymbolCompleteness]:
    """Returns a day's account by symbol: most missing first, then most missed, then most traded."""
    holes: dict[str, list[HoleAccount]] = defaultdict(list)
    for hole in found.holes:
        holes[hole.symbol].append(hole)
    columns = ("volume", "hole_volume", "backfilled_volume", "missing_volume")
    sums = found.rows.group_by("symbol").agg(pl.col(columns).sum())
    symbols = [
        SymbolCompleteness(symbol, captured, missed, filled, missing, _minutes_of(holes[symbol]))
        for symbol, captured, missed, filled, missing in sums.select("symbol", *columns).rows()
    ]
    return sorted(symbols, key=lambda one: (-one.missing, -one.missed, -one.captured, one.symbol))


def _minutes_of(holes: Sequence[HoleAccount]) -> tuple[int, ...]:
    return tuple(sorted({minute for hole in holes for minute in _minutes(hole.began, hole.ended)}))


def _minutes(first: datetime, last: datetime) -> range:
    if first.date() != last.date():
        first = last
    return range(
        first.hour * _MINUTES_OF_AN_HOUR + first.minute, last.hour * _MINUTES_OF_AN_HOUR + last.minute + 1
    )
