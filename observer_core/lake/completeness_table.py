"""The table that tells what of a day is there (see `completeness`).

Invariant: as of every table of the lake (see `schemas`).
"""

from __future__ import annotations

from observer_core.lake.columns import Column, ColumnType, TableSchema

_TEXT, _INTEGER, _INSTANT = ColumnType.TEXT, ColumnType.INTEGER, ColumnType.INSTANT

COMPLETENESS = TableSchema(
    "completeness",
    "One symbol's trades of one session on one venue: what was received, filled in, explained and lost.",
    (
        Column("trading_day", ColumnType.DATE, "Trading day of the exchange, Korean time.", required=True),
        Column("symbol", _TEXT, "Short code of the instrument.", required=True),
        Column("venue", _TEXT, "Market shown: KRX, NXT or UNIFIED.", required=True),
        Column("session", _TEXT, "pre_market, regular, closing_price or after_market.", required=True),
        Column("trades", _INTEGER, "Trades received, each once.", "trades", required=True),
        Column("volume", _INTEGER, "Shares of the trades received.", "shares", required=True),
        Column(
            "holes",
            _INTEGER,
            "Breaks that began in the session, with those at the day's ends.",
            "holes",
            required=True,
        ),
        Column("hole_volume", _INTEGER, "Shares traded in them.", "shares", required=True),
        Column("backfilled_trades", _INTEGER, "Trades in holes, asked for later.", "trades", required=True),
        Column("backfilled_volume", _INTEGER, "Shares of these.", "shares", required=True),
        Column("missing_volume", _INTEGER, "Shares traded that nobody has.", "shares", required=True),
        Column(
            "explained_volume", _INTEGER, "Of these, in holes whose reason is known.", "shares", required=True
        ),
        Column("coverage", ColumnType.DECIMAL, "What is there of what was traded, 0 to 1.", "ratio"),
        Column("first_hole_at", _INSTANT, "Receive time of the last trade before the first hole."),
        Column("last_hole_at", _INSTANT, "Receive time of the first trade after the last hole."),
        Column("reasons", _TEXT, "Reasons of the holes, each with its number of holes; empty without holes."),
    ),
    sort_key=("symbol", "venue", "session"),
    unique_key=("symbol", "venue", "session"),
)
