"""Indices of the simulated market, made from its tapes.

Invariant: an index is a function of the tapes of its constituents alone: their capitalisation at their
last prices relative to that at their base prices. Its figures never contradict what the constituents
trade. They are the largest of their market, not all of it: a tape for each listed share would cost
more than the rest of the simulation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from observer_core.clock.base import NANOSECONDS
from observer_core.reference.instrument import ListedInstrument
from observer_core.reference.instrument import Market as Exchange
from observer_simulator.market.ladder import Integers, Numbers
from observer_simulator.market.market import Market
from observer_simulator.market.tape import Tape, time_of_day_ns

_EVERY_NS = 10 * NANOSECONDS
# The closing price is known up to half a minute after the close (KRX random end).
_AFTER_CLOSE_NS = 40 * NANOSECONDS
_SHARES = "ST"


@dataclass(frozen=True, slots=True)
class Index:
    """One index.

    Attributes:
        code: Its code on the wire.
        exchange: Whose shares it has.
        constituents: How many of the largest of them.
        level: Points on the day of the listing.
    """

    code: str
    exchange: Exchange
    constituents: int
    level: float


INDICES = {
    index.code: index
    for index in (
        Index("0001", Exchange.KOSPI, 60, 3400.0),
        Index("1001", Exchange.KOSDAQ, 60, 850.0),
        Index("2001", Exchange.KOSPI, 30, 460.0),
    )
}


@dataclass(frozen=True, slots=True, eq=False)
class IndexDay:
    """An index over a day, one entry an instant.

    Attributes:
        times: Nanoseconds since midnight.
        base: Points at the base prices.
        points: Points.
        volume: Cumulative volume of the constituents, shares.
        value: Their cumulative value, KRW.
        rising: Constituents above their base price.
        falling: Constituents below it.
        upper: Constituents at their upper limit.
        lower: Constituents at their lower limit.
        constituents: All of them.
    """

    times: Integers
    base: float
    points: Numbers
    volume: Integers
    value: Integers
    rising: Integers
    falling: Integers
    upper: Integers
    lower: Integers
    constituents: int


def index_day(market: Market, code: str, day: date) -> IndexDay:
    """Returns an index over a trading day.

    Raises:
        KeyError: There is no such index.
        NoMarketError: The day lies before the simulated past.
    """
    index, session = INDICES[code], market.calendar.session(day)
    members = _largest(list(market.instruments.values()), index)
    times = np.arange(
        time_of_day_ns(session.opens), time_of_day_ns(session.closes) + _AFTER_CLOSE_NS, _EVERY_NS
    )
    tapes = [market.tape(member.code, day) for member in members]
    prices, volumes, values = zip(*(_figures(tape, times) for tape in tapes), strict=True)
    price = np.stack(prices)
    shares = np.array([[member.listed_shares] for member in members], dtype=np.float64)
    base_price = np.array([[tape.base_price] for tape in tapes])
    listed = sum(member.listed_shares * member.base_price for member in members)
    base = index.level * float((shares * base_price).sum()) / listed
    return IndexDay(
        times=times,
        base=base,
        points=base * (shares * price).sum(axis=0) / float((shares * base_price).sum()),
        volume=np.stack(volumes).sum(axis=0),
        value=np.stack(values).sum(axis=0),
        rising=(price > base_price).sum(axis=0),
        falling=(price < base_price).sum(axis=0),
        upper=(price >= np.array([[tape.upper_limit] for tape in tapes])).sum(axis=0),
        lower=(price <= np.array([[tape.lower_limit] for tape in tapes])).sum(axis=0),
        constituents=len(members),
    )


def _largest(instruments: Sequence[ListedInstrument], index: Index) -> list[ListedInstrument]:
    listed = [one for one in instruments if one.market is index.exchange and one.group == _SHARES]
    listed.sort(key=lambda one: (-one.listed_shares * one.base_price, one.code))
    return listed[: index.constituents]


def _figures(tape: Tape, times: Integers) -> tuple[Integers, Integers, Integers]:
    """Returns price, cumulative volume and cumulative value of a constituent at each instant."""
    if not len(tape.trades):
        nothing = np.zeros(len(times), dtype=np.int64)
        return np.full(len(times), tape.base_price, dtype=np.int64), nothing, nothing
    last = np.searchsorted(tape.trade_times(), times, side="right") - 1
    traded = last >= 0
    return (
        np.where(traded, tape.trades.price[last], tape.base_price),
        np.where(traded, tape.trades.cumulative_volume[last], 0),
        np.where(traded, tape.trades.cumulative_value[last], 0),
    )
