"""From which columns each column of a table is made.

Invariant: what is told here is what the code does, and a test compares it with the declared columns: each
column of a table that is made from another table has its origin here, or is said to be new; no column is
named that its table does not have. Columns that come from the broker name its field in their declaration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import dagster as dg

from observer_core.lake.columns import TableSchema
from observer_core.lake.schemas import JOURNAL_TABLES, Table
from observer_pipeline import keys

_Origins = Mapping[str, Sequence[tuple[dg.AssetKey, str]]]
_Rule = Callable[[TableSchema], _Origins]

_TRADES, _GAPS = keys.LAKE[Table.SCALP_TRADES], keys.LAKE[Table.GAPS]
_FILLED, _SWEPT = keys.LAKE[Table.BACKFILL_TRADES], keys.LAKE[Table.SWING_SNAPSHOTS]

# What compaction takes from the envelope; everything else of a row is in the payload.
_OF_ENVELOPE = MappingProxyType(
    {
        "provider": ("provider",),
        "shard": ("shard",),
        "epoch": ("epoch",),
        "frame": ("frame",),
        "record": ("record",),
        "received_at": ("wall_ns",),
        "symbol": ("key",),
        "venue": ("channel",),
        "channel": ("channel",),
        "trading_day": ("wall_ns", "payload"),
        "encoding": ("encoding",),
    }
)
# The name of the file, which is no column of it.
_NEW = frozenset({"segment"})


def column_lineage(key: dg.AssetKey, schema: TableSchema) -> dg.TableColumnLineage | None:
    """Returns where the columns of a table come from; None where it is made from no other table.

    Args:
        key: The asset.
        schema: Its columns.
    """
    rule = _RULES.get(key)
    if rule is None:
        return None
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(asset, name) for asset, name in origins]
            for column, origins in rule(schema).items()
        }
    )


def _journal(*journals: dg.AssetKey) -> _Rule:
    def rule(schema: TableSchema) -> _Origins:
        return {
            column.name: [
                (journal, name)
                for journal in journals
                for name in _OF_ENVELOPE.get(column.name, ("payload",))
            ]
            for column in schema.columns
            if column.name not in _NEW
        }

    return rule


def _same(asset: dg.AssetKey, *, new: frozenset[str] = frozenset(), **renamed: str) -> _Rule:
    """Returns the rule of a table that takes columns of another by name."""

    def rule(schema: TableSchema) -> _Origins:
        names = [column.name for column in schema.columns if column.name not in new]
        return {name: [(asset, renamed.get(name, name))] for name in names}

    return rule


def _of(origins: Mapping[str, Sequence[tuple[dg.AssetKey, str]]]) -> _Rule:
    return lambda _schema: origins


def _columns(asset: dg.AssetKey, *names: str) -> list[tuple[dg.AssetKey, str]]:
    return [(asset, name) for name in names]


_BARS = {
    "trading_day": _columns(_TRADES, "trading_day"),
    "symbol": _columns(_TRADES, "symbol"),
    "venue": _columns(_TRADES, "venue"),
    "minute": _columns(_TRADES, "time"),
    "session": _columns(_TRADES, "market_session", "time", "venue", "side"),
    "open_price": _columns(_TRADES, "price", "time", "cumulative_volume"),
    "high_price": _columns(_TRADES, "price"),
    "low_price": _columns(_TRADES, "price"),
    "close_price": _columns(_TRADES, "price", "time", "cumulative_volume"),
    "volume": _columns(_TRADES, "volume"),
    "value": _columns(_TRADES, "price", "volume"),
    "vwap": _columns(_TRADES, "price", "volume"),
    "trade_count": _columns(_TRADES, "time", "price", "volume", "cumulative_volume"),
    "buy_volume": _columns(_TRADES, "volume", "side"),
    "sell_volume": _columns(_TRADES, "volume", "side"),
}

_SPANS = ("started_at", "ended_at", "received_at")
_COMPLETENESS = {
    "trading_day": [*_columns(_TRADES, "trading_day"), *_columns(_GAPS, "trading_day")],
    "symbol": [*_columns(_TRADES, "symbol"), *_columns(_GAPS, "symbol")],
    "venue": [*_columns(_TRADES, "venue"), *_columns(_GAPS, "channel")],
    "session": [*_columns(_TRADES, "market_session", "time", "venue"), *_columns(_GAPS, "started_at")],
    "trades": _columns(_TRADES, "time", "price", "volume", "cumulative_volume"),
    "volume": _columns(_TRADES, "volume"),
    "holes": _columns(_GAPS, "kind"),
    "hole_volume": _columns(_GAPS, "missing_volume"),
    "backfilled_trades": _columns(_FILLED, "cumulative_volume"),
    "backfilled_volume": _columns(_FILLED, "volume"),
    "missing_volume": [*_columns(_GAPS, "missing_volume"), *_columns(_FILLED, "volume")],
    "explained_volume": [*_columns(_GAPS, "missing_volume", "cause"), *_columns(_FILLED, "volume")],
    "coverage": [
        *_columns(_TRADES, "volume"), *_columns(_GAPS, "missing_volume"), *_columns(_FILLED, "volume")
    ],
    "first_hole_at": _columns(_GAPS, "started_at", "received_at"),
    "last_hole_at": _columns(_GAPS, "ended_at", "received_at"),
    "reasons": _columns(_GAPS, "cause", "kind", "shard", *_SPANS),
}  # fmt: skip

_FLAG_COLUMNS = ("ex_rights", "face_value_change", "capital_increase")
_FIGURES = ("base_price", "face_value", "listed_shares")
_ACTIONS = {
    "trading_day": _columns(keys.INSTRUMENTS, "trading_day"),
    "symbol": _columns(keys.INSTRUMENTS, "symbol"),
    "name": _columns(keys.INSTRUMENTS, "name"),
    "kind": [
        *_columns(keys.INSTRUMENTS, *_FLAG_COLUMNS, *_FIGURES), *_columns(_SWEPT, "previous_close")
    ],
    "code": _columns(keys.INSTRUMENTS, *_FLAG_COLUMNS),
    "meaning": _columns(keys.INSTRUMENTS, *_FLAG_COLUMNS),
    "before": [*_columns(keys.INSTRUMENTS, *_FIGURES), *_columns(_SWEPT, "previous_close")],
    "after": _columns(keys.INSTRUMENTS, *_FIGURES),
    "factor": [*_columns(keys.INSTRUMENTS, *_FIGURES), *_columns(_SWEPT, "previous_close")],
    "previous_day": _columns(keys.INSTRUMENTS, "trading_day"),
    "evidence": [*_columns(keys.INSTRUMENTS, *_FIGURES), *_columns(_SWEPT, "previous_close")],
}  # fmt: skip

# What the master files alone tell, and what every row of a day shares.
_NEW_IN_INSTRUMENTS = frozenset(
    {"trading_day", "source", "administrative", "market_warning", *_FLAG_COLUMNS, "face_value", "listed_date",
     "capital", "previous_market_cap"}
)  # fmt: skip

_FROM = {
    Table.SWING_SNAPSHOTS: (keys.SWING_JOURNAL,),
    Table.RAW_RECORDS: (keys.SCALP_JOURNAL, keys.SWING_JOURNAL),
    Table.GAPS: (keys.SCALP_JOURNAL, keys.SWING_JOURNAL),
}

_RULES: Mapping[dg.AssetKey, _Rule] = MappingProxyType(
    {
        **{keys.LAKE[table]: _journal(*_FROM.get(table, (keys.SCALP_JOURNAL,))) for table in JOURNAL_TABLES},
        keys.BARS: _of(_BARS),
        keys.COMPLETENESS: _of(_COMPLETENESS),
        keys.UNIVERSE: _same(keys.SYMBOLS),
        keys.INSTRUMENTS: _same(keys.SYMBOLS, new=_NEW_IN_INSTRUMENTS, symbol="code"),
        keys.CORPORATE_ACTIONS: _of(_ACTIONS),
        **{
            keys.warehouse(table): _same(keys.BARS if table is Table.BARS_1M else keys.LAKE[table])
            for table in keys.WAREHOUSE_TABLES
        },
        keys.warehouse(keys.UNIVERSE_TABLE): _same(
            keys.UNIVERSE, new=frozenset({"trading_day", "symbols_date", "source"}), symbol="code"
        ),
    }
)
