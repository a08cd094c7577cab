"""Execution notices, the only encrypted channels (broker reference, 6.6 and 7.1: H0STCNI0)."""

from __future__ import annotations

from observer_core.brokers.kis.catalogue.model import Channel, Field, FieldType, Key, Kind, Venue, Width

_TEXT, _CODE, _INTEGER = FieldType.TEXT, FieldType.CODE, FieldType.INTEGER

_NOTICE = (
    Field("cust_id", "customer", _TEXT),
    Field("acnt_no", "account", _TEXT),
    Field("oder_no", "order_number", _TEXT),
    Field("ooder_no", "original_order_number", _TEXT),
    Field("seln_byov_cls", "side", _CODE),
    Field("rctf_cls", "amendment_code", _CODE),
    Field("oder_kind", "order_kind", _CODE),
    Field("oder_cond", "order_condition", _CODE),
    Field("stck_shrn_iscd", "symbol", _TEXT, required=True),
    Field("cntg_qty", "volume", _INTEGER, "shares", required=True),
    Field("cntg_unpr", "price", _INTEGER, "KRW"),
    Field("stck_cntg_hour", "time", FieldType.TIME, required=True),
    Field("rfus_yn", "rejection_code", _CODE),
    Field("cntg_yn", "fill_code", _CODE),
    Field("acpt_yn", "acceptance_code", _CODE),
    Field("brnc_no", "branch", _TEXT),
    Field("oder_qty", "order_quantity", _INTEGER, "shares"),
    Field("acnt_name", "account_name", _TEXT),
    Field("ord_cond_prc", "condition_price", _INTEGER, "KRW"),
    Field("ord_exg_gb", "order_exchange", _CODE),
    Field("popup_yn", "shown_in_window", FieldType.FLAG),
    Field("filler", "filler", _TEXT),
    Field("crdt_cls", "credit_class", _CODE),
    Field("crdt_loan_date", "loan_date", FieldType.DATE),
    Field("cntg_isnm40", "name", _TEXT),
    Field("oder_prc", "order_price", _INTEGER, "KRW"),
)

NOTICE_CHANNELS = tuple(
    Channel(
        name,
        Kind.EXECUTION_NOTICE,
        Venue.KRX,
        _NOTICE,
        # It grew in March 2025; no source names the day.
        (Width(23), Width(26)),
        key=Key.CUSTOMER,
        symbol_position=8,
        time_position=None,
    )
    for name in ("H0STCNI0", "H0STCNI9")
)
