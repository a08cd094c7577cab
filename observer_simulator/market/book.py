"""The ten-level books of a tape's states.

Invariant: a book depends on its tape and the number of its state only, so any book can be had
without the ones before it. A quantity belongs to a price and changes from time to time, the best
levels at every state; levels beyond the day's limits are empty (broker reference, 7.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from observer_simulator.market.ladder import PRICES, Integers, rung_of
from observer_simulator.market.seeds import fractions, scramble
from observer_simulator.market.tape import Tape

LEVELS = 10

_BIDS, _ASKS = np.uint64(1), np.uint64(2)
# A deeper level keeps its quantity for so many states.
_DEEP_LIFE = np.int64(8)


@dataclass(frozen=True, slots=True, eq=False)
class Books:
    """The books of some states; one row for each, ten columns, the best level first.

    Attributes:
        ask_prices: KRW, 0 for an empty level.
        bid_prices: KRW, 0 for an empty level.
        ask_volumes: Shares.
        bid_volumes: Shares.
    """

    ask_prices: Integers
    bid_prices: Integers
    ask_volumes: Integers
    bid_volumes: Integers

    @property
    def ask_totals(self) -> Integers:
        totals: Integers = self.ask_volumes.sum(axis=1)
        return totals

    @property
    def bid_totals(self) -> Integers:
        totals: Integers = self.bid_volumes.sum(axis=1)
        return totals


def books(tape: Tape, states: NDArray[np.integer]) -> Books:
    """Returns the books of the states with these numbers."""
    levels = np.arange(LEVELS, dtype=np.int64)
    asks = tape.states.ask[states].astype(np.int64)[:, None] + levels
    bids = tape.states.bid[states].astype(np.int64)[:, None] - levels
    lowest, highest = rung_of(tape.lower_limit), rung_of(tape.upper_limit)
    asks_there, bids_there = asks <= highest, bids >= lowest
    return Books(
        ask_prices=np.where(asks_there, PRICES[asks], 0),
        bid_prices=np.where(bids_there, PRICES[np.maximum(bids, 0)], 0),
        ask_volumes=np.where(asks_there, _volumes(tape, states, asks, _ASKS), 0),
        bid_volumes=np.where(bids_there, _volumes(tape, states, bids, _BIDS), 0),
    )


def _volumes(tape: Tape, states: NDArray[np.integer], rungs: Integers, side: np.uint64) -> Integers:
    number = states.astype(np.int64)[:, None]
    life = np.full(rungs.shape, _DEEP_LIFE)
    life[:, 0] = 1
    # Rungs change at different states, so that a book does not turn over as a whole.
    epoch = (number + rungs * 3) // life
    words = scramble(rungs.astype(np.uint64) * np.uint64(4) + side + tape.key)
    draws = fractions(words ^ scramble(epoch.astype(np.uint64) * np.uint64(4) + side))
    return 1 + (_typical_volume(tape) * (0.3 + 4.0 * draws**3)).astype(np.int64)


def _typical_volume(tape: Tape) -> float:
    """Returns the shares of an ordinary level: some dozen ordinary trades."""
    trades = tape.trades
    if not len(trades):
        return 1.0
    return 12.0 * float(trades.volume.sum()) / len(trades)
