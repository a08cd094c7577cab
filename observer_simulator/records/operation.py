"""H0STMKO0: market operation records (broker reference, 7.1: ten values on the wire, no exchange)."""

from __future__ import annotations

from datetime import time

from observer_core.market.calendar import Session

_HALTED, _CREDIT_ALLOWED = "58", "55"


def operation_events(session: Session) -> list[tuple[time, str, str]]:
    """Returns the changes of phase of a day: when, MKOP_CLS_CODE, ANTC code.

    The codes of the after-market are not published, so it has no event.
    """
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
