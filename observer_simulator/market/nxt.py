"""The tape of NXT and the tape of both exchanges together (broker reference, 8.1).

Invariant: NXT has its own trades, volumes and cumulative figures; its prices in the main market stay
within a tick or two of those of the KRX, as arbitrage keeps them. The unified tape holds every trade of
both exchanges once, in the order of time, and its cumulative figures are the totals of both. A state
of it shows the book of the exchange that moved: how the broker merges two books is not documented.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from observer_core.market.calendar import NxtHours
from observer_simulator.market import schedule
from observer_simulator.market.ladder import PRICES, Integers, Numbers
from observer_simulator.market.maker import DayOrder, Maker
from observer_simulator.market.parts import Part, carried, figures_of, states_of, trades_of
from observer_simulator.market.tape import Moment, States, Tape, time_of_day_ns

# Shares of a day's trades; the rest is the main market's.
_PRE_SHARE, _AFTER_SHARE = 0.10, 0.12
# How many ticks its bid lies beside that of the KRX, and how often.
_TICKS_BESIDE, _HOW_OFTEN = (-1, 0, 1), (0.15, 0.7, 0.15)


def make_nxt_tape(order: DayOrder, krx: Tape, hours: NxtHours, rng: np.random.Generator) -> Tape:
    """Returns the tape of a symbol's day on NXT.

    Args:
        order: What its day on NXT comes to; the figures' prices are those of the KRX.
        krx: The symbol's day on the KRX.
        hours: The sessions of NXT.
        rng: The generator of this symbol's day on NXT.
    """
    parts = [part for part in _parts(order, krx, hours, rng) if len(part.time)] if order.trades else []
    return Tape(
        code=order.code,
        day=order.session.day,
        base_price=krx.base_price,
        lower_limit=krx.lower_limit,
        upper_limit=krx.upper_limit,
        previous_volume=order.figures.previous_volume,
        listed_shares=order.listed_shares,
        key=order.key,
        states=states_of(parts),
        trades=trades_of(parts, restarts=False),
    )


def _parts(order: DayOrder, krx: Tape, hours: NxtHours, rng: np.random.Generator) -> list[Part]:
    figures, maker = order.figures, Maker.of(order, rng)
    pre = round(order.trades * _PRE_SHARE) if hours.pre_from is not None else 0
    after = round(order.trades * _AFTER_SHARE)
    counts = (pre, order.trades - pre - after, after)
    volumes = _split(figures.volume, counts)
    opened = int(krx.trades.price[0])
    parts = []
    if hours.pre_from is not None and hours.pre_to is not None:
        sizes, progress = maker.draw_states(pre)
        times = _spread(progress, time_of_day_ns(hours.pre_from), time_of_day_ns(hours.pre_to))
        path = maker.walk(progress, figures.base_price, opened, 0.2 * figures.volatility)
        parts.append(maker.two_sided(Moment.PRE_MARKET, sizes, times, path, volumes[0]))
    sizes, progress = maker.draw_states(counts[1])
    times = schedule.session_times(progress, time_of_day_ns(hours.main_from), time_of_day_ns(hours.main_to))
    parts.append(maker.two_sided(Moment.CONTINUOUS, sizes, times, _beside(krx, times, rng), volumes[1]))
    sizes, progress = maker.draw_states(after)
    start_ns, end_ns = time_of_day_ns(hours.after_from), time_of_day_ns(hours.after_to)
    times = schedule.after_market_times(progress, start_ns, end_ns)
    path = maker.walk(progress, figures.close_price, None, 0.25 * figures.volatility)
    parts.append(maker.two_sided(Moment.AFTER_MARKET, sizes, times, path, volumes[2]))
    return parts


def _split(volume: int, counts: tuple[int, int, int]) -> tuple[int, int, int]:
    """Returns the shares of each session: one for each trade at least, the rest by their number."""
    total = sum(counts)
    pre, after = (volume * count // total for count in (counts[0], counts[2]))
    return pre, volume - pre - after, after


def _spread(progress: Numbers, start_ns: int, end_ns: int) -> Integers:
    return (start_ns + progress * (end_ns - start_ns)).astype(np.int64)


def _beside(krx: Tape, times: Integers, rng: np.random.Generator) -> Numbers:
    """Returns prices that follow the bid of the KRX."""
    state = np.maximum(np.searchsorted(krx.states.time, times, side="right") - 1, 0)
    ticks = rng.choice(_TICKS_BESIDE, len(times), p=_HOW_OFTEN)
    rungs = np.clip(krx.states.bid[state].astype(np.int64) + ticks, 0, len(PRICES) - 1)
    prices: Numbers = PRICES[rungs].astype(np.float64)
    return prices


def unite(krx: Tape, nxt: Tape, key: np.uint64) -> Tape:
    """Returns the tape of both exchanges.

    Args:
        krx: The day on the KRX.
        nxt: The same symbol's day on NXT.
        key: Number behind the quantities of its books.
    """
    sizes = np.concatenate([np.diff(tape.states.first_trade) for tape in (krx, nxt)]).astype(np.int64)
    order = np.argsort(_both(krx, nxt, "time"), kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    state = place[np.concatenate([krx.trades.state, nxt.trades.state + len(krx.states)])]
    following = np.argsort(state, kind="stable")
    price, volume, side = (
        np.concatenate([getattr(tape.trades, name) for tape in (krx, nxt)])[following].astype(np.int64)
        for name in ("price", "volume", "side")
    )
    return replace(
        krx,
        key=key,
        previous_volume=krx.previous_volume + nxt.previous_volume,
        states=_united_states(krx, nxt, order, sizes),
        trades=figures_of(state[following], price, volume, side, cuts=(0, len(price))),
    )


def _united_states(krx: Tape, nxt: Tape, order: Integers, sizes: Integers) -> States:
    ranks = np.arange(len(order))
    times = _both(krx, nxt, "time")[order]
    return States(
        # Two exchanges may share an instant; of one tape no two states do.
        time=np.maximum.accumulate(times - ranks) + ranks,
        moment=_both(krx, nxt, "moment")[order].astype(np.int8),
        bid=_both(krx, nxt, "bid")[order].astype(np.int32),
        ask=_both(krx, nxt, "ask")[order].astype(np.int32),
        first_trade=np.concatenate(([0], np.cumsum(sizes[order]))).astype(np.int32),
        expected_price=_both(krx, nxt, "expected_price")[order].astype(np.int32),
        expected_volume=carried(_both(krx, nxt, "expected_volume")[order]),
    )


def _both(krx: Tape, nxt: Tape, name: str) -> Integers:
    return np.concatenate([getattr(tape.states, name) for tape in (krx, nxt)]).astype(np.int64)
