"""The catalogue against the broker's tables (broker reference, 7.0 and 7.1)."""

import pytest

from observer_core.brokers.kis.catalogue import CHANNELS, MULTI_PRICE_FIELDS, FieldType, Kind, Venue


def names(text: str) -> list[str]:
    return text.split()


# Broker reference, 7.1: "H0STANC0 in one line (45)".
EXPECTED_TRADE_NAMES = names(
    """
    mksc_shrn_iscd stck_cntg_hour stck_prpr prdy_vrss_sign prdy_vrss prdy_ctrt wghn_avrg_stck_prc
    stck_oprc stck_hgpr stck_lwpr askp1 bidp1 cntg_vol acml_vol acml_tr_pbmn seln_cntg_csnu
    shnu_cntg_csnu ntby_cntg_csnu cttr seln_cntg_smtn shnu_cntg_smtn cntg_cls_code shnu_rate
    prdy_vol_vrss_acml_vol_rate oprc_hour oprc_vrss_prpr_sign oprc_vrss_prpr hgpr_hour
    hgpr_vrss_prpr_sign hgpr_vrss_prpr lwpr_hour lwpr_vrss_prpr_sign lwpr_vrss_prpr bsop_date
    new_mkop_cls_code trht_yn askp_rsqn1 bidp_rsqn1 total_askp_rsqn total_bidp_rsqn vol_tnrt
    prdy_smns_hour_acml_vol prdy_smns_hour_acml_vol_rate hour_cls_code mrkt_trtm_cls_code
    """
)

BOOK_TAIL = names(
    """
    total_askp_rsqn total_bidp_rsqn ovtm_total_askp_rsqn ovtm_total_bidp_rsqn antc_cnpr antc_cnqn
    antc_vol antc_cntg_vrss antc_cntg_vrss_sign antc_cntg_prdy_ctrt acml_vol total_askp_rsqn_icdc
    total_bidp_rsqn_icdc ovtm_total_askp_icdc ovtm_total_bidp_icdc stck_deal_cls_code
    """
)

# Channel, its widths as section 7.0 has them (documented before, and on the wire now), kind, venue.
OVERVIEW = [
    ("H0STCNT0", {46, 47}, Kind.TRADE, Venue.KRX),
    ("H0NXCNT0", {46, 47}, Kind.TRADE, Venue.NXT),
    ("H0UNCNT0", {46, 47}, Kind.TRADE, Venue.UNIFIED),
    ("H0STASP0", {59, 62, 63}, Kind.BOOK, Venue.KRX),
    ("H0NXASP0", {65}, Kind.BOOK, Venue.NXT),
    ("H0UNASP0", {65, 66}, Kind.BOOK, Venue.UNIFIED),
    ("H0STANC0", {45}, Kind.EXPECTED_TRADE, Venue.KRX),
    ("H0NXANC0", {46}, Kind.EXPECTED_TRADE, Venue.NXT),
    ("H0UNANC0", {46}, Kind.EXPECTED_TRADE, Venue.UNIFIED),
    ("H0STMKO0", {10, 11}, Kind.MARKET_OPERATION, Venue.KRX),
    ("H0NXMKO0", {10, 11}, Kind.MARKET_OPERATION, Venue.NXT),
    ("H0UNMKO0", {10, 11}, Kind.MARKET_OPERATION, Venue.UNIFIED),
    ("H0STCNI0", {23, 26}, Kind.EXECUTION_NOTICE, Venue.KRX),
    ("H0STCNI9", {23, 26}, Kind.EXECUTION_NOTICE, Venue.KRX),
    ("H0STPGM0", {11}, Kind.PROGRAM, Venue.KRX),
    ("H0NXPGM0", {11}, Kind.PROGRAM, Venue.NXT),
    ("H0UNPGM0", {11}, Kind.PROGRAM, Venue.UNIFIED),
    ("H0UPCNT0", {30}, Kind.INDEX, Venue.KRX),
    ("H0UPANC0", {15, 30}, Kind.EXPECTED_INDEX, Venue.KRX),
    ("H0UPPGM0", {88}, Kind.INDEX_PROGRAM, Venue.KRX),
    ("H0STMBC0", {78}, Kind.MEMBERS, Venue.KRX),
    ("H0NXMBC0", {78}, Kind.MEMBERS, Venue.NXT),
    ("H0UNMBC0", {78}, Kind.MEMBERS, Venue.UNIFIED),
    ("H0STOUP0", {43}, Kind.OFF_HOURS_TRADE, Venue.KRX),
    ("H0STOAC0", {43}, Kind.OFF_HOURS_EXPECTED_TRADE, Venue.KRX),
    ("H0STOAA0", {54, 58}, Kind.OFF_HOURS_BOOK, Venue.KRX),
    ("H0STNAV0", {8}, Kind.ETF_NET_ASSET_VALUE, Venue.KRX),
]


def broker_names(channel: str) -> list[str]:
    return [field.broker_name for field in CHANNELS[channel].fields]


@pytest.mark.parametrize(("name", "widths", "kind", "venue"), OVERVIEW)
def test_each_documented_channel_is_there_with_its_widths(name, widths, kind, venue):
    channel = CHANNELS[name]
    assert {width.values for width in channel.widths} == widths
    assert (channel.kind, channel.venue) == (kind, venue)


def test_there_is_no_other_channel():
    assert set(CHANNELS) == {row[0] for row in OVERVIEW}


@pytest.mark.parametrize("name", [row[0] for row in OVERVIEW])
def test_names_are_unique_and_cover_the_widest_record(name):
    channel = CHANNELS[name]
    assert len({field.name for field in channel.fields}) == len(channel.fields)
    if channel.fields:
        assert len(channel.fields) == max(width.values for width in channel.widths)


def test_expected_trades_have_the_broker_s_order():
    assert broker_names("H0STANC0") == EXPECTED_TRADE_NAMES
    for name in ("H0NXANC0", "H0UNANC0"):
        assert broker_names(name) == [*EXPECTED_TRADE_NAMES, "vi_stnd_prc"]


def test_trades_have_the_broker_s_order():
    nxt = [*EXPECTED_TRADE_NAMES, "vi_stnd_prc", "market_cls_code"]
    assert broker_names("H0NXCNT0") == broker_names("H0UNCNT0") == nxt
    assert broker_names("H0STCNT0") == ["ccld_dvsn" if name == "cntg_cls_code" else name for name in nxt]


def test_books_have_the_broker_s_order():
    levels = [
        f"{name}{level}" for name in ("askp", "bidp", "askp_rsqn", "bidp_rsqn") for level in range(1, 11)
    ]
    common = ["mksc_shrn_iscd", "bsop_hour", "hour_cls_code", *levels, *BOOK_TAIL]
    nxt = ["kmid_prc", "kmid_total_rsqn", "kmid_cls_code", "nmid_prc", "nmid_total_rsqn", "nmid_cls_code"]
    assert broker_names("H0STASP0") == [
        *common, "mid_prc", "midp_total_rsqn", "midp_cls_code", "market_cls_code"
    ]  # fmt: skip
    assert broker_names("H0NXASP0") == [*common, *nxt]
    assert broker_names("H0UNASP0") == [*common, *nxt, "antc_exch_cls_code"]


@pytest.mark.parametrize("name", ["H0STMKO0", "H0NXMKO0", "H0UNMKO0"])
def test_market_operation_begins_with_the_code_in_every_channel(name):
    assert broker_names(name) == names(
        """
    mksc_shrn_iscd trht_yn tr_susp_reas_cntt mkop_cls_code antc_mkop_cls_code mrkt_trtm_cls_code
    divi_app_cls_code iscd_stat_cls_code vi_cls_code ovtm_vi_cls_code exch_cls_code
    """
    )


def test_index_notice_and_program_have_the_broker_s_order():
    assert broker_names("H0UPCNT0") == names(
        """
    bstp_cls_code bsop_hour prpr_nmix prdy_vrss_sign bstp_nmix_prdy_vrss acml_vol acml_tr_pbmn
    pcas_vol pcas_tr_pbmn prdy_ctrt oprc_nmix nmix_hgpr nmix_lwpr oprc_vrss_nmix_prpr
    oprc_vrss_nmix_sign hgpr_vrss_nmix_prpr hgpr_vrss_nmix_sign lwpr_vrss_nmix_prpr
    lwpr_vrss_nmix_sign prdy_clpr_vrss_oprc_rate prdy_clpr_vrss_hgpr_rate prdy_clpr_vrss_lwpr_rate
    uplm_issu_cnt ascn_issu_cnt stnr_issu_cnt down_issu_cnt lslm_issu_cnt qtqt_ascn_issu_cnt
    qtqt_down_issu_cnt tick_vrss
    """
    )
    assert broker_names("H0STCNI0") == names(
        """
    cust_id acnt_no oder_no ooder_no seln_byov_cls rctf_cls oder_kind oder_cond stck_shrn_iscd
    cntg_qty cntg_unpr stck_cntg_hour rfus_yn cntg_yn acpt_yn brnc_no oder_qty acnt_name
    ord_cond_prc ord_exg_gb popup_yn filler crdt_cls crdt_loan_date cntg_isnm40 oder_prc
    """
    )
    assert broker_names("H0STPGM0") == names(
        """
    mksc_shrn_iscd stck_cntg_hour seln_cnqn seln_tr_pbmn shnu_cnqn shnu_tr_pbmn ntby_cnqn
    ntby_tr_pbmn seln_rsqn shnu_rsqn whol_ntby_qty
    """
    )


def test_multi_price_has_the_broker_s_keys():
    assert [field.broker_name for field in MULTI_PRICE_FIELDS] == names(
        """
    kospi_kosdaq_cls_name mrkt_trtm_cls_name hour_cls_code inter_shrn_iscd inter_kor_isnm
    inter2_prpr inter2_prdy_vrss prdy_vrss_sign prdy_ctrt acml_vol inter2_oprc inter2_hgpr
    inter2_lwpr inter2_llam inter2_mxpr inter2_askp inter2_bidp seln_rsqn shnu_rsqn total_askp_rsqn
    total_bidp_rsqn acml_tr_pbmn inter2_prdy_clpr oprc_vrss_hgpr_rate intr_antc_cntg_vrss
    intr_antc_cntg_vrss_sign intr_antc_cntg_prdy_ctrt intr_antc_vol inter2_sdpr
    """
    )


def test_one_meaning_has_one_type_in_all_channels():
    """A column of the lake cannot be an integer for one channel and a decimal for another of its table."""
    for kind in (Kind.TRADE, Kind.BOOK, Kind.EXPECTED_TRADE, Kind.MARKET_OPERATION):
        types: dict[str, FieldType] = {}
        for channel in CHANNELS.values():
            if channel.kind is kind:
                for field in channel.fields:
                    assert types.setdefault(field.name, field.type) is field.type
