"""H0STMKO0, H0NXMKO0 and H0UNMKO0: market operation records (broker reference, 7.1).

Ten values on the wire, no exchange.
"""

from __future__ import annotations

from datetime import time

from observer_core.market.calendar import Session
from observer_simulator.market.venue import Venue

_HALTED, _CREDIT_ALLOWED = "58", "55"


# What every message of the unified channel said; it is in no code table (broker reference, 7.1).
_UNLISTED = "AB1"


def operation_events(session: Session, venue: Venue = Venue.KRX) -> list[tuple[time, str, str]]:
    """Returns the changes of phase of a day: when, MKOP_CLS_CODE, ANTC code.

    The codes of the KRX after-market are not published, so it has no event; those of NXT and of the unified
    channel are the one that was seen there.
    """
    if venue is Venue.KRX:
        return _krx_events(session)
    moments = _nxt_moments(session)
    if venue is Venue.UNIFIED:
        moments |= {moment for moment, _, _ in _krx_events(session)}
    return [(moment, _UNLISTED, "") for moment in sorted(moments)]


def _nxt_moments(session: Session) -> set[time]:
    hours = session.nxt
    if hours is None:
        return set()
    bounds = (hours.pre_from, hours.pre_to, hours.main_from, hours.main_to, hours.after_from, hours.after_to)
    return {moment for moment in bounds if moment is not None}


def _krx_events(session: Session) -> list[tuple[time, str, str]]:
    return [
        (session.auction_from, "110", "311"),
        (session.opens, "112", "112"),
        (session.closing_auction_from, "121", "121"),
        (session.closes, "129", "129"),
        (session.off_hours_from, "140", ""),
        (session.off_hours_to, "149", ""),
    ]


def operation_record(code: str, operation: str, expected: str, *, halted: bool) -> str:
    """Returns one record.

    Args:
        code: Short code.
        operation: MKOP_CLS_CODE.
        expected: ANTC_MKOP_CLS_CODE.
        halted: Whether the symbol is suspended.
    """
    values = (
        code,  # 0 mksc_shrn_iscd
        "Y" if halted else "N",  # 1 trht_yn
        "(null)",  # 2 tr_susp_reas_cntt: the literal text when there is no reason
        operation,  # 3 mkop_cls_code
        expected,  # 4 antc_mkop_cls_code
        "",  # 5 mrkt_trtm_cls_code
        "",  # 6 divi_app_cls_code
        _HALTED if halted else _CREDIT_ALLOWED,  # 7 iscd_stat_cls_code
        "N",  # 8 vi_cls_code
        "N",  # 9 ovtm_vi_cls_code
    )
    return "^".join(values)
