"""A symbol's day as arrays: every change of its market, every trade, every cumulative figure.

Invariant: a tape is the whole truth of a symbol's day. Each trade belongs to one state of the
market; the cumulative figures after each trade are the sums over the trades up to it, auction and
off-hours trades counting in volume and value but on neither side (broker reference, 7.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from observer_core.clock.base import NANOSECONDS
from observer_simulator.market.ladder import Integers


def time_of_day_ns(moment: time) -> int:
    """Returns a time of the day in nanoseconds since midnight."""
    return ((moment.hour * 60 + moment.minute) * 60 + moment.second) * NANOSECONDS


class Moment(IntEnum):
    """What the market does at a state."""

    OPENING_AUCTION = 0
    CONTINUOUS = 1
    CLOSING_AUCTION = 2
    OFF_HOURS_CLOSE = 3
    AFTER_MARKET = 4
    PRE_MARKET = 5


class Side(IntEnum):
    """CCLD_DVSN of a trade (broker reference, 7.2); an auction has no side."""

    BUY = 1
    AUCTION = 3
    SELL = 5


@dataclass(frozen=True, slots=True, eq=False)
class States:
    """The changes of the market in the order of time; each has a book, some have trades.

    Attributes:
        time: Nanoseconds since midnight, Korean time, strictly increasing.
        moment: `Moment` of each.
        bid: Rung of the best bid.
        ask: Rung of the best ask, above the bid.
        first_trade: Index of the first trade of each state; one more entry than states.
        expected_price: Expected auction price in KRW, 0 outside of auctions.
        expected_volume: Expected auction volume in shares; outside of auctions that of the last one.
    """

    time: Integers
    moment: NDArray[np.int8]
    bid: NDArray[np.int32]
    ask: NDArray[np.int32]
    first_trade: NDArray[np.int32]
    expected_price: NDArray[np.int32]
    expected_volume: Integers

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True, slots=True, eq=False)
class Trades:
    """The trades in order, each with the day's figures after it.

    Attributes:
        state: Index of the state that the trade belongs to.
        price: KRW.
        volume: Shares, at least one.
        side: `Side`.
        cumulative_volume: Shares.
        cumulative_value: KRW.
        sells: Number of sell-initiated trades.
        buys: Number of buy-initiated trades.
        sell_volume: Shares of the sell-initiated trades.
        buy_volume: Shares of the buy-initiated trades.
        open: Index of the trade that made the day's open.
        high: Index of the trade that made the high so far.
        low: Index of the trade that made the low so far.
    """

    state: NDArray[np.int32]
    price: Integers
    volume: Integers
    side: NDArray[np.int8]
    cumulative_volume: Integers
    cumulative_value: Integers
    sells: NDArray[np.int32]
    buys: NDArray[np.int32]
    sell_volume: Integers
    buy_volume: Integers
    open: NDArray[np.int32]
    high: NDArray[np.int32]
    low: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.price)


@dataclass(frozen=True, slots=True, eq=False)
class Tape:
    """A symbol's day.

    Attributes:
        code: Short code.
        day: Trading day.
        base_price: KRW.
        lower_limit: KRW.
        upper_limit: KRW.
        previous_volume: Shares of the trading day before.
        listed_shares: Shares.
        key: Number behind the quantities of its books.
        states: The changes of the market.
        trades: The trades.
    """

    code: str
    day: date
    base_price: int
    lower_limit: int
    upper_limit: int
    previous_volume: int
    listed_shares: int
    key: np.uint64
    states: States
    trades: Trades

    def states_until(self, time_ns: int) -> int:
        """Returns how many states there are up to and including a time of the day."""
        return int(np.searchsorted(self.states.time, time_ns, side="right"))

    def trades_until(self, time_ns: int) -> int:
        """Returns how many trades there are up to and including a time of the day."""
        return int(self.states.first_trade[self.states_until(time_ns)])

    def trade_times(self) -> Integers:
        """Returns the nanoseconds since midnight of every trade."""
        return self.states.time[self.trades.state]


@dataclass(frozen=True, slots=True)
class Totals:
    """What a stretch of a tape traded.

    Attributes:
        trades: Number of trades.
        shares: Their volume.
        value: Their value, KRW.
        buy_trades: Number of buy-initiated trades.
        sell_trades: Number of sell-initiated trades.
        buy_volume: Shares of the buy-initiated trades.
        sell_volume: Shares of the sell-initiated trades.
        cumulative_volume: The day's cumulative volume after the last trade, as the records carry it.
        cumulative_value: The same of the value, KRW.
    """

    trades: int
    shares: int
    value: int
    buy_trades: int
    sell_trades: int
    buy_volume: int
    sell_volume: int
    cumulative_volume: int
    cumulative_value: int


def totals(tape: Tape, first: int, end: int) -> Totals:
    """Returns what the trades from index `first` up to, not including, `end` come to."""
    trades = tape.trades
    volume, side = trades.volume[first:end], trades.side[first:end]
    buying, selling = side == Side.BUY, side == Side.SELL
    return Totals(
        trades=end - first,
        shares=int(volume.sum()),
        value=int((trades.price[first:end] * volume).sum()),
        buy_trades=int(buying.sum()),
        sell_trades=int(selling.sum()),
        buy_volume=int(volume[buying].sum()),
        sell_volume=int(volume[selling].sum()),
        cumulative_volume=int(trades.cumulative_volume[end - 1]) if end else 0,
        cumulative_value=int(trades.cumulative_value[end - 1]) if end else 0,
    )
