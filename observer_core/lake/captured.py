"""What the lake holds of each symbol's day on each venue, for the comparison with the broker's figures.

Invariant: each trade counts once, live or filled in; what is missing is what cumulative volumes leave out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

import polars as pl

from observer_core.accounting.compared import CapturedDay, Span
from observer_core.lake.merged import SAME_TRADE, scan_merged_trades
from observer_core.lake.merging import CHUNK_ROWS, symbol_ranges
from observer_core.settings.paths import Paths

_EVENING = "after_market"
_PAIR = ("symbol", "venue")
_NANOSECONDS = 1_000_000_000


def captured_days(paths: Paths, day: date) -> list[CapturedDay]:
    """Returns what the lake holds of each symbol's day on each venue, in order."""
    trades = scan_merged_trades(paths, day)
    totals: Sequence[tuple[str, int]] = trades.group_by("symbol").len().collect().rows()
    found = []
    for first, last in symbol_ranges(dict(totals), CHUNK_ROWS):
        some = trades.filter(pl.col("symbol").is_between(pl.lit(first), pl.lit(last)))
        found += _captured_of(some.collect())
    return sorted(found, key=lambda one: (one.symbol, one.venue))


def _captured_of(trades: pl.DataFrame) -> list[CapturedDay]:
    once = trades.unique(SAME_TRADE, keep="first").sort(*_PAIR, "time", "cumulative_volume")
    before = pl.col("cumulative_volume").shift(1).over(_PAIR)
    once = once.with_columns(before.alias("before"), pl.col("session").shift(1).over(_PAIR).alias("earlier"))
    # Figures that fall with the begin of another session have begun anew (reference, 8.1).
    anew = (pl.col("cumulative_volume") < pl.col("before")) & (pl.col("session") != pl.col("earlier"))
    once = once.with_columns(
        anew.fill_null(value=False).alias("anew"), (pl.col("session") == _EVENING).alias("evening")
    )
    found = []
    for (symbol, venue), rows in once.partition_by(_PAIR, as_dict=True, maintain_order=True).items():
        found.append(_captured(str(symbol), str(venue), rows))
    return found


def _captured(symbol: str, venue: str, rows: pl.DataFrame) -> CapturedDay:
    regular = rows.filter(~pl.col("evening").fill_null(value=False))
    in_session = regular.filter(pl.col("session") != "pre_market")
    start = pl.when(pl.col("anew")).then(0).otherwise(pl.col("before")).fill_null(0)
    steps = rows.select(
        start.alias("low"), (pl.col("cumulative_volume") - pl.col("volume")).alias("high")
    ).with_row_index()
    broken = steps.filter(pl.col("low") < pl.col("high"))
    first = broken.filter(pl.col("index") == 0)
    within = broken.filter(pl.col("index") > 0)
    return CapturedDay(
        symbol=symbol,
        venue=venue,
        captured=_whole(rows["volume"].cast(pl.Int128).sum()),
        value=_whole((rows["price"].cast(pl.Int128) * rows["volume"]).sum()),
        total=_total(rows),
        before_evening=_total(regular) if regular.height else 0,
        first=Span(*first.select("low", "high").row(0)) if first.height else None,
        breaks=[Span(low, high) for low, high in within.select("low", "high").rows()],
        overlapping=-int(steps.select((pl.col("high") - pl.col("low")).clip(upper_bound=0).sum()).item()),
        first_ns=_instant_ns(rows["time"][0]),
        last_ns=_instant_ns(rows["time"][-1]),
        open_price=rows["price"][0],
        regular_open=in_session["price"][0] if in_session.height else None,
        high_price=_whole(rows["price"].max()),
        low_price=_whole(rows["price"].min()),
        high_before_evening=_whole(regular["price"].max()) if regular.height else None,
        low_before_evening=_whole(regular["price"].min()) if regular.height else None,
        close_price=regular["price"][-1] if regular.height else None,
        last_price=rows["price"][-1],
    )


def _total(rows: pl.DataFrame) -> int:
    """Returns the cumulative volume at the end, and what every restart has left behind."""
    left_behind = rows.filter(pl.col("anew"))["before"].sum()
    return int(rows["cumulative_volume"][-1]) + int(left_behind or 0)


def _whole(value: object) -> int:
    assert isinstance(value, int), "a symbol here has trades, and each has a price and a volume"
    return value


def _instant_ns(moment: datetime) -> int:
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()) * _NANOSECONDS
