"""Holes and gaps, from the collector's control records to rows.

Invariant: the payload of each stays in `details` as it was written, so that a key this version does
not know is not lost.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from observer_core.lake.columns import ColumnType
from observer_core.lake.parsing import Parsed, received_at, reject_all
from observer_core.lake.schemas import SCHEMAS, Table

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Column -> key of the payload (observer_core.accounting.continuity.Hole, and the collector's gaps).
_KEYS = {
    "symbol": "symbol",
    "channel": "channel",
    "started_at": "last_good_ns",
    "ended_at": "first_seen_ns",
    "phase": "phase",
    "cause": "cause",
    "from_cumulative_volume": "from_cumulative",
    "to_cumulative_volume": "to_cumulative",
    "missing_volume": "shares",
    "missing_value": "value",
    "missing_trades": "trades",
    "missing_sell_trades": "sell_trades",
    "missing_buy_trades": "buy_trades",
    "missing_sell_volume": "sell_volume",
    "missing_buy_volume": "buy_volume",
}


def parse(envelopes: pl.DataFrame, day: date) -> Parsed:
    """Converts control records that tell of a hole or a gap.

    Args:
        envelopes: Their envelopes; `kind` is `hole` or `gap`, the payload a JSON object.
        day: Receive day, Korean time.
    """
    schema = SCHEMAS[Table.GAPS]
    objects = [_object(payload) for payload in envelopes["payload"]]
    readable = pl.Series([found is not None for found in objects], dtype=pl.Boolean)
    rows = envelopes.filter(readable)
    values = [found for found in objects if found is not None]
    columns = [
        pl.Series(
            column,
            [_value(schema.polars[column], found.get(key)) for found in values],
            dtype=schema.polars[column],
        )
        for column, key in _KEYS.items()
    ]
    rows = rows.with_columns(
        *columns,
        pl.lit(day).alias("trading_day"),
        pl.col("payload").alias("details"),
        received_at(),
    ).with_columns(pl.col("symbol", "channel").fill_null(""))
    return Parsed(
        rows.select(schema.polars.names()), reject_all(envelopes.filter(~readable), "payload_not_json")
    )


def _object(payload: str) -> dict[str, Any] | None:
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _value(dtype: pl.DataType, value: object) -> object:
    """Returns a value of the payload if it has the column's type."""
    if dtype == ColumnType.TEXT.polars:
        return value if isinstance(value, str) else None
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**63) <= value < 2**63:
        return None
    if dtype == ColumnType.INSTANT.polars:
        return _UNIX_EPOCH + timedelta(microseconds=value // 1000)
    return value
