"""The table of the broker's official daily figures (broker reference, 4.7).

Invariant: a row is one question to the broker; figures stand in it only where the broker has stated them.
"""

from __future__ import annotations

from observer_core.lake.columns import Column, ColumnType, TableSchema

DAILY_OFFICIAL = TableSchema(
    "daily_official",
    "The broker's own figures of a day for one symbol on one venue, recorded or selected; prices not "
    "adjusted.",
    (
        Column("trading_day", ColumnType.DATE, "Trading day of the exchange, Korean time.", required=True),
        Column("symbol", ColumnType.TEXT, "Short code.", source="asked", required=True),
        Column("venue", ColumnType.TEXT, "KRX, NXT or UNIFIED.", source="asked", required=True),
        Column("answer", ColumnType.TEXT, "`stated`; `no_row` or `failed` without figures.", required=True),
        Column("open_price", ColumnType.INTEGER, "First price of the day.", "KRW", "stck_oprc"),
        Column("high_price", ColumnType.INTEGER, "Highest price.", "KRW", "stck_hgpr"),
        Column("low_price", ColumnType.INTEGER, "Lowest price.", "KRW", "stck_lwpr"),
        Column("close_price", ColumnType.INTEGER, "Official close.", "KRW", "stck_clpr"),
        Column("volume", ColumnType.INTEGER, "Shares traded.", "shares", "acml_vol"),
        Column("value", ColumnType.INTEGER, "Value traded.", "KRW", "acml_tr_pbmn"),
        Column("ex_rights_code", ColumnType.TEXT, "Ex-rights code; 00 for none.", source="flng_cls_code"),
        Column("carried_over", ColumnType.FLAG, "Whether nothing was traded.", source="mod_yn"),
        Column("asked_at", ColumnType.INSTANT, "When the broker was asked.", required=True),
        Column("error", ColumnType.TEXT, "Why there are no figures; empty where there are."),
    ),
    sort_key=("symbol", "venue"),
    unique_key=("symbol", "venue"),
)
