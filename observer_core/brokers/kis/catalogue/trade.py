"""Trades, and expected trades during auctions (broker reference, 7.1: H0STCNT0, H0STANC0)."""

from __future__ import annotations

from datetime import date

from observer_core.brokers.kis.catalogue.model import Channel, Field, FieldType, Kind, Venue, Width

_TEXT, _CODE, _INTEGER = FieldType.TEXT, FieldType.CODE, FieldType.INTEGER
_DECIMAL, _TIME, _DATE, _FLAG = FieldType.DECIMAL, FieldType.TIME, FieldType.DATE, FieldType.FLAG

# The day on which the KRX after-market started and records grew.
SEPTEMBER_2026 = date(2026, 9, 14)
# The day on which NXT opened, with its channels and the unified ones.
NXT_OPENED = date(2025, 3, 4)

_TRADE = (
    Field("mksc_shrn_iscd", "symbol", _TEXT, required=True),
    Field("stck_cntg_hour", "time", _TIME, required=True),
    Field("stck_prpr", "price", _INTEGER, "KRW", required=True),
    Field("prdy_vrss_sign", "change_sign", _CODE),
    Field("prdy_vrss", "change", _INTEGER, "KRW"),
    Field("prdy_ctrt", "change_rate", _DECIMAL, "%"),
    Field("wghn_avrg_stck_prc", "weighted_average_price", _DECIMAL, "KRW"),
    Field("stck_oprc", "open_price", _INTEGER, "KRW"),
    Field("stck_hgpr", "high_price", _INTEGER, "KRW"),
    Field("stck_lwpr", "low_price", _INTEGER, "KRW"),
    Field("askp1", "ask_price_1", _INTEGER, "KRW"),
    Field("bidp1", "bid_price_1", _INTEGER, "KRW"),
    Field("cntg_vol", "volume", _INTEGER, "shares", required=True),
    Field("acml_vol", "cumulative_volume", _INTEGER, "shares", required=True),
    Field("acml_tr_pbmn", "cumulative_value", _INTEGER, "KRW"),
    Field("seln_cntg_csnu", "cumulative_sell_count", _INTEGER, "trades"),
    Field("shnu_cntg_csnu", "cumulative_buy_count", _INTEGER, "trades"),
    Field("ntby_cntg_csnu", "cumulative_net_buy_count", _INTEGER, "trades"),
    Field("cttr", "trade_strength", _DECIMAL, "%"),
    Field("seln_cntg_smtn", "cumulative_sell_volume", _INTEGER, "shares"),
    Field("shnu_cntg_smtn", "cumulative_buy_volume", _INTEGER, "shares"),
    Field("ccld_dvsn", "side", _CODE),
    Field("shnu_rate", "buy_ratio", _DECIMAL, "fraction"),
    Field("prdy_vol_vrss_acml_vol_rate", "volume_to_previous_day_rate", _DECIMAL, "%"),
    Field("oprc_hour", "open_time", _TIME),
    Field("oprc_vrss_prpr_sign", "change_from_open_sign", _CODE),
    Field("oprc_vrss_prpr", "change_from_open", _INTEGER, "KRW"),
    Field("hgpr_hour", "high_time", _TIME),
    Field("hgpr_vrss_prpr_sign", "change_from_high_sign", _CODE),
    Field("hgpr_vrss_prpr", "change_from_high", _INTEGER, "KRW"),
    Field("lwpr_hour", "low_time", _TIME),
    Field("lwpr_vrss_prpr_sign", "change_from_low_sign", _CODE),
    Field("lwpr_vrss_prpr", "change_from_low", _INTEGER, "KRW"),
    Field("bsop_date", "business_date", _DATE),
    Field("new_mkop_cls_code", "operation_class", _CODE),
    Field("trht_yn", "halted", _FLAG),
    Field("askp_rsqn1", "ask_quantity_1", _INTEGER, "shares"),
    Field("bidp_rsqn1", "bid_quantity_1", _INTEGER, "shares"),
    Field("total_askp_rsqn", "total_ask_quantity", _INTEGER, "shares"),
    Field("total_bidp_rsqn", "total_bid_quantity", _INTEGER, "shares"),
    Field("vol_tnrt", "turnover_rate", _DECIMAL, "%"),
    Field("prdy_smns_hour_acml_vol", "previous_day_same_time_volume", _INTEGER, "shares"),
    Field("prdy_smns_hour_acml_vol_rate", "previous_day_same_time_volume_rate", _DECIMAL, "%"),
    Field("hour_cls_code", "time_class", _CODE),
    Field("mrkt_trtm_cls_code", "random_end_code", _CODE),
    Field("vi_stnd_prc", "vi_reference_price", _INTEGER, "KRW"),
    Field("market_cls_code", "market_session", _CODE),
)

# NXT, the unified feed and the expected trades name value 21 differently; its meaning is the same.
_SIDE_RENAMED = tuple(
    Field("cntg_cls_code", field.name, field.type) if field.broker_name == "ccld_dvsn" else field
    for field in _TRADE
)


TRADE_CHANNELS = (
    Channel("H0STCNT0", Kind.TRADE, Venue.KRX, _TRADE, (Width(46), Width(47, SEPTEMBER_2026))),
    Channel(
        "H0NXCNT0",
        Kind.TRADE,
        Venue.NXT,
        _SIDE_RENAMED,
        (Width(46, NXT_OPENED), Width(47, SEPTEMBER_2026)),
    ),
    Channel(
        "H0UNCNT0",
        Kind.TRADE,
        Venue.UNIFIED,
        _SIDE_RENAMED,
        (Width(46, NXT_OPENED), Width(47, SEPTEMBER_2026)),
    ),
    Channel("H0STANC0", Kind.EXPECTED_TRADE, Venue.KRX, _SIDE_RENAMED[:45], (Width(45),)),
    Channel("H0NXANC0", Kind.EXPECTED_TRADE, Venue.NXT, _SIDE_RENAMED[:46], (Width(46, NXT_OPENED),)),
    Channel("H0UNANC0", Kind.EXPECTED_TRADE, Venue.UNIFIED, _SIDE_RENAMED[:46], (Width(46, NXT_OPENED),)),
)
