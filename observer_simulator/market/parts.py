"""Puts the parts of a day together: one row of states, one row of trades, running sums over both.

Invariant: no state and no trade of a part is lost or reordered, and every cumulative figure is the
sum over the trades before it and its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from observer_simulator.market.ladder import Integers
from observer_simulator.market.tape import Moment, Side, States, Trades


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A part of the day: its states in the order of time, and their trades.

    Attributes:
        moment: What the market does throughout the part.
        time: Nanoseconds since midnight of each state.
        bid: Rung of the best bid of each state.
        ask: Rung of the best ask of each state.
        sizes: Number of trades of each state.
        price: KRW of each trade.
        side: `Side` of each trade.
        volume: Shares of each trade.
        expected_price: Expected auction price of each state, KRW, 0 outside of auctions.
        expected_volume: Expected auction volume of each state, shares, 0 outside of auctions.
    """

    moment: Moment
    time: Integers
    bid: Integers
    ask: Integers
    sizes: Integers
    price: Integers
    side: Integers
    volume: Integers
    expected_price: Integers
    expected_volume: Integers


def states_of(parts: Sequence[Part]) -> States:
    """Returns the states of the parts, which follow each other in time."""
    times = _joined([part.time for part in parts])
    counts = _joined([part.sizes for part in parts])
    expected_volume = _joined([part.expected_volume for part in parts])
    return States(
        # One nanosecond more for each state: no two states share an instant.
        time=times + np.arange(len(times)),
        moment=np.repeat(
            np.array([part.moment for part in parts], dtype=np.int8),
            np.array([len(part.time) for part in parts], dtype=np.int64),
        ),
        bid=_joined([part.bid for part in parts]).astype(np.int32),
        ask=_joined([part.ask for part in parts]).astype(np.int32),
        first_trade=np.concatenate(([0], np.cumsum(counts))).astype(np.int32),
        expected_price=_joined([part.expected_price for part in parts]).astype(np.int32),
        expected_volume=carried(expected_volume),
    )


def carried(values: Integers) -> Integers:
    """Returns values in which each zero has become the last value before it."""
    last = np.maximum.accumulate(np.where(values > 0, np.arange(len(values)), 0))
    return values[last]


def trades_of(parts: Sequence[Part], *, restarts: bool) -> Trades:
    """Returns the trades of the parts with the figures of the day after each.

    Args:
        parts: The parts of the day.
        restarts: Whether the figures begin anew in the after-market.
    """
    sizes = _joined([part.sizes for part in parts])
    price = _joined([part.price for part in parts])
    volume = _joined([part.volume for part in parts])
    side = _joined([part.side for part in parts])
    after = sum(len(part.price) for part in parts if part.moment is Moment.AFTER_MARKET)
    cuts = (0, len(price) - after, len(price)) if restarts else (0, len(price))
    return figures_of(np.repeat(np.arange(len(sizes)), sizes), price, volume, side, cuts=cuts)


def figures_of(
    state: Integers, price: Integers, volume: Integers, side: Integers, *, cuts: Sequence[int]
) -> Trades:
    """Returns trades with the figures of the day after each.

    Args:
        state: Index of the state of each.
        price: KRW of each.
        volume: Shares of each.
        side: `Side` of each.
        cuts: Where the figures begin, begin anew, and end, as numbers of trades.
    """
    running = [_running(price, volume, side, first, end) for first, end in pairwise(cuts)]
    joined = [np.concatenate(columns) for columns in zip(*running, strict=True)]
    return Trades(
        state.astype(np.int32),
        price,
        volume,
        side.astype(np.int8),
        *joined[:2],
        *(column.astype(np.int32) for column in joined[2:4]),
        *joined[4:6],
        *(column.astype(np.int32) for column in joined[6:]),
    )


def _running(price: Integers, volume: Integers, side: Integers, first: int, end: int) -> tuple[Integers, ...]:
    """Returns the cumulative figures of the trades from `first` to `end`, in the order of `Trades`."""
    price, volume, side = price[first:end], volume[first:end], side[first:end]
    buying, selling = side == Side.BUY, side == Side.SELL
    return (
        np.cumsum(volume),
        np.cumsum(price * volume),
        np.cumsum(selling),
        np.cumsum(buying),
        np.cumsum(volume * selling),
        np.cumsum(volume * buying),
        np.full(len(price), first, dtype=np.int64),
        first + _record_holder(price),
        first + _record_holder(-price),
    )


def _record_holder(values: Integers) -> Integers:
    """Returns for each position the first position that holds the largest value up to it."""
    largest = np.maximum.accumulate(values)
    fresh = np.diff(largest, prepend=largest[:1] - 1) > 0
    return np.maximum.accumulate(np.where(fresh, np.arange(len(values)), 0))


def _joined(arrays: Sequence[NDArray[np.int64]]) -> Integers:
    return np.concatenate(arrays) if arrays else nothing()


def nothing() -> Integers:
    """Returns an array without elements."""
    return np.zeros(0, dtype=np.int64)
