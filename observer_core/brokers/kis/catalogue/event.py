"""Market operation and program trading of single stocks (broker reference, 7.1: H0STMKO0, H0STPGM0)."""

from __future__ import annotations

from observer_core.brokers.kis.catalogue.model import Channel, Field, FieldType, Kind, Venue, Width

_CODE, _INTEGER, _FLAG = FieldType.CODE, FieldType.INTEGER, FieldType.FLAG

# The table of the unified channel leaves the code out and is wrong: on the wire it comes first.
_MARKET_OPERATION = (
    Field("mksc_shrn_iscd", "symbol", FieldType.TEXT, required=True),
    Field("trht_yn", "halted", _FLAG),
    Field("tr_susp_reas_cntt", "halt_reason", FieldType.TEXT),
    Field("mkop_cls_code", "operation_code", _CODE),
    Field("antc_mkop_cls_code", "expected_operation_code", _CODE),
    Field("mrkt_trtm_cls_code", "random_end_code", _CODE),
    Field("divi_app_cls_code", "allocation_code", _CODE),
    Field("iscd_stat_cls_code", "status_code", _CODE),
    Field("vi_cls_code", "vi_active", _FLAG),
    Field("ovtm_vi_cls_code", "off_hours_vi_active", _FLAG),
    Field("exch_cls_code", "exchange_code", _CODE),
)

_PROGRAM = (
    Field("mksc_shrn_iscd", "symbol", FieldType.TEXT, required=True),
    Field("stck_cntg_hour", "time", FieldType.TIME, required=True),
    Field("seln_cnqn", "program_sell_volume", _INTEGER, "shares"),
    Field("seln_tr_pbmn", "program_sell_value", _INTEGER, "KRW"),
    Field("shnu_cnqn", "program_buy_volume", _INTEGER, "shares"),
    Field("shnu_tr_pbmn", "program_buy_value", _INTEGER, "KRW"),
    Field("ntby_cnqn", "program_net_buy_volume", _INTEGER, "shares"),
    Field("ntby_tr_pbmn", "program_net_buy_value", _INTEGER, "KRW"),
    Field("seln_rsqn", "program_ask_quantity", _INTEGER, "shares"),
    Field("shnu_rsqn", "program_bid_quantity", _INTEGER, "shares"),
    Field("whol_ntby_qty", "program_net_quantity", _INTEGER, "shares"),
)


def _market_operation(name: str, venue: Venue) -> Channel:
    # 10 values were seen; the tables print 11, the last of which was never sent.
    widths = (Width(10), Width(11))
    return Channel(name, Kind.MARKET_OPERATION, venue, _MARKET_OPERATION, widths, time_position=None)


EVENT_CHANNELS = (
    _market_operation("H0STMKO0", Venue.KRX),
    _market_operation("H0NXMKO0", Venue.NXT),
    _market_operation("H0UNMKO0", Venue.UNIFIED),
    Channel("H0STPGM0", Kind.PROGRAM, Venue.KRX, _PROGRAM, (Width(11),)),
    Channel("H0NXPGM0", Kind.PROGRAM, Venue.NXT, _PROGRAM, (Width(11),)),
    Channel("H0UNPGM0", Kind.PROGRAM, Venue.UNIFIED, _PROGRAM, (Width(11),)),
)
