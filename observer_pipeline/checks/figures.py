"""Figures about a day of a table, counted from its Parquet files.

Invariant: each function reads only the columns that it needs. The code location is loaded without this
module: it needs polars and pyarrow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from observer_core.clock.base import KST
from observer_core.lake.merging import CHUNK_ROWS, symbol_ranges
from observer_core.market.calendar import MarketCalendar, Phase
from observer_pipeline.checks.rules.tape import Gap, Hole, PriceCount, PriceRange, StepBack
from observer_pipeline.partitions import TIME_ZONE

_OF_SYMBOL = ("symbol", "venue")
_RECEIVED = ("received_at", "shard", "epoch", "frame", "record")
_SAME_TRADE = ("symbol", "venue", "time", "price", "volume", "cumulative_volume")


def rows_by_hour(rows: pl.LazyFrame, *, of: str = "received_at") -> Mapping[int, int]:
    """Returns hour in Korean time -> rows.

    Args:
        rows: The table.
        of: The instant that counts.
    """
    hour = pl.col(of).dt.convert_time_zone(TIME_ZONE).dt.hour().cast(pl.Int64)
    return dict(rows.group_by(hour.alias("hour")).len().collect().rows())


def rows_by_minute(rows: pl.LazyFrame) -> Mapping[int, int]:
    """Returns receive minute of the day in Korean time -> rows."""
    local = pl.col("received_at").dt.convert_time_zone(TIME_ZONE)
    minute = local.dt.hour().cast(pl.Int64) * 60 + local.dt.minute().cast(pl.Int64)
    return dict(rows.group_by(minute.alias("minute")).len().collect().rows())


def minutes_traded(bars: pl.LazyFrame, *, most: int) -> Mapping[str, list[int]]:
    """Returns symbol -> minutes of the day with a bar, the symbols with most trades first."""
    local = pl.col("minute").dt.convert_time_zone(TIME_ZONE)
    minute = local.dt.hour().cast(pl.Int64) * 60 + local.dt.minute().cast(pl.Int64)
    grouped = bars.group_by("symbol").agg(minute.unique().alias("minutes"), pl.col("trade_count").sum())
    busiest = grouped.sort("trade_count", "symbol", descending=[True, False]).head(most)
    return {symbol: minutes for symbol, minutes, _ in busiest.collect().rows()}


def price_ranges(trades: pl.LazyFrame) -> list[PriceRange]:
    """Returns the extreme prices of each symbol's trades."""
    price = pl.col("price")
    found = trades.group_by("symbol").agg(price.min().alias("lowest"), price.max().alias("highest"))
    return [PriceRange(*row) for row in found.sort("symbol").collect().rows()]


def price_counts(trades: pl.LazyFrame) -> list[PriceCount]:
    """Returns each price of each symbol with its number of trades."""
    return [PriceCount(*row) for row in trades.group_by("symbol", "price").len().collect().rows()]


def steps_back(trades: pl.LazyFrame) -> tuple[list[StepBack], int]:
    """Returns the trades at which a symbol's cumulative volume falls, and the number of all trades."""
    before = pl.col("cumulative_volume").shift(1).over(*_OF_SYMBOL)
    falling: list[pl.DataFrame] = []
    looked_at = 0
    for part in _by_symbols(trades.select(*_OF_SYMBOL, *_RECEIVED, "cumulative_volume")):
        rows = part.sort(*_OF_SYMBOL, *_RECEIVED).with_columns(before.alias("before"))
        falling.append(rows.filter(pl.col("cumulative_volume") < pl.col("before")))
        looked_at += rows.height
    calendar = MarketCalendar()
    return [
        StepBack(
            symbol=row["symbol"],
            venue=row["venue"],
            at=_korean(row["received_at"]),
            phase=calendar.phase(row["received_at"]),
            before=row["before"],
            after=row["cumulative_volume"],
        )
        for rows in falling
        for row in rows.iter_rows(named=True)
    ], looked_at


def holes(gaps: pl.LazyFrame) -> list[Hole]:
    """Returns the breaks of continuity that the collector has measured."""
    found = gaps.filter(pl.col("kind") == "hole").collect()
    return [
        Hole(
            symbol=row["symbol"],
            at=_korean(row["ended_at"] or row["received_at"]),
            phase=Phase(row["phase"]),
            missing_volume=row["missing_volume"] or 0,
        )
        for row in found.iter_rows(named=True)
    ]


def gaps(rows: pl.LazyFrame) -> list[Gap]:
    """Returns the intervals without data that the collector has noticed."""
    found = rows.filter(pl.col("kind") == "gap").collect()
    return [
        Gap(
            symbol=row["symbol"],
            channel=row["channel"],
            begins=_korean(row["started_at"] or row["received_at"]),
            ends=_korean(row["ended_at"] or row["received_at"]),
            cause=row["cause"] or "",
        )
        for row in found.iter_rows(named=True)
    ]


def volumes(rows: pl.LazyFrame) -> Mapping[str, int]:
    """Returns symbol -> shares."""
    return dict(rows.group_by("symbol").agg(pl.col("volume").sum()).collect().rows())


def distinct_volumes(trades: pl.LazyFrame) -> Mapping[str, int]:
    """Returns symbol -> shares of its trades, each counted once.

    Two records that agree in time, price, volume and cumulative volume are one trade that was sent again.
    """
    shares: dict[str, int] = {}
    for part in _by_symbols(trades.select(_SAME_TRADE)):
        shares |= volumes(part.unique().lazy())
    return shares


def columns_of(files: Iterable[Path]) -> Mapping[str, Mapping[str, str]]:
    """Returns file -> its columns and their types, as its footer tells."""
    return {str(path): type_names(pq.read_schema(path)) for path in files}


def type_names(schema: pa.Schema) -> Mapping[str, str]:
    """Returns column -> its type, without the name of a list's items: files and memory differ in it."""
    return {field.name: _type_name(field.type) for field in schema}


def _type_name(kind: pa.DataType) -> str:
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return f"list<{kind.value_type}>" if is_list else str(kind)


def _by_symbols(rows: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Yields a table some symbols at a time: a day of trades in one piece would need half a gigabyte."""
    counts = dict(rows.group_by("symbol").len().collect().rows())
    for first, last in symbol_ranges(counts, CHUNK_ROWS):
        yield rows.filter(pl.col("symbol").is_between(pl.lit(first), pl.lit(last))).collect()


def _korean(instant: datetime) -> str:
    return instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(KST).strftime("%H:%M:%S.%f")[:-3]
