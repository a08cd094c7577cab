"""Reading the lake, for people who work with the data.

Invariant: an open day and a closed one read alike, each row once; nothing is read before it is asked for,
and of a file only the columns and row groups that the question needs.

    from observer import read

    read.trades("2026-09-15", "005930").collect()                         # live and backfilled, `source` says
    read.bars(("2026-09-01", "2026-09-30"), ["005930", "000660"])         # a LazyFrame of polars
    read.coverage("2026-09-15").sort("missing_volume").collect()          # what is known to be missing

Where the lake is, the environment tells (`OBSERVER_DATA_DIR`, see `.env.example`); `read.at("var/demo/data")`
gives the same functions for the data of another folder.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeAlias

import polars as pl

from observer_core.brokers.kis.catalogue import CHANNELS, Kind
from observer_core.errors import ConfigurationError
from observer_core.lake import readers
from observer_core.lake.merged import BACKFILL, LIVE, merge_trades
from observer_core.lake.schemas import Table
from observer_core.settings import Paths, PathSettings

Day: TypeAlias = date | str
# One day, first and last day of a range, or any list of days.
Days: TypeAlias = Day | tuple[Day, Day] | list[Day]
Symbols: TypeAlias = str | Iterable[str] | None


@dataclass(frozen=True)
class Lake:
    """The tables of one lake.

    Attributes:
        paths: The layout.
    """

    paths: Paths

    def days(self, table: Table = Table.SCALP_TRADES) -> list[date]:
        """Returns the days of which a table has rows, open and closed ones."""
        return readers.table_days(self.paths, table)

    def trades(self, days: Days, symbols: Symbols = None) -> pl.LazyFrame:
        """Returns trades, live and backfilled, each once.

        Args:
            days: A day, a pair of first and last day, or a list of days.
            symbols: A symbol or some; all where None.

        Returns:
            `trading_day`, `symbol`, `venue`, `session`, `time`, `price` (KRW), `volume`, `cumulative_volume`
            (shares), `received_at`, `source` (`live` or `backfill`); a day after the other, in it by symbol,
            venue, time and cumulative volume.

        Raises:
            ConfigurationError: A day is no date.
        """
        received = self.table(Table.SCALP_TRADES, days, symbols)
        return merge_trades(received, self.table(Table.BACKFILL_TRADES, days, symbols))

    def quotes(self, days: Days, symbols: Symbols = None) -> pl.LazyFrame:
        """Returns order books of ten levels; columns of `scalp_quotes`. Arguments as of `trades`."""
        return self.table(Table.SCALP_QUOTES, days, symbols)

    def bars(self, days: Days, symbols: Symbols = None) -> pl.LazyFrame:
        """Returns one-minute bars; columns of `bars_1m`. Arguments as of `trades`."""
        return self.table(Table.BARS_1M, days, symbols)

    def table(self, table: Table, days: Days, symbols: Symbols = None) -> pl.LazyFrame:
        """Returns rows of any table of the lake, with all its columns. Arguments as of `trades`."""
        wanted = self._wanted(days, table)
        files = [file for day in wanted for file in readers.table_files(self.paths, table, day)]
        return _of(readers.scan_files(files, table), symbols)

    def coverage(self, days: Days, symbols: Symbols = None) -> pl.LazyFrame:
        """Returns what is known of the completeness of each symbol's trades on each day and venue.

        Arguments as of `trades`.

        Returns:
            `trading_day`, `symbol`, `venue`, `trades`, `volume` (received live), `backfilled_trades`,
            `backfilled_volume`, `holes` and `hole_volume` (breaks of continuity, and the shares in them),
            `missing_volume` (what of it was not filled), `coverage` (from 0 to 1; null where nothing was
            traded). Shares. A symbol without trades and holes on a day has no row.
        """
        tape = self.trades(days, symbols)
        live, filled = pl.col("source") == LIVE, pl.col("source") == BACKFILL
        volume = pl.col("volume")
        received = tape.group_by(_SERIES).agg(
            live.sum().cast(pl.Int64).alias("trades"),
            volume.filter(live).sum().alias("volume"),
            filled.sum().cast(pl.Int64).alias("backfilled_trades"),
            volume.filter(filled).sum().alias("backfilled_volume"),
        )
        counts = ("trades", "volume", "backfilled_trades", "backfilled_volume", "holes", "hole_volume")
        known = received.join(self._holes(days, symbols), on=_SERIES, how="full", coalesce=True)
        whole = pl.col("volume") + pl.max_horizontal("hole_volume", "backfilled_volume")
        return (
            known.with_columns(pl.col(counts).fill_null(0))
            .with_columns(
                pl.max_horizontal(pl.col("hole_volume") - pl.col("backfilled_volume"), 0).alias(
                    "missing_volume"
                )
            )
            .with_columns(pl.when(whole > 0).then(1 - pl.col("missing_volume") / whole).alias("coverage"))
            .select(*_SERIES, *counts, "missing_volume", "coverage")
            .sort(_SERIES)
        )

    def _holes(self, days: Days, symbols: Symbols) -> pl.LazyFrame:
        """Returns the holes of each series of trades; a hole names the channel, which is one of a venue."""
        return (
            self.table(Table.GAPS, days, symbols)
            .filter(pl.col("kind") == "hole", pl.col("channel").is_in(list(_VENUES)))
            .with_columns(pl.col("channel").replace_strict(_VENUES, return_dtype=pl.String).alias("venue"))
            .group_by(_SERIES)
            .agg(
                pl.len().cast(pl.Int64).alias("holes"),
                pl.col("missing_volume").sum().alias("hole_volume"),
            )
        )

    def _wanted(self, days: Days, table: Table) -> list[date]:
        """Returns the days asked for of which the table has files."""
        there = self.days(table)
        if isinstance(days, tuple):
            first, last = map(_day, days)
            return [day for day in there if first <= day <= last]
        asked = {_day(day) for day in (days if isinstance(days, list) else [days])}
        return [day for day in there if day in asked]


def at(folder: str | Path) -> Lake:
    """Returns the lake of a data folder.

    Args:
        folder: What `OBSERVER_DATA_DIR` names where the data were recorded, such as `var/demo/data`.

    Raises:
        ConfigurationError: There is no such folder, or it has no lake.
    """
    environment = {"OBSERVER_DATA_DIR": str(folder), "OBSERVER_SNAPSHOT_DIR": str(folder)}
    lake = Lake(Paths(PathSettings.load(environment)))
    if not lake.paths.lake.is_dir():
        raise ConfigurationError(
            f"{lake.paths.lake} is not there.",
            remedy="Name the data folder of a deployment; the first compacted hour makes a lake in it.",
        )
    return lake


def here() -> Lake:
    """Returns the lake that the environment names."""
    return Lake(Paths(PathSettings.load()))


def trades(days: Days, symbols: Symbols = None) -> pl.LazyFrame:
    """Returns trades, live and backfilled, each once (see `Lake.trades`)."""
    return here().trades(days, symbols)


def quotes(days: Days, symbols: Symbols = None) -> pl.LazyFrame:
    """Returns order books of ten levels (see `Lake.quotes`)."""
    return here().quotes(days, symbols)


def bars(days: Days, symbols: Symbols = None) -> pl.LazyFrame:
    """Returns one-minute bars (see `Lake.bars`)."""
    return here().bars(days, symbols)


def coverage(days: Days, symbols: Symbols = None) -> pl.LazyFrame:
    """Returns the completeness of each symbol's trades (see `Lake.coverage`)."""
    return here().coverage(days, symbols)


_SERIES = ("trading_day", "symbol", "venue")


_VENUES = {name: str(channel.venue) for name, channel in CHANNELS.items() if channel.kind is Kind.TRADE}


def _of(rows: pl.LazyFrame, symbols: Symbols) -> pl.LazyFrame:
    if symbols is None:
        return rows
    if isinstance(symbols, str):
        return rows.filter(pl.col("symbol") == symbols)
    return rows.filter(pl.col("symbol").is_in(list(symbols)))


def _day(day: Day) -> date:
    if isinstance(day, date):
        return day
    try:
        return date.fromisoformat(day)
    except ValueError as error:
        raise ConfigurationError(f"{day!r} is no date.", remedy="Write it as 2026-09-15.") from error
