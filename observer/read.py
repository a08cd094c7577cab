"""Reading the lake, for people who work with the data.

Invariant: an open day and a closed one read alike, each row once, also where the day is closed between the
question and its answer; nothing is looked for or read before rows are asked for, and of a file only the
columns and row groups that the question needs.

    from observer import read

    read.trades("2026-09-15", "005930").collect()                         # live and backfilled, `source` says
    read.bars(("2026-09-01", "2026-09-30"), ["005930", "000660"])         # a LazyFrame of polars
    read.coverage("2026-09-15").sort("missing_volume").collect()          # what is known to be missing

Where the lake is, the environment tells (`OBSERVER_DATA_DIR`, see `.env.example`);
`read.at("var/demo/runtime/data")` gives the same functions for the data of another folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from observer.read_arguments import Days, Symbols, WantedDays, wanted_days, wanted_symbols, wanted_table
from observer_core.errors import ConfigurationError
from observer_core.lake import readers
from observer_core.lake.merged import merge_trades
from observer_core.lake.schemas import Table
from observer_core.settings import Paths, PathSettings


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
            days: A day, a pair of first and last day, or any days: a list, a set, a generator.
            symbols: A symbol or some; all where None.

        Returns:
            `trading_day`, `symbol`, `venue`, `session`, `time`, `price` (KRW), `volume`, `cumulative_volume`
            (shares), `received_at`, `source` (`live` or `backfill`); a day after the other, in it by symbol,
            venue, time and cumulative volume.

        Raises:
            InputError: A day is no day, or a symbol no text. Collecting raises StorageError where a file of
                the lake is damaged.
        """
        wanted, some = wanted_days(days), wanted_symbols(symbols)
        received = self._rows(Table.SCALP_TRADES, wanted, some)
        return merge_trades(received, self._rows(Table.BACKFILL_TRADES, wanted, some))

    def quotes(self, days: Days, symbols: Symbols = None) -> pl.LazyFrame:
        """Returns order books of ten levels; columns of `scalp_quotes`. Arguments as of `trades`."""
        return self.table(Table.SCALP_QUOTES, days, symbols)

    def bars(self, days: Days, symbols: Symbols = None) -> pl.LazyFrame:
        """Returns one-minute bars; columns of `bars_1m`. Arguments as of `trades`."""
        return self.table(Table.BARS_1M, days, symbols)

    def table(self, table: Table | str, days: Days, symbols: Symbols = None) -> pl.LazyFrame:
        """Returns rows of any table of the lake with all its columns. Days and symbols as of `trades`."""
        return self._rows(wanted_table(table), wanted_days(days), wanted_symbols(symbols))

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

    def _rows(self, table: Table, days: WantedDays, symbols: frozenset[str] | None) -> pl.LazyFrame:
        rows = readers.scan_days(self.paths, table, lambda: [day for day in self.days(table) if day in days])
        return _of(rows, symbols)


def at(folder: str | Path) -> Lake:
    """Returns the lake of a data folder.

    Args:
        folder: What `OBSERVER_DATA_DIR` names where the data were recorded, such as `var/demo/runtime/data`.

    Raises:
        ConfigurationError: There is no such folder, or it has no lake.
    """
    lake = Lake(Paths.of_data(Path(folder)))
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


def _of(rows: pl.LazyFrame, symbols: frozenset[str] | None) -> pl.LazyFrame:
    if symbols is None:
        return rows
    if len(symbols) == 1:
        return rows.filter(pl.col("symbol") == next(iter(symbols)))
    return rows.filter(pl.col("symbol").is_in(sorted(symbols)))
