"""What the market shows of a symbol at an instant: the answer behind every REST quote.

Invariant: a quote is the tape read at one instant, so REST and websocket never contradict each
other; on a day without trading it shows the end of the last trading day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from observer_core.clock import KST, kst_datetime
from observer_core.clock.base import NANOSECONDS
from observer_simulator.market.book import books
from observer_simulator.market.ladder import PRICES
from observer_simulator.market.market import Market
from observer_simulator.market.tape import Moment, Tape
from observer_simulator.market.venue import Venue


@dataclass(frozen=True, slots=True)
class Quote:
    """A symbol at an instant; prices in KRW, volumes in shares, 0 where there is nothing yet.

    Attributes:
        tape: The day it belongs to.
        moment: What the market does; None before the first state of the day.
        trades: Number of trades so far.
        last: Last price; the base price before the first trade.
        open: Day's open.
        high: Day's high so far.
        low: Day's low so far.
        cumulative_volume: Shares so far.
        cumulative_value: KRW so far.
        ask: Best ask.
        bid: Best bid.
        ask_volume: Shares at the best ask.
        bid_volume: Shares at the best bid.
        ask_total: Shares on ten ask levels.
        bid_total: Shares on ten bid levels.
        expected_price: Expected auction price; 0 outside of auctions.
        expected_volume: Expected auction volume; 0 outside of auctions.
    """

    tape: Tape
    moment: Moment | None = None
    trades: int = 0
    last: int = 0
    open: int = 0
    high: int = 0
    low: int = 0
    cumulative_volume: int = 0
    cumulative_value: int = 0
    ask: int = 0
    bid: int = 0
    ask_volume: int = 0
    bid_volume: int = 0
    ask_total: int = 0
    bid_total: int = 0
    expected_price: int = 0
    expected_volume: int = 0


def day_time(instant_ns: int) -> tuple[datetime, int]:
    """Returns the Korean midnight before an instant, and the nanoseconds since."""
    moment = kst_datetime(instant_ns)
    midnight = datetime(moment.year, moment.month, moment.day, tzinfo=KST)
    return midnight, instant_ns - midnight_ns(midnight)


def midnight_ns(midnight: datetime) -> int:
    """Returns a midnight as nanoseconds since the Unix epoch."""
    return int(midnight.timestamp()) * NANOSECONDS


def quote(market: Market, code: str, instant_ns: int, venue: Venue = Venue.KRX) -> Quote:
    """Returns what an exchange, or both, shows of a symbol at an instant.

    Raises:
        KeyError: Nothing with this code is listed.
        NoMarketError: The instant lies before the simulated past.
    """
    midnight, time_ns = day_time(instant_ns)
    day = midnight.date()
    if not market.calendar.is_trading_day(day):
        tape = market.tape(code, market.calendar.previous_trading_day(day), venue)
        return _at_state(tape, len(tape.states) - 1)
    tape = market.tape(code, day, venue)
    return _at_state(tape, tape.states_until(time_ns) - 1)


def _at_state(tape: Tape, state: int) -> Quote:
    if state < 0:
        return Quote(tape, last=tape.base_price)
    states, trades = tape.states, tape.trades
    book = books(tape, np.array([state]))
    moment = Moment(int(states.moment[state]))
    auction = moment in (Moment.OPENING_AUCTION, Moment.CLOSING_AUCTION)
    done = int(states.first_trade[state + 1])
    last = done - 1
    return Quote(
        tape=tape,
        moment=moment,
        trades=done,
        last=int(trades.price[last]) if done else tape.base_price,
        open=int(trades.price[trades.open[last]]) if done else 0,
        high=int(trades.price[trades.high[last]]) if done else 0,
        low=int(trades.price[trades.low[last]]) if done else 0,
        cumulative_volume=int(trades.cumulative_volume[last]) if done else 0,
        cumulative_value=int(trades.cumulative_value[last]) if done else 0,
        ask=int(PRICES[states.ask[state]]),
        bid=int(PRICES[states.bid[state]]),
        ask_volume=int(book.ask_volumes[0, 0]),
        bid_volume=int(book.bid_volumes[0, 0]),
        ask_total=int(book.ask_totals[0]),
        bid_total=int(book.bid_totals[0]),
        expected_price=int(states.expected_price[state]),
        expected_volume=int(states.expected_volume[state]) if auction else 0,
    )
