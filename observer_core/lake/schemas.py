"""The tables of the lake, declared once.

Invariant: the columns of a broker's record follow the catalogue of channels, in its order and under
its English names; Parquet, the warehouse, column schemas in Dagster and the data dictionary are
derived from these declarations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType

from observer_core.brokers.kis.catalogue import (
    CHANNELS,
    EXECUTION_FIELDS,
    EXECUTIONS_CHANNEL,
    MULTI_PRICE_CHANNEL,
    MULTI_PRICE_FIELDS,
    Field,
    FieldType,
    Kind,
)
from observer_core.lake.columns import IDENTITY, IDENTITY_KEY, Column, ColumnType, TableSchema
from observer_core.lake.completeness_table import COMPLETENESS
from observer_core.lake.descriptions import DESCRIPTIONS
from observer_core.lake.official_table import DAILY_OFFICIAL
from observer_core.lake.reference_tables import CORPORATE_ACTIONS, INSTRUMENTS


class Table(StrEnum):
    """The tables."""

    SCALP_TRADES = "scalp_trades"
    SCALP_QUOTES = "scalp_quotes"
    SWING_SNAPSHOTS = "swing_snapshots"
    MARKET_EVENTS = "market_events"
    BACKFILL_TRADES = "backfill_trades"
    RAW_RECORDS = "raw_records"
    GAPS = "gaps"
    BARS_1M = "bars_1m"
    INSTRUMENTS = "instruments"
    CORPORATE_ACTIONS = "corporate_actions"
    DAILY_OFFICIAL = "daily_official"
    COMPLETENESS = "completeness"


# What compaction makes of the journal; the others are derived from tables or from reference files.
JOURNAL_TABLES = (
    Table.SCALP_TRADES,
    Table.SCALP_QUOTES,
    Table.SWING_SNAPSHOTS,
    Table.MARKET_EVENTS,
    Table.BACKFILL_TRADES,
    Table.RAW_RECORDS,
    Table.GAPS,
)

_TABLE_OF_KIND = {
    Kind.TRADE: Table.SCALP_TRADES,
    Kind.BOOK: Table.SCALP_QUOTES,
    Kind.MARKET_OPERATION: Table.MARKET_EVENTS,
}

COLUMN_TYPES = MappingProxyType(
    {
        FieldType.TEXT: ColumnType.TEXT,
        FieldType.CODE: ColumnType.TEXT,
        FieldType.INTEGER: ColumnType.INTEGER,
        FieldType.DECIMAL: ColumnType.DECIMAL,
        FieldType.TIME: ColumnType.INSTANT,
        FieldType.DATE: ColumnType.DATE,
        FieldType.FLAG: ColumnType.FLAG,
    }
)

_DAY = Column("trading_day", ColumnType.DATE, "Trading day of the exchange, Korean time.", required=True)
_SYMBOL = Column("symbol", ColumnType.TEXT, DESCRIPTIONS["symbol"], source="key", required=True)
_VENUE = Column(
    "venue", ColumnType.TEXT, "Market shown: KRX, NXT or UNIFIED.", source="channel", required=True
)
_CHANNEL = Column("channel", ColumnType.TEXT, "Channel of the broker.", source="journal", required=True)
_REST = (
    Column("extra", ColumnType.TEXTS, "Values beyond the known ones, as sent."),
    Column("unparsed", ColumnType.TEXTS, "`column=value` of optional values that have not their form."),
)


def table_of(channel: str) -> Table:
    """Returns the table that the records of a channel belong to."""
    if channel == MULTI_PRICE_CHANNEL:
        return Table.SWING_SNAPSHOTS
    if channel == EXECUTIONS_CHANNEL:
        return Table.BACKFILL_TRADES
    known = CHANNELS.get(channel)
    return Table.RAW_RECORDS if known is None else _TABLE_OF_KIND.get(known.kind, Table.RAW_RECORDS)


def _column(field: Field) -> Column:
    return Column(
        field.name,
        COLUMN_TYPES[field.type],
        DESCRIPTIONS[field.name],
        unit=field.unit,
        source=field.broker_name,
        required=field.required,
    )


def _fields(*channels: str) -> tuple[Column, ...]:
    """Returns the columns of channels that share a table, one for each meaning, symbol left out."""
    columns: dict[str, Column] = {}
    for channel in channels:
        for field in CHANNELS[channel].fields:
            columns.setdefault(field.name, _column(field))
    del columns["symbol"]
    return tuple(columns.values())


def _journal_table(table: Table, description: str, columns: Sequence[Column]) -> TableSchema:
    return TableSchema(
        table, description, (*columns, *IDENTITY), ("symbol", *IDENTITY_KEY), unique_key=IDENTITY_KEY
    )


_GAP_COLUMNS = (
    Column(
        "kind", ColumnType.TEXT, "`hole`: break of continuity; `gap`: interval without data.", required=True
    ),
    Column("channel", ColumnType.TEXT, "Channel it was seen on; empty where it concerns all."),
    Column("started_at", ColumnType.INSTANT, "Receive time of the last data before it."),
    Column("ended_at", ColumnType.INSTANT, "Receive time of the first data after it."),
    Column("phase", ColumnType.TEXT, "Phase of the market when it was seen."),
    Column("cause", ColumnType.TEXT, "Why, where the collector knows it."),
    Column("from_cumulative_volume", ColumnType.INTEGER, "Everything up to it was received.", "shares"),
    Column("to_cumulative_volume", ColumnType.INTEGER, "Everything from it on is received.", "shares"),
    Column("missing_volume", ColumnType.INTEGER, "Volume that was not received.", "shares"),
    Column("missing_value", ColumnType.INTEGER, "Value that was not received.", "KRW"),
    Column("missing_trades", ColumnType.INTEGER, "Trades with a side that were not received.", "trades"),
    Column("missing_sell_trades", ColumnType.INTEGER, "Sell-initiated trades missing.", "trades"),
    Column("missing_buy_trades", ColumnType.INTEGER, "Buy-initiated trades missing.", "trades"),
    Column("missing_sell_volume", ColumnType.INTEGER, "Sell-initiated volume missing.", "shares"),
    Column("missing_buy_volume", ColumnType.INTEGER, "Buy-initiated volume missing.", "shares"),
    Column("details", ColumnType.TEXT, "The control record's payload, JSON as the collector wrote it."),
)

_SESSIONS = "pre_market, regular, auction, closing_price or after_market."

_BARS = TableSchema(
    Table.BARS_1M,
    "One symbol's trades of one exchange minute on one venue in one kind of session.",
    (
        _DAY,
        _SYMBOL,
        _VENUE,
        Column("minute", ColumnType.INSTANT, "Begin of the exchange minute.", required=True),
        Column("session", ColumnType.TEXT, _SESSIONS, required=True),
        Column("open_price", ColumnType.INTEGER, "Price of the first trade.", "KRW", required=True),
        Column("high_price", ColumnType.INTEGER, "Highest price.", "KRW", required=True),
        Column("low_price", ColumnType.INTEGER, "Lowest price.", "KRW", required=True),
        Column("close_price", ColumnType.INTEGER, "Price of the last trade.", "KRW", required=True),
        Column("volume", ColumnType.INTEGER, "Shares traded.", "shares", required=True),
        Column("value", ColumnType.INTEGER, "Sum of price times volume.", "KRW", required=True),
        Column("vwap", ColumnType.DECIMAL, "Volume weighted average price; none without volume.", "KRW"),
        Column("trade_count", ColumnType.INTEGER, "Trades.", "trades", required=True),
        Column("buy_volume", ColumnType.INTEGER, "Buy-initiated shares.", "shares", required=True),
        Column("sell_volume", ColumnType.INTEGER, "Sell-initiated shares.", "shares", required=True),
    ),
    sort_key=("symbol", "venue", "minute", "session"),
    unique_key=("symbol", "venue", "minute", "session"),
)  # fmt: skip

SCHEMAS: Mapping[Table, TableSchema] = MappingProxyType(
    {
        Table(schema.name): schema
        for schema in (
            _journal_table(
                Table.SCALP_TRADES,
                "One trade, with all figures of the day that the broker sends with it.",
                (_DAY, _SYMBOL, _VENUE, *_fields("H0STCNT0", "H0NXCNT0", "H0UNCNT0"), *_REST),
            ),
            _journal_table(
                Table.SCALP_QUOTES,
                "One state of an order book of ten levels.",
                (_DAY, _SYMBOL, _VENUE, *_fields("H0STASP0", "H0NXASP0", "H0UNASP0"), *_REST),
            ),
            _journal_table(
                Table.SWING_SNAPSHOTS,
                "One symbol's row of a sweep over the universe.",
                (_DAY, _SYMBOL, *(_column(f) for f in MULTI_PRICE_FIELDS if f.name != "symbol"), *_REST),
            ),
            _journal_table(
                Table.MARKET_EVENTS,
                "One change of a symbol's state: halt, volatility interruption, market operation.",
                (_DAY, _SYMBOL, _VENUE, *_fields("H0STMKO0", "H0NXMKO0", "H0UNMKO0"), *_REST),
            ),
            _journal_table(
                Table.BACKFILL_TRADES,
                "One row of the broker's list of executions, asked for because of a hole; pages overlap, and "
                "rows outside of the hole are among them.",
                (
                    _DAY,
                    _SYMBOL,
                    Column("venue", ColumnType.TEXT, "Market asked for.", source="asked", required=True),
                    Column("session", ColumnType.TEXT, "Session of the hole; empty where it is not known."),
                    Column(
                        "hole_from_cumulative_volume",
                        ColumnType.INTEGER,
                        "Where the hole begins: everything up to it was received.",
                        "shares",
                        required=True,
                    ),
                    Column(
                        "hole_to_cumulative_volume",
                        ColumnType.INTEGER,
                        "Where the hole ends: everything from it on was received.",
                        "shares",
                        required=True,
                    ),
                    *(_column(field) for field in EXECUTION_FIELDS),
                    *_REST,
                ),
            ),
            _journal_table(
                Table.RAW_RECORDS,
                "One record of a channel that has no table of its own, as it was sent.",
                (
                    _DAY,
                    _SYMBOL,
                    _CHANNEL,
                    Column("payload", ColumnType.TEXT, "The record.", source="payload", required=True),
                    Column("encoding", ColumnType.TEXT, "base64 where the payload is not text."),
                ),
            ),
            _journal_table(
                Table.GAPS,
                "One hole or gap that the collector has found; no symbol where it concerns a whole shard.",
                (_DAY, _SYMBOL, *_GAP_COLUMNS),
            ),
            _BARS,
            INSTRUMENTS,
            CORPORATE_ACTIONS,
            DAILY_OFFICIAL,
            COMPLETENESS,
        )
    }
)  # fmt: skip
