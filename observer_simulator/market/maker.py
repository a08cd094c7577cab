"""Makes the tape of one symbol's day.

Invariant: the same order and the same generator give the same tape, and nothing else goes in: no
clock, no listener, no other symbol. Prices stay on the KRX grid and within the day's limits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from observer_core.clock.base import NANOSECONDS
from observer_core.market.calendar import Session
from observer_simulator.market import schedule
from observer_simulator.market.history import DayFigures
from observer_simulator.market.ladder import PRICES, Integers, Numbers, nearest_rungs, rung_of, rungs_below
from observer_simulator.market.parts import Part, nothing, states_of, trades_of
from observer_simulator.market.schedule import Split
from observer_simulator.market.tape import Moment, Side, Tape, time_of_day_ns

# An auction ends at random within half a minute (KRX random end).
_RANDOM_END_SECONDS = 29
_QUOTES_PER_TRADE = 0.55
_AUCTION_QUOTES_PER_TRADE = 0.03
# How often the spread is two ticks instead of one.
_WIDE_SPREAD_ACTIVE, _WIDE_SPREAD_THIN = 0.08, 0.5
_THIN_BELOW_TRADES = 300


@dataclass(frozen=True, slots=True)
class DayOrder:
    """What a tape is made from.

    Attributes:
        code: Short code.
        figures: What the day comes to.
        session: The hours of the day.
        trades: Number of trades; no more than shares.
        listed_shares: Shares.
        after_market: Whether the symbol trades in the after-market.
        restarts: Whether the cumulative figures begin anew there.
        key: Number behind the quantities of its books.
    """

    code: str
    figures: DayFigures
    session: Session
    trades: int
    listed_shares: int
    after_market: bool
    restarts: bool
    key: np.uint64


@dataclass(frozen=True, slots=True)
class Maker:
    """The fixed facts of the day while its parts are drawn; it draws any continuous session or auction."""

    order: DayOrder
    rng: np.random.Generator
    lowest: int
    highest: int

    @classmethod
    def of(cls, order: DayOrder, rng: np.random.Generator) -> Maker:
        """Returns the maker of an order, within the limits of its day."""
        lower, upper = order.figures.limits
        return cls(order, rng, rung_of(lower), rung_of(upper))

    def auction_quotes(self, moment: Moment, start_ns: int, end_ns: int, price: int, volume: int) -> Part:
        """The books of an auction: expected price and volume approach the result."""
        count = 12 + int(self.order.trades * _AUCTION_QUOTES_PER_TRADE)
        progress = np.sort(self.rng.random(count))
        wander = np.round(self.rng.standard_normal(count) * 5 * (1 - progress)).astype(np.int64)
        expected = np.clip(rung_of(price) + wander, self.lowest + 1, self.highest - 1)
        return Part(
            moment=moment,
            time=(start_ns + progress * (end_ns - start_ns)).astype(np.int64),
            bid=expected - 1,
            ask=expected + 1,
            sizes=np.zeros(count, dtype=np.int64),
            price=nothing(),
            side=nothing(),
            volume=nothing(),
            expected_price=PRICES[expected],
            expected_volume=(volume * np.sqrt(progress)).astype(np.int64),
        )

    def cross(self, moment: Moment, time_ns: int, price: int, count: int, volume: int) -> Part:
        """The one price of an auction: all its trades at one instant, in one burst."""
        rung = min(max(rung_of(price), self.lowest + 1), self.highest - 1)
        return Part(
            moment=moment,
            time=np.array([time_ns], dtype=np.int64),
            bid=np.array([rung - 1], dtype=np.int64),
            ask=np.array([rung + 1], dtype=np.int64),
            sizes=np.array([count], dtype=np.int64),
            price=np.full(count, price, dtype=np.int64),
            side=np.full(count, int(Side.AUCTION), dtype=np.int64),
            volume=schedule.spread_volume(volume, count, self.rng),
            expected_price=np.zeros(1, dtype=np.int64),
            expected_volume=np.array([volume], dtype=np.int64),
        )

    def off_hours(self, start_ns: int, end_ns: int, price: int, count: int, volume: int) -> Part:
        """Trades at the closing price, one by one, without a side."""
        rung = min(max(rung_of(price), self.lowest + 1), self.highest - 1)
        return Part(
            moment=Moment.OFF_HOURS_CLOSE,
            time=(start_ns + np.sort(self.rng.random(count)) * (end_ns - start_ns)).astype(np.int64),
            bid=np.full(count, rung - 1, dtype=np.int64),
            ask=np.full(count, rung + 1, dtype=np.int64),
            sizes=np.ones(count, dtype=np.int64),
            price=np.full(count, price, dtype=np.int64),
            side=np.full(count, int(Side.AUCTION), dtype=np.int64),
            volume=schedule.spread_volume(volume, count, self.rng),
            expected_price=np.zeros(count, dtype=np.int64),
            expected_volume=np.zeros(count, dtype=np.int64),
        )

    def two_sided(self, moment: Moment, sizes: Integers, times: Integers, path: Numbers, volume: int) -> Part:
        """Continuous trading along a path of prices: buyers pay the ask, sellers get the bid."""
        count, trades = len(times), int(sizes.sum())
        bid = np.clip(rungs_below(path), self.lowest, self.highest - 1)
        thin = self.order.trades < _THIN_BELOW_TRADES
        wide = self.rng.random(count) < (_WIDE_SPREAD_THIN if thin else _WIDE_SPREAD_ACTIVE)
        ask = np.minimum(bid + 1 + wide, self.highest)
        rising = np.diff(bid, prepend=bid[:1])
        buying = self.rng.random(count) < 0.5 + 0.15 * np.clip(rising, -2, 2)
        return Part(
            moment=moment,
            time=times,
            bid=bid,
            ask=ask,
            sizes=sizes,
            price=np.repeat(PRICES[np.where(buying, ask, bid)], sizes),
            side=np.repeat(np.where(buying, int(Side.BUY), int(Side.SELL)), sizes),
            volume=schedule.spread_volume(volume, trades, self.rng),
            expected_price=np.zeros(count, dtype=np.int64),
            expected_volume=np.zeros(count, dtype=np.int64),
        )

    def draw_states(self, trades: int) -> tuple[Integers, Numbers]:
        """Draws the states of a continuous part: trades of each (none for a quote) and its progress."""
        bursts = schedule.burst_sizes(trades, self.rng)
        count = len(bursts) + round(trades * _QUOTES_PER_TRADE)
        sizes = np.zeros(count, dtype=np.int64)
        sizes[self.rng.permutation(count)[: len(bursts)]] = bursts
        return sizes, np.sort(self.rng.random(count))

    def walk(self, progress: Numbers, start: float, end: float | None, spread: float) -> Numbers:
        """Draws a path of prices; it arrives at `end` where there is one."""
        steps = np.diff(progress, prepend=0.0)
        path = np.cumsum(self.rng.standard_normal(len(progress)) * np.sqrt(steps))
        if end is None or not len(path):
            drift: Numbers = np.zeros(len(path))
        else:
            drift = np.log(end / start) * progress
            path -= progress / progress[-1] * path[-1]
        prices: Numbers = start * np.exp(spread * path + drift)
        return prices


def make_tape(order: DayOrder, rng: np.random.Generator) -> Tape:
    """Returns the tape of a symbol's day.

    Args:
        order: What the day comes to.
        rng: The generator of this symbol's day.
    """
    lower, upper = order.figures.limits
    parts: list[Part] = []
    if order.trades:
        maker = Maker.of(order, rng)
        counts = schedule.split_trades(order.trades, after_market=order.after_market, rng=rng)
        volumes = schedule.split_volume(order.figures.volume, counts)
        parts = [part for part in _parts(maker, counts, volumes) if len(part.time)]
    return Tape(
        code=order.code,
        day=order.session.day,
        base_price=order.figures.base_price,
        lower_limit=lower,
        upper_limit=upper,
        previous_volume=order.figures.previous_volume,
        listed_shares=order.listed_shares,
        key=order.key,
        states=states_of(parts),
        trades=trades_of(parts, restarts=order.restarts),
    )


def _parts(maker: Maker, counts: Split, volumes: Split) -> list[Part]:
    session, figures, rng = maker.order.session, maker.order.figures, maker.rng
    opens_ns = _random_end(time_of_day_ns(session.opens), rng)
    closes_ns = _random_end(time_of_day_ns(session.closes), rng)
    open_price = _opening_price(maker)
    parts = []
    if counts.opening:
        start_ns = time_of_day_ns(session.auction_from)
        parts += [
            maker.auction_quotes(Moment.OPENING_AUCTION, start_ns, opens_ns, open_price, volumes.opening),
            maker.cross(Moment.CONTINUOUS, opens_ns, open_price, counts.opening, volumes.opening),
        ]
    parts.append(_continuous(maker, open_price, opens_ns, counts.continuous, volumes.continuous))
    start_ns, price = time_of_day_ns(session.closing_auction_from), figures.close_price
    parts += [
        maker.auction_quotes(Moment.CLOSING_AUCTION, start_ns, closes_ns, price, volumes.closing),
        maker.cross(Moment.CONTINUOUS, closes_ns, price, counts.closing, volumes.closing),
    ]
    return parts + _after_close(maker, counts, volumes)


def _continuous(maker: Maker, open_price: int, opens_ns: int, count: int, volume: int) -> Part:
    figures, session = maker.order.figures, maker.order.session
    sizes, progress = maker.draw_states(count)
    times = schedule.session_times(progress, opens_ns, time_of_day_ns(session.closing_auction_from))
    path = maker.walk(progress, open_price, figures.close_price, 0.7 * figures.volatility)
    return maker.two_sided(Moment.CONTINUOUS, sizes, times, path, volume)


def _after_close(maker: Maker, counts: Split, volumes: Split) -> list[Part]:
    session, figures = maker.order.session, maker.order.figures
    start_ns, end_ns = time_of_day_ns(session.off_hours_from), time_of_day_ns(session.off_hours_to)
    price = figures.close_price
    parts = [maker.off_hours(start_ns, end_ns, price, counts.off_hours, volumes.off_hours)]
    if counts.after_market and session.after_market_from and session.after_market_to:
        start_ns, end_ns = time_of_day_ns(session.after_market_from), time_of_day_ns(session.after_market_to)
        sizes, progress = maker.draw_states(counts.after_market)
        times = schedule.after_market_times(progress, start_ns, end_ns)
        path = maker.walk(progress, price, None, 0.25 * figures.volatility)
        parts.append(maker.two_sided(Moment.AFTER_MARKET, sizes, times, path, volumes.after_market))
    return parts


def _opening_price(maker: Maker) -> int:
    figures = maker.order.figures
    gap = 0.4 * np.log(figures.close_price / figures.base_price)
    drawn = gap + 0.3 * figures.volatility * maker.rng.standard_normal()
    rung = int(nearest_rungs(np.array([figures.base_price * np.exp(drawn)]))[0])
    return int(PRICES[min(max(rung, maker.lowest), maker.highest)])


def _random_end(time_ns: int, rng: np.random.Generator) -> int:
    return time_ns + int(rng.uniform(1.0, _RANDOM_END_SECONDS) * NANOSECONDS)
