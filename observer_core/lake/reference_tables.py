"""The tables of what is listed: not made from the journal, but from the day's reference files.

Invariant: as of every table of the lake (see `schemas`); what only master files tell is null without them.
"""

from __future__ import annotations

from observer_core.lake.columns import Column, ColumnType, TableSchema

_DAY = Column("trading_day", ColumnType.DATE, "Trading day of the exchange, Korean time.", required=True)
_SYMBOL = Column("symbol", ColumnType.TEXT, "Short code of the instrument.", required=True)
_NAME = Column("name", ColumnType.TEXT, "Korean name.", required=True)

_TEXT, _INTEGER, _FLAG = ColumnType.TEXT, ColumnType.INTEGER, ColumnType.FLAG

_OF_MASTER_FILES = (
    Column("administrative", _FLAG, "Whether it is an administrative issue.", source="mang_issu_yn"),
    Column("market_warning", _TEXT, "00 none, 01 caution, 02 warning, 03 risk.", source="mrkt_alrm_cls_code"),
    Column("ex_rights", _TEXT, "Ex-rights code of the day; 00 none.", source="flng_cls_code"),
    Column("face_value_change", _TEXT, "00 none, 01 split, 02 merge, 99 other.", source="fcam_mod_cls_code"),
    Column(
        "capital_increase", _TEXT, "00 none, 01 paid, 02 free, 03 both, 99 other.", source="icic_cls_code"
    ),
    Column("face_value", _INTEGER, "Face value.", "KRW", "stck_fcam"),
    Column("listed_date", ColumnType.DATE, "Day of listing.", source="stck_lstn_date"),
    Column("capital", _INTEGER, "Capital.", "KRW", "cpfn"),
    Column(
        "previous_market_cap",
        _INTEGER,
        "Market capitalisation of the previous day, exact to 100 million.",
        "KRW",
        "prdy_avls_scal",
    ),
)

INSTRUMENTS = TableSchema(
    "instruments",
    "One listed instrument as it was known on a trading day.",
    (
        _DAY,
        _SYMBOL,
        _NAME,
        Column("market", _TEXT, "KOSPI, KOSDAQ or KONEX.", required=True),
        Column("group", _TEXT, "Security group, such as ST for shares.", required=True),
        Column("isin", _TEXT, "International security identification number."),
        Column("preferred_class", _TEXT, "0 common, 1 old and 2 new preferred, 9 undocumented."),
        Column("spac", _FLAG, "Whether it is a special purpose acquisition company."),
        Column("suspended", _FLAG, "Whether trading is halted."),
        Column("liquidation", _FLAG, "Whether it is in liquidation trading."),
        Column("base_price", _INTEGER, "Reference price of the day.", "KRW"),
        Column("previous_volume", _INTEGER, "Volume of the previous trading day.", "shares"),
        Column("listed_shares", _INTEGER, "Listed shares.", "shares"),
        Column("source", _TEXT, "Source of the day's symbols, such as kis-master.", required=True),
        *_OF_MASTER_FILES,
    ),
    sort_key=("symbol",),
    unique_key=("symbol",),
)

CORPORATE_ACTIONS = TableSchema(
    "corporate_actions",
    "One thing that happened to an instrument on a trading day, by a flag of the broker or by two days.",
    (
        _DAY,
        _SYMBOL,
        _NAME,
        Column(
            "kind",
            _TEXT,
            "ex_rights, face_value_change, capital_increase (flags); base_price, face_value, listed_shares, "
            "listing, delisting (compared).",
            required=True,
        ),
        Column("code", _TEXT, "The broker's code of a flag; empty where days were compared."),
        Column("meaning", _TEXT, "In words.", required=True),
        Column("before", _INTEGER, "Figure before; none of a flag.", "KRW or shares"),
        Column("after", _INTEGER, "Figure of the day; none of a flag.", "KRW or shares"),
        Column(
            "factor",
            ColumnType.DECIMAL,
            "`after` divided by `before`; of a base price, multiply earlier prices by it.",
            "ratio",
        ),
        Column("previous_day", ColumnType.DATE, "Trading day it was compared with."),
        Column("evidence", _TEXT, "How it is known.", required=True),
    ),
    sort_key=("symbol", "kind"),
    unique_key=("symbol", "kind"),
)  # fmt: skip
