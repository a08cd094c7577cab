"""The grid of prices of Korean shares (KRX tick size table, broker reference 4.17).

Invariant: the table stands here once; ETF and ETN have other rules and are not covered. A midpoint
order trades at half a tick, so a trade price need not lie on the grid.
"""

from __future__ import annotations

from bisect import bisect_right

_BELOW = (2_000, 5_000, 20_000, 50_000, 200_000, 500_000)
_TICKS = (1, 5, 10, 50, 100, 500, 1_000)


def tick_size(price: int) -> int:
    """Returns the tick in KRW at a price in KRW."""
    return _TICKS[bisect_right(_BELOW, price)]


def round_to_tick(price: int) -> int:
    """Returns the nearest price on the grid, at least one tick."""
    tick = tick_size(price)
    return max(tick, (price + tick // 2) // tick * tick)


def price_limits(base_price: int) -> tuple[int, int]:
    """Returns the day's lower and upper limit in KRW: 30 % around the base price, cut to the grid.

    Source: KRX business regulation, article 20 (daily price limit).
    """
    span = base_price * 3 // 10
    lower, upper = base_price - span, base_price + span
    lower_tick, upper_tick = tick_size(lower), tick_size(upper)
    return -(-lower // lower_tick) * lower_tick, upper // upper_tick * upper_tick
