"""The master files of a day (broker reference, section 5).

Invariant: every record has the documented width in bytes, and its base price and previous volume
are those of the trading day before, so the files agree with the tapes. What the simulated market
does not know (sectors, index membership, accounts) is empty, zero or `N`.
"""

from __future__ import annotations

import io
import zipfile
from datetime import date

from aiohttp import web

from observer_core.clock import Clock
from observer_core.reference.instrument import ListedInstrument
from observer_core.reference.instrument import Market as MarketName
from observer_simulator.market.history import DayFigures
from observer_simulator.market.market import Market

_ENCODING = "cp949"
_FILES = {"kospi_code.mst": MarketName.KOSPI, "kosdaq_code.mst": MarketName.KOSDAQ}
# What NXT trades, in the same layout.
_NXT_FILES = {f"nxt_{name}": market for name, market in _FILES.items()}
_WIDTHS = {MarketName.KOSPI: 288, MarketName.KOSDAQ: 282}
# Members of the real files carry the morning of their day.
_MEMBER_TIME = (7, 35, 0)
_HUNDRED_MILLION = 100_000_000

_Fields = tuple[tuple[int, str], ...]


class MasterFiles:
    """Serves the zip files of the present day.

    Args:
        market: The market.
        clock: The market's time.
    """

    def __init__(self, market: Market, clock: Clock) -> None:
        self._market = market
        self._clock = clock
        self._made: dict[tuple[date, str], bytes] = {}

    async def download(self, request: web.Request) -> web.StreamResponse:
        """GET of one file; an unknown name is 404."""
        name = request.match_info["name"]
        member = name.removesuffix(".zip")
        if member == name or member not in _FILES | _NXT_FILES:
            raise web.HTTPNotFound
        day = self._clock.now().date()
        content = self._made.get((day, member))
        if content is None:
            content = master_zip(self._market, member, day)
            self._made = {key: made for key, made in self._made.items() if key[0] == day}
            self._made[day, member] = content
        return web.Response(body=content, content_type="application/zip")


def master_zip(market: Market, member: str, day: date) -> bytes:
    """Returns a zip file with one member, as it stands on a day.

    Args:
        market: The market.
        member: `kospi_code.mst` or `kosdaq_code.mst`, and the same names with `nxt_` before them.
        day: A day; on one without trading the figures are those for the next trading day.
    """
    session_day = day if market.calendar.is_trading_day(day) else market.calendar.next_trading_day(day)
    wanted = (_FILES | _NXT_FILES)[member]
    listed = list(market.instruments.values())
    if member in _NXT_FILES:
        listed = [one for one in listed if market.on_nxt(one.code, session_day)]
    lines = [
        master_record(instrument, market.figures(instrument.code, session_day)) + b"\n"
        for instrument in listed
        if instrument.market is wanted
    ]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(member, (day.year, day.month, day.day, *_MEMBER_TIME))
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, b"".join(lines))
    return packed.getvalue()


def master_record(instrument: ListedInstrument, figures: DayFigures) -> bytes:
    """Returns one record without its line end: 288 bytes for KOSPI, 282 for KOSDAQ."""
    middle = _kospi_flags(instrument) if instrument.market is MarketName.KOSPI else _kosdaq_flags(instrument)
    kospi = instrument.market is MarketName.KOSPI
    record = b"".join(
        _bytes(width, text)
        for fields in (
            _head(instrument),
            middle,
            _trading(instrument, figures),
            _tail(instrument, figures, kospi),
        )
        for width, text in fields
    )
    assert len(record) == _WIDTHS[instrument.market], "the fields add up to the documented width"
    return record


def _head(instrument: ListedInstrument) -> _Fields:
    """Both files, offset 0 to 76."""
    return (
        (9, instrument.code),  # mksc_shrn_iscd
        (12, instrument.isin),  # stnd_iscd
        (40, instrument.name),  # hts_kor_isnm
        (2, instrument.group),  # scrt_grp_cls_code
        (1, "0"),  # avls_scal_cls_code
        (4, "0000"),  # bstp_larg_div_code
        (4, "0000"),  # bstp_medm_div_code
        (4, "0000"),  # bstp_smal_div_code
    )


def _kospi_flags(instrument: ListedInstrument) -> _Fields:
    """KOSPI, offset 76 to 102."""
    return (
        (1, "N"),  # mnin_cls_code_yn
        (1, "N"),  # low_current_yn
        (1, "N"),  # sprn_strr_nmix_issu_yn
        (1, "0"),  # kospi200_apnt_cls_code
        (3, "NNN"),  # kospi100_issu_yn, kospi50_issu_yn, krx_issu_yn
        (1, "0"),  # etp_prod_cls_code
        (6, "NNNNNN"),  # elw_pblc_yn, krx100, krx_car, krx_smcn, krx_bio, krx_bank
        (1, _flag(instrument.spac)),  # etpr_undt_objt_co_yn
        (2, "NN"),  # krx_enrg_chms_yn, krx_stel_yn
        (1, "0"),  # short_over_cls_code
        (8, "NNNNNNNN"),  # krx_medi_cmnc to sri_nmix_yn
    )


def _kosdaq_flags(instrument: ListedInstrument) -> _Fields:
    """KOSDAQ, offset 76 to 97."""
    return (
        (1, "N"),  # vntr_issu_yn
        (1, "N"),  # low_current_yn
        (1, "N"),  # krx_issu_yn
        (1, "0"),  # etp_prod_cls_code
        (5, "NNNNN"),  # krx100, krx_car, krx_smcn, krx_bio, krx_bank
        (1, _flag(instrument.spac)),  # etpr_undt_objt_co_yn
        (2, "NN"),  # krx_enrg_chms_yn, krx_stel_yn
        (1, "0"),  # short_over_cls_code
        (8, "NNNNNNNN"),  # krx_medi_cmnc to ksq150_nmix_yn
    )


def _trading(instrument: ListedInstrument, figures: DayFigures) -> _Fields:
    """Both files: KOSPI from offset 102, KOSDAQ from 97."""
    return (
        (9, f"{figures.base_price:09d}"),  # stck_sdpr
        (5, "00001"),  # frml_mrkt_deal_qty_unit
        (5, "00001"),  # ovtm_mrkt_deal_qty_unit
        (1, _flag(instrument.suspended)),  # trht_yn
        (1, _flag(instrument.liquidation)),  # sltr_yn
        (1, "N"),  # mang_issu_yn
        (2, "00"),  # mrkt_alrm_cls_code
        (3, "NNN"),  # mrkt_alrm_risk_adnt_yn, insn_pbnt_yn, byps_lstn_yn
        (6, "000000"),  # flng_cls_code, fcam_mod_cls_code, icic_cls_code
        (3, "100"),  # marg_rate
        (1, "N"),  # crdt_able
        (3, "000"),  # crdt_days
        (12, f"{figures.previous_volume:012d}"),  # prdy_vol
        (12, "0" * 12),  # stck_fcam
        (8, "20000103"),  # stck_lstn_date
        (15, f"{instrument.listed_shares // 1000:015d}"),  # lstn_stcn, in thousands
        (21, "0" * 21),  # cpfn
        (2, "12"),  # stac_month
        (7, " " * 7),  # po_prc
        (1, instrument.preferred_class),  # prst_cls_code
        (3, " NN"),  # ssts_hot_yn, stange_runup_yn, krx300_issu_yn
    )


def _tail(instrument: ListedInstrument, figures: DayFigures, kospi: bool) -> _Fields:
    """Both files; KOSPI has one flag more at the front and writes its ROE with decimals."""
    value = instrument.listed_shares * figures.base_price // _HUNDRED_MILLION
    return (
        (1 if kospi else 0, "Y" if kospi else ""),  # kospi_issu_yn
        (9, "0" * 9),  # sale_account
        (9, "0" * 9),  # bsop_prfi
        (9, "0" * 9),  # op_prfi
        (5, "0" * 5),  # thtr_ntin
        (9, "000000.00" if kospi else "0" * 9),  # roe
        (8, ""),  # base_date
        (9, f"{value:09d}"),  # prdy_avls_scal
        (3, ""),  # grp_code
        (3, "NNN"),  # co_crdt_limt_over_yn, secu_lend_able_yn, stln_able_yn
    )


def _bytes(width: int, text: str) -> bytes:
    encoded = text.encode(_ENCODING).ljust(width)
    assert len(encoded) == width, f"{text!r} has no more than {width} bytes"
    return encoded


def _flag(value: bool) -> str:
    return "Y" if value else "N"
