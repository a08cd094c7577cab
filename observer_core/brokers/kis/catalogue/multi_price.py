"""One row of a sweep: the REST answer intstock-multprice (broker reference, 4.9).

Invariant: it is no websocket channel, but the journal treats its `tr_id` like one; the payload of a
row is the JSON object of one element of `output`, with the broker's keys.
"""

from __future__ import annotations

from observer_core.brokers.kis.catalogue.model import Field, FieldType

MULTI_PRICE_CHANNEL = "FHKST11300006"

_TEXT, _CODE, _INTEGER, _DECIMAL = FieldType.TEXT, FieldType.CODE, FieldType.INTEGER, FieldType.DECIMAL

MULTI_PRICE_FIELDS = (
    Field("kospi_kosdaq_cls_name", "market_name", _TEXT),
    Field("mrkt_trtm_cls_name", "market_measure", _TEXT),
    Field("hour_cls_code", "time_class", _CODE),
    Field("inter_shrn_iscd", "symbol", _TEXT, required=True),
    Field("inter_kor_isnm", "name", _TEXT),
    Field("inter2_prpr", "price", _INTEGER, "KRW", required=True),
    Field("inter2_prdy_vrss", "change", _INTEGER, "KRW"),
    Field("prdy_vrss_sign", "change_sign", _CODE),
    Field("prdy_ctrt", "change_rate", _DECIMAL, "%"),
    Field("acml_vol", "cumulative_volume", _INTEGER, "shares", required=True),
    Field("inter2_oprc", "open_price", _INTEGER, "KRW"),
    Field("inter2_hgpr", "high_price", _INTEGER, "KRW"),
    Field("inter2_lwpr", "low_price", _INTEGER, "KRW"),
    Field("inter2_llam", "lower_limit_price", _INTEGER, "KRW"),
    Field("inter2_mxpr", "upper_limit_price", _INTEGER, "KRW"),
    Field("inter2_askp", "ask_price_1", _INTEGER, "KRW"),
    Field("inter2_bidp", "bid_price_1", _INTEGER, "KRW"),
    Field("seln_rsqn", "ask_quantity_1", _INTEGER, "shares"),
    Field("shnu_rsqn", "bid_quantity_1", _INTEGER, "shares"),
    Field("total_askp_rsqn", "total_ask_quantity", _INTEGER, "shares"),
    Field("total_bidp_rsqn", "total_bid_quantity", _INTEGER, "shares"),
    Field("acml_tr_pbmn", "cumulative_value", _INTEGER, "KRW"),
    Field("inter2_prdy_clpr", "previous_close", _INTEGER, "KRW"),
    Field("oprc_vrss_hgpr_rate", "high_to_open_rate", _DECIMAL, "%"),
    Field("intr_antc_cntg_vrss", "expected_change", _INTEGER, "KRW"),
    Field("intr_antc_cntg_vrss_sign", "expected_change_sign", _CODE),
    Field("intr_antc_cntg_prdy_ctrt", "expected_change_rate", _DECIMAL, "%"),
    Field("intr_antc_vol", "expected_volume", _INTEGER, "shares"),
    Field("inter2_sdpr", "base_price", _INTEGER, "KRW"),
)
