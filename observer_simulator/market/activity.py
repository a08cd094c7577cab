"""How many trades a symbol has on an ordinary day.

Invariant: the count depends on the listing only: a symbol's rank by shares or by value, the better
of the two, because a cheap share trades many shares and a dear one much money.
"""

from __future__ import annotations

from collections.abc import Sequence

from observer_core.reference.instrument import ListedInstrument
from observer_simulator.market.history import rests

# About 3,000 trades for the most active symbols, half of that at the rank of `_HALF_RANK`, and a few
# dozen for the tail: a tenth of a real day's trades, with the same shape.
_MOST_TRADES = 3_200
_HALF_RANK = 90
_STEEPNESS = 1.5
_FEWEST_TRADES = 24


def ordinary_trades(instruments: Sequence[ListedInstrument]) -> dict[str, float]:
    """Returns the expected trades of an ordinary day for each code; none for one that rests."""
    ranks = _ranks(instruments)
    return {
        instrument.code: 0.0
        if rests(instrument)
        else _MOST_TRADES / (1 + (ranks[instrument.code] / _HALF_RANK) ** _STEEPNESS) + _FEWEST_TRADES
        for instrument in instruments
    }


def _ranks(instruments: Sequence[ListedInstrument]) -> dict[str, int]:
    by_shares = sorted(instruments, key=lambda one: (-one.previous_volume, one.code))
    by_value = sorted(instruments, key=lambda one: (-one.previous_volume * one.base_price, one.code))
    shares = {instrument.code: rank for rank, instrument in enumerate(by_shares)}
    return {instrument.code: min(rank, shares[instrument.code]) for rank, instrument in enumerate(by_value)}
