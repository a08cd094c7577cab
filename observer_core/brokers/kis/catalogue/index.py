"""Indices (broker reference, 7.1: H0UPCNT0)."""

from __future__ import annotations

from observer_core.brokers.kis.catalogue.model import Channel, Field, FieldType, Key, Kind, Venue, Width

_CODE, _INTEGER, _DECIMAL = FieldType.CODE, FieldType.INTEGER, FieldType.DECIMAL

# Thousand shares and million KRW follow from the size of published examples.
_INDEX = (
    Field("bstp_cls_code", "symbol", FieldType.TEXT, required=True),
    Field("bsop_hour", "time", FieldType.TIME, required=True),
    Field("prpr_nmix", "index_value", _DECIMAL, "points", required=True),
    Field("prdy_vrss_sign", "change_sign", _CODE),
    Field("bstp_nmix_prdy_vrss", "change", _DECIMAL, "points"),
    Field("acml_vol", "cumulative_volume", _INTEGER, "thousand shares"),
    Field("acml_tr_pbmn", "cumulative_value", _INTEGER, "million KRW"),
    Field("pcas_vol", "volume", _INTEGER, "thousand shares"),
    Field("pcas_tr_pbmn", "value", _INTEGER, "million KRW"),
    Field("prdy_ctrt", "change_rate", _DECIMAL, "%"),
    Field("oprc_nmix", "open_value", _DECIMAL, "points"),
    Field("nmix_hgpr", "high_value", _DECIMAL, "points"),
    Field("nmix_lwpr", "low_value", _DECIMAL, "points"),
    Field("oprc_vrss_nmix_prpr", "change_from_open", _DECIMAL, "points"),
    Field("oprc_vrss_nmix_sign", "change_from_open_sign", _CODE),
    Field("hgpr_vrss_nmix_prpr", "change_from_high", _DECIMAL, "points"),
    Field("hgpr_vrss_nmix_sign", "change_from_high_sign", _CODE),
    Field("lwpr_vrss_nmix_prpr", "change_from_low", _DECIMAL, "points"),
    Field("lwpr_vrss_nmix_sign", "change_from_low_sign", _CODE),
    Field("prdy_clpr_vrss_oprc_rate", "open_change_rate", _DECIMAL, "%"),
    Field("prdy_clpr_vrss_hgpr_rate", "high_change_rate", _DECIMAL, "%"),
    Field("prdy_clpr_vrss_lwpr_rate", "low_change_rate", _DECIMAL, "%"),
    Field("uplm_issu_cnt", "upper_limit_issues", _INTEGER, "issues"),
    Field("ascn_issu_cnt", "rising_issues", _INTEGER, "issues"),
    Field("stnr_issu_cnt", "unchanged_issues", _INTEGER, "issues"),
    Field("down_issu_cnt", "falling_issues", _INTEGER, "issues"),
    Field("lslm_issu_cnt", "lower_limit_issues", _INTEGER, "issues"),
    Field("qtqt_ascn_issu_cnt", "quoted_rising_issues", _INTEGER, "issues"),
    Field("qtqt_down_issu_cnt", "quoted_falling_issues", _INTEGER, "issues"),
    Field("tick_vrss", "tick_change", FieldType.TEXT),
)

INDEX_CHANNELS = (Channel("H0UPCNT0", Kind.INDEX, Venue.KRX, _INDEX, (Width(30),), key=Key.INDEX),)
