"""When a day's trades happen: how many fall into each part of the day, and where within it.

Invariant: the parts' counts and volumes add up to exactly what the day comes to.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from observer_simulator.market.ladder import Integers, Numbers

# A share of the day's volume, and the records of one auction's burst (broker reference, section 10).
_OPENING_SHARE, _CLOSING_SHARE, _OFF_HOURS_SHARE, _AFTER_SHARE = 0.04, 0.07, 0.01, 0.03
_SMALLEST_BURST, _LARGEST_BURST = 3, 12
_BURST_FROM_TRADES = 40
_OPENING_FROM_TRADES = 4

_NODES = 512


@dataclass(frozen=True, slots=True)
class Split:
    """One figure for each part of the day."""

    opening: int
    continuous: int
    closing: int
    off_hours: int
    after_market: int

    @property
    def total(self) -> int:
        return sum(getattr(self, field.name) for field in fields(self))


def split_trades(count: int, *, after_market: bool, rng: np.random.Generator) -> Split:
    """Returns how many of the day's trades, at least one, fall into each part."""
    if count < _OPENING_FROM_TRADES:
        # The close is a trade, so the closing auction has the first one.
        return Split(0, count - 1, 1, 0, 0)
    if count < _BURST_FROM_TRADES:
        opening, closing = 1 + count // 20, 1 + count // 20
    else:
        opening, closing = rng.integers(_SMALLEST_BURST, _LARGEST_BURST + 1, size=2).tolist()
    off_hours = round(count * _OFF_HOURS_SHARE)
    after = round(count * _AFTER_SHARE) if after_market else 0
    return Split(opening, count - opening - closing - off_hours - after, closing, off_hours, after)


def split_volume(volume: int, trades: Split) -> Split:
    """Returns the shares of each part: one for each trade, and the rest by the parts' weight."""
    rest = volume - trades.total
    opening = trades.opening + (int(rest * _OPENING_SHARE) if trades.opening else 0)
    closing = trades.closing + (int(rest * _CLOSING_SHARE) if trades.closing else 0)
    off_hours = trades.off_hours + (int(rest * _OFF_HOURS_SHARE) if trades.off_hours else 0)
    after = trades.after_market + (int(rest * _AFTER_SHARE) if trades.after_market else 0)
    return Split(opening, volume - opening - closing - off_hours - after, closing, off_hours, after)


def spread_volume(volume: int, count: int, rng: np.random.Generator) -> Integers:
    """Returns the shares of each of `count` trades: at least one each, many small, few large."""
    if count == 0:
        return np.zeros(0, dtype=np.int64)
    weights = rng.lognormal(0.0, 1.2, count)
    shares: Integers = 1 + np.floor(weights / weights.sum() * (volume - count)).astype(np.int64)
    shares[int(weights.argmax())] += volume - int(shares.sum())
    return shares


def burst_sizes(count: int, rng: np.random.Generator) -> Integers:
    """Returns the trades of each instant of continuous trading: mostly one, never over twelve."""
    if count == 0:
        return np.zeros(0, dtype=np.int64)
    sizes = np.minimum(rng.geometric(0.62, count), _LARGEST_BURST).astype(np.int64)
    ends = np.cumsum(sizes)
    last = int(np.searchsorted(ends, count))
    sizes = sizes[: last + 1]
    sizes[last] -= int(ends[last]) - count
    return sizes


def session_times(progress: Numbers, start_ns: int, end_ns: int) -> Integers:
    """Returns the times of a continuous session at each share of its activity.

    The first minutes are the busiest, noon is calm, the last half hour busy again.
    """
    minutes = np.linspace(0.0, (end_ns - start_ns) / 60e9, _NODES)
    activity = 0.45 + 2.6 * np.exp(-minutes / 14) + 0.8 * np.exp(-(minutes[-1] - minutes) / 25)
    return _at_progress(progress, activity, start_ns, end_ns)


def after_market_times(progress: Numbers, start_ns: int, end_ns: int) -> Integers:
    """Returns the times of the after-market: lively at first, thin towards the evening."""
    minutes = np.linspace(0.0, (end_ns - start_ns) / 60e9, _NODES)
    return _at_progress(progress, 0.3 + 1.5 * np.exp(-minutes / 30), start_ns, end_ns)


def _at_progress(progress: Numbers, activity: Numbers, start_ns: int, end_ns: int) -> Integers:
    done = np.concatenate(([0.0], np.cumsum((activity[1:] + activity[:-1]) / 2)))
    share = np.interp(progress, done / done[-1], np.linspace(0.0, 1.0, _NODES))
    return (start_ns + share * (end_ns - start_ns)).astype(np.int64)
