"""Order books of ten levels (broker reference, 7.1: H0STASP0, H0NXASP0, H0UNASP0)."""

from __future__ import annotations

from observer_core.brokers.kis.catalogue.model import Channel, Field, FieldType, Kind, Venue, Width
from observer_core.brokers.kis.catalogue.trade import NXT_OPENED, SEPTEMBER_2026

_CODE, _INTEGER = FieldType.CODE, FieldType.INTEGER


def _levels(broker_name: str, name: str, unit: str) -> tuple[Field, ...]:
    return tuple(
        Field(f"{broker_name}{level}", f"{name}_{level}", _INTEGER, unit, required=level == 1)
        for level in range(1, 11)
    )


_COMMON = (
    Field("mksc_shrn_iscd", "symbol", FieldType.TEXT, required=True),
    Field("bsop_hour", "time", FieldType.TIME, required=True),
    Field("hour_cls_code", "time_class", _CODE),
    *_levels("askp", "ask_price", "KRW"),
    *_levels("bidp", "bid_price", "KRW"),
    *_levels("askp_rsqn", "ask_quantity", "shares"),
    *_levels("bidp_rsqn", "bid_quantity", "shares"),
    Field("total_askp_rsqn", "total_ask_quantity", _INTEGER, "shares"),
    Field("total_bidp_rsqn", "total_bid_quantity", _INTEGER, "shares"),
    Field("ovtm_total_askp_rsqn", "off_hours_total_ask_quantity", _INTEGER, "shares"),
    Field("ovtm_total_bidp_rsqn", "off_hours_total_bid_quantity", _INTEGER, "shares"),
    Field("antc_cnpr", "expected_price", _INTEGER, "KRW"),
    Field("antc_cnqn", "expected_quantity", _INTEGER, "shares"),
    Field("antc_vol", "expected_volume", _INTEGER, "shares"),
    Field("antc_cntg_vrss", "expected_change", _INTEGER, "KRW"),
    Field("antc_cntg_vrss_sign", "expected_change_sign", _CODE),
    Field("antc_cntg_prdy_ctrt", "expected_change_rate", FieldType.DECIMAL, "%"),
    Field("acml_vol", "cumulative_volume", _INTEGER, "shares"),
    Field("total_askp_rsqn_icdc", "total_ask_quantity_change", _INTEGER, "shares"),
    Field("total_bidp_rsqn_icdc", "total_bid_quantity_change", _INTEGER, "shares"),
    Field("ovtm_total_askp_icdc", "off_hours_total_ask_quantity_change", _INTEGER, "shares"),
    Field("ovtm_total_bidp_icdc", "off_hours_total_bid_quantity_change", _INTEGER, "shares"),
    Field("stck_deal_cls_code", "retired_trade_code", _CODE),
)

# The KRX channel names them without the k: the figures are the same.
_KRX_TAIL = (
    Field("mid_prc", "krx_midpoint_price", _INTEGER, "KRW"),
    Field("midp_total_rsqn", "krx_midpoint_quantity", _INTEGER, "shares"),
    Field("midp_cls_code", "krx_midpoint_side", _CODE),
    Field("market_cls_code", "market_session", _CODE),
)

_NXT_TAIL = (
    Field("kmid_prc", "krx_midpoint_price", _INTEGER, "KRW"),
    Field("kmid_total_rsqn", "krx_midpoint_quantity", _INTEGER, "shares"),
    Field("kmid_cls_code", "krx_midpoint_side", _CODE),
    Field("nmid_prc", "nxt_midpoint_price", _INTEGER, "KRW"),
    Field("nmid_total_rsqn", "nxt_midpoint_quantity", _INTEGER, "shares"),
    Field("nmid_cls_code", "nxt_midpoint_side", _CODE),
)

_UNIFIED_TAIL = (*_NXT_TAIL, Field("antc_exch_cls_code", "expected_price_exchange", _CODE))

BOOK_CHANNELS = (
    Channel(
        "H0STASP0",
        Kind.BOOK,
        Venue.KRX,
        (*_COMMON, *_KRX_TAIL),
        # No source names the day of the 62; it lies between late 2024 and June 2026.
        (Width(59), Width(62), Width(63, SEPTEMBER_2026)),
    ),
    Channel("H0NXASP0", Kind.BOOK, Venue.NXT, (*_COMMON, *_NXT_TAIL), (Width(65, NXT_OPENED),)),
    Channel(
        "H0UNASP0",
        Kind.BOOK,
        Venue.UNIFIED,
        (*_COMMON, *_UNIFIED_TAIL),
        (Width(65, NXT_OPENED), Width(66, SEPTEMBER_2026)),
    ),
)
