"""What all records have in common: signs, times and widths.

Invariant: a record always has the width asked for; a narrower one is the older table's prefix, a
wider one carries values that no table knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

import numpy as np

from observer_core.clock.base import NANOSECONDS
from observer_core.market.calendar import AFTER_MARKET_SINCE
from observer_simulator.market.ladder import Integers
from observer_simulator.market.tape import Moment

TRADE_WIDTH, BOOK_WIDTH = 47, 63
NXT_BOOK_WIDTH, UNIFIED_BOOK_WIDTH = 65, 66
_OLDER_TRADE_WIDTH, _OLDER_BOOK_WIDTH, _OLDEST_BOOK_WIDTH = 46, 62, 59
# The midpoint block came between late 2024 and 2026-06, probably in this winter (reference, 0.2).
_MIDPOINT_SINCE = date(2026, 1, 1)

_UNKNOWN_VALUE = "7"

# MARKET_CLS_CODE: 1 pre, 2 regular, 3 after, 5 closing price (broker reference, 7.2).
MARKET_CLASS = {
    Moment.OPENING_AUCTION: 1,
    Moment.CONTINUOUS: 2,
    Moment.CLOSING_AUCTION: 2,
    Moment.OFF_HOURS_CLOSE: 5,
    Moment.AFTER_MARKET: 3,
    Moment.PRE_MARKET: 1,
}


def trade_width(day: date) -> int:
    """Returns the values of a trade record on a day."""
    return TRADE_WIDTH if day >= AFTER_MARKET_SINCE else _OLDER_TRADE_WIDTH


def book_width(day: date) -> int:
    """Returns the values of a book record on a day."""
    if day >= AFTER_MARKET_SINCE:
        return BOOK_WIDTH
    return _OLDER_BOOK_WIDTH if day >= _MIDPOINT_SINCE else _OLDEST_BOOK_WIDTH


def nxt_book_width(_day: date) -> int:
    """Returns the values of a book record of NXT."""
    return NXT_BOOK_WIDTH


def unified_book_width(day: date) -> int:
    """Returns the values of a book record of both exchanges on a day."""
    return UNIFIED_BOOK_WIDTH if day >= AFTER_MARKET_SINCE else NXT_BOOK_WIDTH


def fit(record: str, known: int, width: int) -> str:
    """Returns a record of `known` values with `width` values instead."""
    if width == known:
        return record
    if width > known:
        return record + f"^{_UNKNOWN_VALUE}" * (width - known)
    return record.rsplit("^", known - width)[0]


def signs(change: Integers) -> Integers:
    """Returns 2 for up, 3 for flat, 5 for down (broker reference, 7.2)."""
    return np.where(change > 0, 2, np.where(change < 0, 5, 3))


def base_signs(price: Integers, base: int, lower: int, upper: int) -> Integers:
    """Returns the sign against the base price, where 1 and 4 tell the upper and the lower limit."""
    return np.where(price >= upper, 1, np.where(price <= lower, 4, signs(price - base)))


def digits(time_ns: Integers) -> list[str]:
    """Returns HHMMSS for nanoseconds since midnight."""
    seconds = time_ns // NANOSECONDS
    number = seconds // 3600 * 10000 + seconds // 60 % 60 * 100 + seconds % 60
    return [f"{value:06d}" for value in number.tolist()]


def decimals(part: Integers, whole: Integers | int, scale: float = 1.0) -> list[str]:
    """Returns part / whole * scale with two decimals, and 0.00 where the whole is 0."""
    quotient = np.where(np.asarray(whole) > 0, part / np.maximum(whole, 1) * scale, 0.0)
    return [f"{value:.2f}" for value in quotient.tolist()]


def rows(columns: Sequence[Iterable[object]], width: int) -> list[str]:
    """Returns one record per row of the columns, cut or extended to `width` values."""
    return [fit("^".join(map(str, row)), len(columns), width) for row in zip(*columns, strict=True)]
