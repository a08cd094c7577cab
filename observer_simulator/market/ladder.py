"""The grid of prices as an array.

Invariant: `PRICES` holds every price of the KRX grid from 1 KRW up, in order; a rung is an index
into it, so that one tick up or down is one rung, across the changes of the tick.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from observer_core.market.ticks import tick_size

Integers = NDArray[np.int64]
Numbers = NDArray[np.float64]

_HIGHEST_PRICE = 20_000_000


def _build() -> Integers:
    prices = [1]
    while prices[-1] < _HIGHEST_PRICE:
        prices.append(prices[-1] + tick_size(prices[-1]))
    return np.array(prices, dtype=np.int64)


PRICES: Integers = _build()


def rung_of(price: int) -> int:
    """Returns the rung of a price that is on the grid."""
    rung = int(np.searchsorted(PRICES, price))
    if PRICES[rung] != price:
        raise ValueError(f"{price} KRW is not on the grid")
    return rung


def rungs_below(prices: Numbers) -> Integers:
    """Returns the highest rung at or below each price of at least 1 KRW."""
    return np.searchsorted(PRICES, prices, side="right").astype(np.int64) - 1


def nearest_rungs(prices: Numbers) -> Integers:
    """Returns the rung next to each price of at least 1 KRW."""
    below = rungs_below(prices)
    above = np.minimum(below + 1, len(PRICES) - 1)
    return np.where(prices - PRICES[below] <= PRICES[above] - prices, below, above)
