"""Figures about a day of a table, counted from its Parquet files.

Invariant: each function reads only the columns that it needs. The code location is loaded without this
module: it needs polars and pyarrow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from observer_core.clock.base import KST
from observer_core.market.calendar import MarketCalendar, Phase
from observer_pipeline.checks.rules.tape import Gap, Hole, PriceRange, StepBack
from observer_pipeline.partitions import TIME_ZONE

_MOST_OFFENDERS = 1_000


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


def steps_back(trades: pl.LazyFrame) -> tuple[list[StepBack], int]:
    """Returns the trades at which a symbol's cumulative volume falls, and the number of all trades."""
    of_symbol = ("symbol", "venue")
    received = ("received_at", "shard", "epoch", "frame", "record")
    ordered = trades.select(*of_symbol, *received, "time", "cumulative_volume").sort(*of_symbol, *received)
    before = pl.col("cumulative_volume").shift(1).over(of_symbol)
    rows = ordered.with_columns(before.alias("before")).collect()
    falling = rows.filter(pl.col("cumulative_volume") < pl.col("before")).head(_MOST_OFFENDERS)
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
        for row in falling.iter_rows(named=True)
    ], rows.height


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
    identity = ("symbol", "venue", "time", "price", "volume", "cumulative_volume")
    return volumes(trades.select(identity).unique())


def columns_of(files: Iterable[Path]) -> Mapping[str, Mapping[str, str]]:
    """Returns file -> its columns and their types, as its footer tells."""
    return {str(path): type_names(pq.read_schema(path)) for path in files}


def type_names(schema: pa.Schema) -> Mapping[str, str]:
    """Returns column -> its type, without the name of a list's items: files and memory differ in it."""
    return {field.name: _type_name(field.type) for field in schema}


def _type_name(kind: pa.DataType) -> str:
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return f"list<{kind.value_type}>" if is_list else str(kind)


def _korean(instant: datetime) -> str:
    return instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(KST).strftime("%H:%M:%S.%f")[:-3]
