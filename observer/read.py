"""Reading the lake, for people who work with the data.

Invariant: an open day and a closed one read alike, each row once; nothing is read before it is asked for,
and of a file only the columns and row groups that the question needs.

    from observer import read

    read.trades("2026-09-15", "005930").collect()                         # live and backfilled, `source` says
    read.bars(("2026-09-01", "2026-09-30"), ["005930", "000660"])         # a LazyFrame of polars
    read.coverage("2026-09-15").sort("missing_volume").collect()          # what is known to be missing

Where the lake is, the environment tells (`OBSERVER_DATA_DIR`, see `.env.example`);
`read.at("var/demo/runtime/data")` gives the same functions for the data of another folder.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TypeAlias

import polars as pl

from observer_core.errors import ConfigurationError
from observer_core.lake import readers
from observer_core.lake.merged import merge_trades
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
        """Returns what of each symbol's trades is there, for each day, venue and session.

        The account is a table of the lake, which the pipeline makes with each compaction; a day that it has
        not accounted for has no rows. Arguments as of `trades`.

        Returns:
            Columns of `completeness`: `trades` and `volume` received, `holes` and `hole_volume` (breaks of
            continuity, and the shares in them), `backfilled_trades` and `backfilled_volume`, `missing_volume`
            (what nobody has), `explained_volume` (of it, with a reason), `coverage` (0 to 1), since when,
            until when and why. Shares. A symbol without trades and holes in a session has no row.
        """
        return self.table(Table.COMPLETENESS, days, symbols)

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
        folder: What `OBSERVER_DATA_DIR` names where the data were recorded, such as `var/demo/runtime/data`.

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
    """Returns what of each symbol's trades is there (see `Lake.coverage`)."""
    return here().coverage(days, symbols)


def _of(rows: pl.LazyFrame, symbols: Symbols) -> pl.LazyFrame:
    if symbols is None:
        return rows
    if isinstance(symbols, str):
        return rows.filter(pl.col("symbol") == symbols)
    return rows.filter(pl.col("symbol").is_in(list(symbols)))


def _day(day: Day) -> date:
    # A `datetime` is a `date` that equals none.
    if isinstance(day, datetime):
        return day.date()
    if isinstance(day, date):
        return day
    try:
        return date.fromisoformat(day)
    except ValueError as error:
        raise ConfigurationError(f"{day!r} is no date.", remedy="Write it as 2026-09-15.") from error
