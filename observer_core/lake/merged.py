"""One tape of a day: what was received live, and what was filled in beside it.

Invariant: a trade comes once. Live trades are all there, and one that was sent again counts as one, by the
same rule as in bars; an execution from the broker's list joins them only inside the hole it was asked for,
once however many pages held it, and only where no live trade has its cumulative volume. `source` tells which
is which.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from observer_core.accounting import SESSIONS
from observer_core.lake.readers import scan
from observer_core.lake.schemas import Table
from observer_core.settings.paths import Paths

LIVE, BACKFILL = "live", "backfill"

# Two records of a day that agree in all of these are one trade, sent twice.
SAME_TRADE = ("symbol", "venue", "time", "price", "volume", "cumulative_volume")

_KEY = ("trading_day", "symbol", "venue", "session", "cumulative_volume")
_COLUMNS = ("trading_day", "symbol", "venue", "session", "time", "price", "volume", "cumulative_volume")


def scan_merged_trades(paths: Paths, day: date) -> pl.LazyFrame:
    """Returns the trades of a day with its holes filled as far as the broker served them.

    Args:
        paths: The layout.
        day: Trading day.

    Returns:
        Columns `trading_day`, `symbol`, `venue`, `session` (null where a record does not state it), `time`,
        `price` (KRW), `volume`, `cumulative_volume` (shares), `received_at` and `source` (`live` or
        `backfill`), sorted by symbol, venue, time and cumulative volume.
    """
    return merge_trades(scan(paths, Table.SCALP_TRADES, day), scan(paths, Table.BACKFILL_TRADES, day))


def merge_trades(received: pl.LazyFrame, executions: pl.LazyFrame) -> pl.LazyFrame:
    """Returns the trades of any days, merged (see `scan_merged_trades`), in the order of days.

    Args:
        received: Rows of `scalp_trades`, in the order in which they are stored.
        executions: Rows of `backfill_trades`.
    """
    session = pl.col("market_session").replace_strict(dict(SESSIONS), default=None, return_dtype=pl.String())
    once = received.unique(("trading_day", *SAME_TRADE), keep="first")
    live = once.with_columns(session.alias("session"))
    listed = (
        executions.filter(
            pl.col("cumulative_volume") > pl.col("hole_from_cumulative_volume"),
            pl.col("cumulative_volume") <= pl.col("hole_to_cumulative_volume"),
        )
        .with_columns(pl.col("session").replace("", None))
        .sort("epoch", "frame", "record")
        .unique(list(_KEY), keep="first", maintain_order=True)
        .join(live.select(_KEY), on=list(_KEY), how="anti", nulls_equal=True)
    )
    parts = [
        part.select(*_COLUMNS, "received_at", pl.lit(source).alias("source"))
        for part, source in ((live, LIVE), (listed, BACKFILL))
    ]
    return pl.concat(parts).sort("trading_day", "symbol", "venue", "time", "cumulative_volume")
