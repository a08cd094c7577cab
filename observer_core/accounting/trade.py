"""One trade, as far as the accounting reads it.

Invariant: the figures are those of the record at the positions of the broker reference (7.1); a field that a
narrower record does not have is empty, or follows from the receive time. Texts are plain ASCII of a bounded
length, and figures those of a column of 64 bits, so that whatever comes of a trade can be written down.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from observer_core.accounting.account import Account
from observer_core.accounting.policy import SESSIONS
from observer_core.clock.base import kst_datetime

_BUSINESS_DATE = 33
_SESSION = 46
_DATE = re.compile(r"[0-9]{8}")
# A midpoint order trades at half a tick, which below 2,000 KRW is half a won.
_PRICE = re.compile(r"[+-]?[0-9]{1,12}(\.[0-9]{1,6})?")
# A symbol has 4 to 9 characters, a time 6; what has blanks or signs of control, or is longer, names nothing.
LONGEST_TEXT = 16
_TEXT = re.compile(rf"[!-~]{{1,{LONGEST_TEXT}}}")
# What a column of 64 bits holds.
LARGEST_FIGURE = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Trade:
    """The figures of one record that the accounting uses."""

    channel: str
    symbol: str
    business_date: str
    time: str
    received_ns: int
    volume: int
    cumulative: int
    value: int
    own_value: int
    sell_trades: int
    buy_trades: int
    sell_volume: int
    buy_volume: int
    side: str
    session: str

    @classmethod
    def parse(cls, channel: str, payload: str, wall_ns: int) -> Trade:
        """Returns the trade of a record; raises ValueError or IndexError."""
        values = payload.split("^")
        volume = _figure(values[12])
        return cls(
            channel=channel,
            symbol=_text(values[0]),
            business_date=_business_date(values, wall_ns),
            time=_text(values[1]),
            received_ns=wall_ns,
            volume=volume,
            cumulative=_figure(values[13]),
            value=_figure(values[14]),
            own_value=value_of(values[2], volume),
            sell_trades=_figure(values[15]),
            buy_trades=_figure(values[16]),
            sell_volume=_figure(values[19]),
            buy_volume=_figure(values[20]),
            side=values[21],
            session=SESSIONS.get(values[_SESSION], "") if len(values) > _SESSION else "",
        )

    def open_account(self) -> Account:
        """Returns the account of a day that begins with this trade."""
        account = Account(
            self.business_date, self.time, self.received_ns, self.cumulative, self.value,
            self.sell_trades, self.buy_trades, self.sell_volume, self.buy_volume,
        )  # fmt: skip
        account.trades, account.captured = 1, self.volume
        account.before_slot = self.cumulative - self.volume
        account.session = self.session
        return account

    def carry_on(self, account: Account) -> None:
        """Makes this trade the last one of an account."""
        account.trade_time, account.last_ns = self.time, self.received_ns
        account.volume, account.value = self.cumulative, self.value
        account.sell_trades, account.buy_trades = self.sell_trades, self.buy_trades
        account.sell_volume, account.buy_volume = self.sell_volume, self.buy_volume
        account.trades += 1
        account.captured += self.volume
        account.session = self.session


def value_of(price: str, volume: int) -> int:
    """Returns the value of a trade in won, without the fraction; raises ValueError for no price.

    Written in figures only: what else stands for a number (`Infinity`, an exponent) is none of the broker's.
    """
    if _PRICE.fullmatch(price) is None:
        raise ValueError(f"no price: {price[:20]}")
    return int(Decimal(price) * volume)


def require_figures(first: int, second: int = 0) -> None:
    """Raises ValueError where one is no figure of a trade: shares, won and counts are never below zero."""
    if not (0 <= first <= LARGEST_FIGURE and 0 <= second <= LARGEST_FIGURE):
        raise ValueError("no figure of a trade")


def _figure(text: str) -> int:
    figure = int(text)
    require_figures(figure)
    return figure


def _text(text: str) -> str:
    if _TEXT.fullmatch(text) is None:
        raise ValueError(f"no symbol or time of a trade: {text[:20]!r}")
    return text


def _business_date(values: list[str], wall_ns: int) -> str:
    """Returns the date that a trade states, and that of its receipt where it states none.

    A later date than that of its receipt would close the account to all trades until then.
    """
    received = f"{kst_datetime(wall_ns):%Y%m%d}"
    stated = values[_BUSINESS_DATE] if len(values) > _BUSINESS_DATE else ""
    if not stated:
        return received
    if _DATE.fullmatch(stated) is None or stated > received:
        raise ValueError(f"no business date: {stated[:20]}")
    return stated
