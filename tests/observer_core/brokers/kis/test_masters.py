"""Master files: real rows, a row laid out by the broker's table, and damage (broker reference, 5)."""

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observer_core.brokers.kis.master_layouts import KONEX, KOSDAQ, KOSPI
from observer_core.brokers.kis.masters import Instrument, parse_master, unzip_master
from observer_core.clock import KST
from observer_core.errors import MasterFileError
from observer_core.reference.instrument import Market

from .master_rows import KOSDAQ_ROWS, KOSPI_ROWS, master, zipped

# Broker reference, 5.3: field and width, in order.
KONEX_TABLE = """
mksc_shrn_iscd 9; stnd_iscd 12; hts_kor_isnm 40; scrt_grp_cls_code 2; stck_sdpr 9;
frml_mrkt_deal_qty_unit 5; ovtm_mrkt_deal_qty_unit 5; trht_yn 1; sltr_yn 1; mang_issu_yn 1;
mrkt_alrm_cls_code 2; mrkt_alrm_risk_adnt_yn 1; insn_pbnt_yn 1; byps_lstn_yn 1; flng_cls_code 2;
fcam_mod_cls_code 2; icic_cls_code 2; marg_rate 3; crdt_able 1; crdt_days 3; prdy_vol 12; stck_fcam 12;
stck_lstn_date 8; lstn_stcn 15; cpfn 21; stac_month 2; po_prc 7; prst_cls_code 1; ssts_hot_yn 1;
stange_runup_yn 1; krx300_issu_yn 1; sale_account 9; bsop_prfi 9; op_prfi 9; thtr_ntin 5; roe 9;
base_date 8; prdy_avls_scal 9; co_crdt_limt_over_yn 1; secu_lend_able_yn 1; stln_able_yn 1
"""


def parsed(rows, layout=KOSPI) -> dict[str, Instrument]:
    return {one.code: one for one in parse_master(master(rows), layout, source="file")}


def spoiled(row: str, offset: int, value: bytes) -> bytes:
    content = row.encode("cp949")
    return content[:offset] + value + content[offset + len(value) :] + b"\n"


def test_a_real_kospi_share_is_read_whole():
    assert parsed(KOSPI_ROWS)["005930"] == Instrument(
        code="005930",
        isin="KR7005930003",
        name="삼성전자",
        market=Market.KOSPI,
        group="ST",
        preferred_class="0",
        spac=False,
        suspended=False,
        liquidation=False,
        administrative=False,
        market_warning="00",
        ex_rights="00",
        face_value_change="00",
        capital_increase="00",
        base_price=188200,
        previous_volume=29522650,
        face_value=100,
        listed_date=date(1975, 6, 11),
        listed_shares=5_919_637_000,
        capital=778_046_685_000,
        previous_market_cap=1_114_075_800_000_000,
    )


def test_a_real_kosdaq_share_is_read_whole():
    one = parsed(KOSDAQ_ROWS, KOSDAQ)["003380"]
    assert (one.name, one.market, one.group, one.base_price) == ("하림지주", Market.KOSDAQ, "ST", 16100)
    assert (one.previous_volume, one.face_value, one.listed_date) == (4428771, 100, date(2017, 6, 30))
    assert (one.listed_shares, one.capital) == (112_005_000, 11_242_047_800)
    assert one.previous_market_cap == 1_803_200_000_000


def test_real_rows_show_every_flag():
    kospi, kosdaq = parsed(KOSPI_ROWS), parsed(KOSDAQ_ROWS, KOSDAQ)
    assert kospi["001570"].suspended
    assert kospi["001570"].administrative
    assert kosdaq["0004Y0"].spac
    assert kosdaq["036180"].liquidation
    assert kospi["00781K"].preferred_class == "9"
    assert (kospi["Q500061"].group, kospi["252670"].group) == ("EN", "EF")


def test_a_volume_above_two_billion_comes_negative_and_is_put_right():
    """A real row of an ETF that trades billions of shares a day: -470,686,208 + 2^32."""
    assert parsed(KOSPI_ROWS)["252670"].previous_volume == 3_824_281_088


def test_instruments_keep_the_order_of_the_file():
    assert list(parsed(KOSPI_ROWS)) == ["005930", "00781K", "252670", "001570", "Q500061"]


def test_a_konex_row_laid_out_by_the_broker_s_table_is_read():
    values = {
        "mksc_shrn_iscd": "112190",
        "stnd_iscd": "KR7112190004",
        "hts_kor_isnm": "코넥스 회사",
        "scrt_grp_cls_code": "KN",
        "stck_sdpr": "000001234",
        "trht_yn": "Y",
        "sltr_yn": "N",
        "mang_issu_yn": "Y",
        "mrkt_alrm_cls_code": "02",
        "flng_cls_code": "01",
        "fcam_mod_cls_code": "02",
        "icic_cls_code": "03",
        "prdy_vol": "000000000777",
        "stck_fcam": "000000000500",
        "stck_lstn_date": "20130701",
        "lstn_stcn": "000000000004321",
        "cpfn": "000000000002160500000",
        "prst_cls_code": "1",
        "prdy_avls_scal": "000000053",
    }
    row = b""
    for part in KONEX_TABLE.replace("\n", " ").split(";"):
        name, width = part.split()
        row += values.get(name, "").encode("cp949").ljust(int(width))
    [one] = parse_master(row + b"\n", KONEX, source="konex")
    assert one == Instrument(
        code="112190",
        isin="KR7112190004",
        name="코넥스 회사",
        market=Market.KONEX,
        group="KN",
        preferred_class="1",
        spac=False,
        suspended=True,
        liquidation=False,
        administrative=True,
        market_warning="02",
        ex_rights="01",
        face_value_change="02",
        capital_increase="03",
        base_price=1234,
        previous_volume=777,
        face_value=500,
        listed_date=date(2013, 7, 1),
        listed_shares=4_321_000,
        capital=2_160_500_000,
        previous_market_cap=5_300_000_000,
    )


@pytest.mark.parametrize(
    ("offset", "value", "field"),
    [
        (0, b"         ", "mksc_shrn_iscd"),
        (0, b"0059 0   ", "mksc_shrn_iscd"),
        (9, b" " * 12, "stnd_iscd"),
        (21, b"\xff\xff", "hts_kor_isnm"),
        (21, b" " * 40, "hts_kor_isnm"),
        (61, b"  ", "scrt_grp_cls_code"),
        (90, b"X", "etpr_undt_objt_co_yn"),
        (102, b"00018820 ", "stck_sdpr"),
        (102, b"-00188200", "stck_sdpr"),
        (102, b"0_0188200", "stck_sdpr"),
        (121, b"1", "trht_yn"),
        (122, b"0", "sltr_yn"),
        (124, b"  ", "mrkt_alrm_cls_code"),
        (142, b"-99999999999", "prdy_vol"),
        (166, b"19750631", "stck_lstn_date"),
        (166, b"1975-6-1", "stck_lstn_date"),
        (174, b"00000000591963x", "lstn_stcn"),
        (219, b" ", "prst_cls_code"),
        (273, b"         ", "prdy_avls_scal"),
    ],
)
def test_a_spoiled_field_is_named_with_file_line_offset_and_value(offset, value, field):
    content = master(KOSPI_ROWS[1:3]) + spoiled(KOSPI_ROWS[0], offset, value)
    with pytest.raises(MasterFileError) as caught:
        parse_master(content, KOSPI, source="kospi_code.mst")
    text = str(caught.value)
    assert text.startswith(f"kospi_code.mst, line 3, field {field} at byte ")
    assert repr(value)[2:-1].strip("'") in text


def test_a_missing_listing_date_is_none():
    [one] = parse_master(spoiled(KOSPI_ROWS[0], 166, b"00000000"), KOSPI, source="file")
    assert one.listed_date is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "file has no records"),
        (b"\n", "file, line 1 has 0 bytes instead of 288"),
        (master(KOSPI_ROWS)[:-40], "file, line 5 has 249 bytes instead of 288"),
        (master(KOSPI_ROWS).replace(b"\n", b"\r\n"), "file, line 1 has 289 bytes instead of 288"),
        (master(KOSDAQ_ROWS), "file, line 1 has 282 bytes instead of 288"),
        (master(KOSPI_ROWS) + b"\n", "file, line 6 has 0 bytes instead of 288"),
    ],
)
def test_records_of_another_width_are_refused(content, message):
    with pytest.raises(MasterFileError, match=message):
        parse_master(content, KOSPI, source="file")


def test_a_last_line_without_line_end_is_a_record():
    assert len(parse_master(master(KOSPI_ROWS)[:-1], KOSPI, source="file")) == len(KOSPI_ROWS)


def test_a_zip_gives_its_member_and_when_it_was_packed():
    unzipped = unzip_master(zipped("kospi_code.mst", master(KOSPI_ROWS)), KOSPI, source="file")
    assert unzipped.content == master(KOSPI_ROWS)
    assert unzipped.packed_at == datetime(2026, 3, 9, 7, 35, 6, tzinfo=KST)


GOOD_ZIP = zipped("kospi_code.mst", master(KOSPI_ROWS))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "file is not a readable zip file of 0 bytes"),
        (b"<html>maintenance</html>", "file is not a readable zip file of 24 bytes"),
        (GOOD_ZIP[: len(GOOD_ZIP) // 2], "file is not a readable zip file"),
        (GOOD_ZIP[:-10], "file is not a readable zip file"),
        (GOOD_ZIP[:100] + b"\0\1\2\3" + GOOD_ZIP[104:], "file is not a readable zip file"),
        (zipped("kosdaq_code.mst", b"x"), "file holds kosdaq_code.mst instead of kospi_code.mst alone"),
    ],
)
def test_a_damaged_or_wrong_zip_is_refused(content, message):
    with pytest.raises(MasterFileError, match=message):
        unzip_master(content, KOSPI, source="file")


@given(st.binary(max_size=600))
def test_arbitrary_bytes_are_a_master_file_error(content):
    with pytest.raises(MasterFileError):
        unzip_master(content, KOSPI, source="file")
    with pytest.raises(MasterFileError):
        parse_master(content, KOSPI, source="file")
