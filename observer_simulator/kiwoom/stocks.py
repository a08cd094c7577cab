"""The rows of ka10099 (Kiwoom reference, 6.1).

Invariant: the list of KOSPI holds other products beside shares, as the real one does; base prices are those
of the master files of the same day.
"""

from __future__ import annotations

from datetime import date

from observer_core.reference.instrument import ListedInstrument
from observer_core.reference.instrument import Market as MarketName
from observer_simulator.market.market import Market

_MARKETS = {"0": MarketName.KOSPI, "10": MarketName.KOSDAQ}
_SHARES = frozenset({"ST", "FS", "DR"})
# Group of the master files -> product class and its name; other groups stand in lists of their own.
_PRODUCTS = {"EF": ("8", "ETF"), "EN": ("60", "ETN"), "RT": ("6", "리츠"), "IF": ("2", "인프라투융자회사"),
             "MF": ("4", "뮤추얼펀드")}  # fmt: skip
_SHARE_NAMES = {"0": "거래소", "10": "코스닥"}


def stock_rows(market: Market, asked: str, day: date) -> list[dict[str, str]]:
    """Returns the list of a market on a day; empty for a market that is not simulated.

    Args:
        market: The market.
        asked: `mrkt_tp` of the request.
        day: A day; on one without trading the prices are those for the next trading day.
    """
    session_day = day if market.calendar.is_trading_day(day) else market.calendar.next_trading_day(day)
    return [
        _row(one, asked, market.figures(one.code, session_day).base_price)
        for one in market.instruments.values()
        if one.market is _MARKETS.get(asked) and (one.group in _SHARES or one.group in _PRODUCTS)
    ]


def _row(one: ListedInstrument, asked: str, price: int) -> dict[str, str]:
    product, name = (asked, _SHARE_NAMES[asked]) if one.group in _SHARES else _PRODUCTS[one.group]
    return {
        "code": one.code.removeprefix("Q"),
        "name": one.name,
        "listCount": f"{one.listed_shares:016d}",
        "auditInfo": "정상",
        "regDay": "20000103",
        "lastPrice": f"{price:08d}",
        "state": "증거금100%" + ("|거래정지" if one.suspended else ""),
        "marketCode": product,
        "marketName": name,
        "upName": "",
        "upSizeName": "",
        "companyClassName": "",
        "orderWarning": "2" if one.liquidation else "0",
        "nxtEnable": "Y",
        "kind": "A",
    }
