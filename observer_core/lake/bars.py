"""One-minute bars from trades.

Invariant: the bars of a day are made from all trades of the day that the lake holds, whatever receive
hour they came in, each trade once: a trade that was sent again counts as one. The volume of a day's
bars is the volume of its distinct trades.

A minute is one of the exchange's time. Sessions are kept apart: an auction's single price is no price
of continuous trading. Which session a trade belongs to is told by the broker's market session (since
2026-09-14) and else by the exchange's hours (broker reference, 7.2 and 8.1); a trade of continuous
trading without a side (neither 1 nor 5) is one of an auction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path

import polars as pl

from observer_core.brokers.kis.catalogue import Venue
from observer_core.errors import InputError
from observer_core.lake import readers, receipts
from observer_core.lake.merged import SAME_TRADE
from observer_core.lake.merging import CHUNK_ROWS, symbol_ranges
from observer_core.lake.ordering import in_order
from observer_core.lake.parquet import TableWriter, read_sources
from observer_core.lake.schemas import SCHEMAS, Table
from observer_core.lake.storage import LakeStorage, exclusive, work_folder
from observer_core.market.calendar import MarketCalendar, Session
from observer_core.settings.paths import Paths

_BUY, _SELL = "1", "5"
_USED = ("symbol", "venue", "time", "price", "volume", "cumulative_volume", "side", "market_session")
_SUMS = ("volume", "value", "buy_volume", "sell_volume")
_BAR = ("symbol", "venue", "minute", "session")


class BarSession(StrEnum):
    """The sessions that bars keep apart."""

    PRE_MARKET = "pre_market"
    REGULAR = "regular"
    AUCTION = "auction"
    CLOSING_PRICE = "closing_price"
    AFTER_MARKET = "after_market"


# MARKET_CLS_CODE (broker reference, 7.2); 2 is the whole regular session, auctions included.
_TOLD = {"1": BarSession.PRE_MARKET, "3": BarSession.AFTER_MARKET, "5": BarSession.CLOSING_PRICE}


@dataclass(frozen=True, slots=True)
class BarsResult:
    """What building a day's bars did.

    Attributes:
        path: The file; None where the day has no trades.
        rows: Bars.
        trades: Distinct trades in them.
        repeated: Trades left out because they were sent again.
    """

    path: Path | None
    rows: int
    trades: int
    repeated: int


def build_bars(
    paths: Paths, day: date, *, calendar: MarketCalendar | None = None, storage: LakeStorage | None = None
) -> BarsResult:
    """Makes the bars of a day from the trades that the lake holds now.

    Args:
        paths: The layout.
        day: Trading day; its file is that of a closed day once the day is closed.
        calendar: The exchange's hours.
        storage: The disk.
    """
    with exclusive(paths.lake_lock(day)):
        closed = receipts.is_closed(paths, day)
        target = (paths.lake_day if closed else paths.lake_so_far)(Table.BARS_1M, day)
        return build_bars_locked(paths, day, target, calendar or MarketCalendar(), storage or LakeStorage())


def build_bars_locked(
    paths: Paths, day: date, target: Path, calendar: MarketCalendar, storage: LakeStorage
) -> BarsResult:
    """Does the work of `build_bars` under the day's lock, into a given file."""
    hours = calendar.session(day) if calendar.is_trading_day(day) else None
    files = readers.table_files(paths, Table.SCALP_TRADES, day)
    if not files:
        storage.remove(target)
        return BarsResult(None, 0, 0, 0)
    schema = SCHEMAS[Table.BARS_1M]
    trades = readers.scan(paths, Table.SCALP_TRADES, day)
    stored = distinct = 0
    bars = [schema.empty()]
    for chunk in by_symbols(trades):
        once = distinct_trades(chunk)
        stored, distinct = stored + chunk.height, distinct + once.height
        bars.append(minute_bars(once, day, hours))
    rows = in_order(pl.concat(bars), schema.sort_key)
    with work_folder(paths.lake_work(day)) as work:
        source = work / "bars.parquet"
        made_from = [trade_source for path in files for trade_source in read_sources(path)]
        with TableWriter(source, schema) as writer:
            writer.write(rows)
            writer.name_sources(made_from)
        storage.publish(source, target)
    return BarsResult(target, rows.height, distinct, stored - distinct)


def bars_are_current(paths: Paths, day: date) -> bool:
    """Returns whether a day's bars were made from the trades that the lake holds now."""
    trades = readers.sources(paths, Table.SCALP_TRADES, day)
    return readers.sources(paths, Table.BARS_1M, day) == trades


def distinct_trades(trades: pl.DataFrame) -> pl.DataFrame:
    """Returns trades without those that were sent again, in the exchange's order within a symbol.

    The cumulative volume orders the trades of one second (broker reference, 6.5).
    """
    return trades.unique(SAME_TRADE, keep="first", maintain_order=True).sort(
        "symbol", "venue", "time", "cumulative_volume", maintain_order=True
    )


def minute_bars(trades: pl.DataFrame, day: date, hours: Session | None) -> pl.DataFrame:
    """Returns the bars of trades.

    Args:
        trades: Distinct trades in the exchange's order (see `distinct_trades`).
        day: Their trading day.
        hours: The hours of the exchange; None on a day that the calendar takes for closed.

    Returns:
        One row for each symbol, venue, minute and session with trades; columns of `bars_1m`.

    Raises:
        InputError: A bar's sums are beyond its columns.
    """
    price, side = pl.col("price"), pl.col("side")
    volume = pl.col("volume").cast(pl.Int128)
    schema = SCHEMAS[Table.BARS_1M].polars
    grouped = (
        trades.with_columns(
            pl.col("time").dt.truncate("1m").alias("minute"), session_of(hours).alias("session")
        )
        .group_by(_BAR, maintain_order=True)
        .agg(
            price.first().alias("open_price"),
            price.max().alias("high_price"),
            price.min().alias("low_price"),
            price.last().alias("close_price"),
            volume.sum().alias("volume"),
            (price * volume).sum().alias("value"),
            pl.len().cast(pl.Int64).alias("trade_count"),
            volume.filter(side == _BUY).sum().alias("buy_volume"),
            volume.filter(side == _SELL).sum().alias("sell_volume"),
        )
    )
    grouped = _fitted(grouped)
    vwap = pl.when(pl.col("volume") > 0).then(pl.col("value") / pl.col("volume"))
    return grouped.with_columns(vwap.alias("vwap"), pl.lit(day).alias("trading_day")).select(schema.names())


def _fitted(bars: pl.DataFrame) -> pl.DataFrame:
    """Returns bars with their sums, made in 128 bits, in the 64 of their columns.

    Raises:
        InputError: One does not fit.
    """
    fitted = bars.with_columns(pl.col(_SUMS).cast(pl.Int64, strict=False))
    beyond = fitted.filter(pl.any_horizontal(pl.col(_SUMS).is_null()))
    if beyond.is_empty():
        return fitted
    symbol, venue, minute = beyond.select("symbol", "venue", "minute").row(0)
    raise InputError(
        f"The trades of {symbol} on {venue} in the minute of {minute} add up to more than bars_1m can hold.",
        remedy="Their prices or volumes cannot be true: look at them in scalp_trades. Compacted anew, a "
        "trade with such a figure is set aside, with its reason.",
    )


def session_of(hours: Session | None) -> pl.Expr:
    """Returns the session of a trade, of rows with `venue`, `time`, `side` and `market_session`.

    Args:
        hours: The hours of the exchange; None on a day that the calendar takes for closed.
    """
    told = pl.col("market_session").replace_strict(_TOLD, default=None, return_dtype=pl.String)
    sided = pl.col("side").is_in([_BUY, _SELL])
    continuous = pl.when(sided).then(pl.lit(BarSession.REGULAR)).otherwise(pl.lit(BarSession.AUCTION))
    if hours is None:
        return pl.coalesce(told, continuous)
    time = pl.col("time")
    evening = BarSession.AFTER_MARKET if hours.after_market_from else BarSession.CLOSING_PRICE
    evening_from = hours.at(hours.after_market_from or hours.off_hours_to)
    # NXT has no auctions at the close and no trades at the closing price.
    nxt_evening = (pl.col("venue") == Venue.NXT) & (time >= hours.at(hours.closes))
    by_time = (
        pl.when(time < hours.at(hours.opens))
        .then(pl.lit(BarSession.PRE_MARKET))
        .when(nxt_evening)
        .then(pl.lit(BarSession.AFTER_MARKET))
        .when(time < hours.at(hours.closing_auction_from))
        .then(continuous)
        .when(time < hours.at(hours.off_hours_from))
        .then(pl.lit(BarSession.AUCTION))
        .when(time < evening_from)
        .then(pl.lit(BarSession.CLOSING_PRICE))
        .otherwise(pl.lit(evening))
    )
    return pl.coalesce(told, by_time)


def by_symbols(trades: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Yields what bars need of the trades, some symbols at a time."""
    counts = trades.group_by("symbol").len().collect()
    totals: Sequence[tuple[str, int]] = counts.rows()
    for first, last in symbol_ranges(dict(totals), CHUNK_ROWS):
        yield trades.filter(pl.col("symbol").is_between(pl.lit(first), pl.lit(last))).select(_USED).collect()
