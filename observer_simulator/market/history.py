"""What every day comes to: base price, close and volume of each symbol, without its trades.

Invariant: the close of a day is the base price of the next trading day, and its volume is that
day's previous volume; the trades of a day add up to exactly what stands here. So a day can be
asked for by itself, and its master file agrees with the tape of the day before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import accumulate

import numpy as np

from observer_core.errors import ConfigurationError
from observer_core.market.calendar import MarketCalendar
from observer_core.market.ticks import price_limits
from observer_core.reference.instrument import ListedInstrument
from observer_simulator.market.ladder import PRICES, Integers, Numbers, nearest_rungs
from observer_simulator.market.seeds import generator

# The simulated past begins here. A price needs one earlier close, a daily list thirty of them.
FIRST_DAY = date(2025, 1, 2)

# Days are drawn in blocks: a longer past must not change what was already drawn.
_BLOCK_DAYS = 512
# Daily moves: share of the whole market's, pull back to the listing's price, and their bounds.
_MARKET_SHARE = 0.5
_PULL = 0.98
_CALMEST, _WILDEST = 0.012, 0.032
_LARGEST_MOVE = 0.13
_VOLUME_SPREAD = 0.35
# Below this price in KRW the limits leave no room for the two sides of a book: such a symbol rests.
_CHEAPEST_TRADED = 50


def rests(instrument: ListedInstrument) -> bool:
    """Returns whether a symbol does not trade at all."""
    return instrument.suspended or instrument.previous_volume == 0 or instrument.base_price < _CHEAPEST_TRADED


class NoMarketError(ConfigurationError):
    """A day before the simulated past was asked for."""


@dataclass(frozen=True, slots=True)
class DayFigures:
    """What one symbol's day comes to.

    Attributes:
        base_price: Close of the day before, KRW, the base of the limits.
        close_price: Official close, KRW, on the grid and within the limits.
        volume: Shares traded from the opening to the end of the last session.
        previous_volume: Shares traded on the trading day before.
        volatility: Standard deviation of the daily logarithmic move.
    """

    base_price: int
    close_price: int
    volume: int
    previous_volume: int
    volatility: float

    @property
    def limits(self) -> tuple[int, int]:
        """The day's lower and upper price limit, KRW."""
        return price_limits(self.base_price)


@dataclass(frozen=True, slots=True)
class _Past:
    closes: Integers
    volumes: Integers
    volatility: float


class History:
    """The days of all symbols.

    Args:
        seed: Seed of the market.
        calendar: Which days are trading days.
    """

    def __init__(self, seed: int, calendar: MarketCalendar) -> None:
        self._seed = seed
        self._calendar = calendar
        self._days: list[date] = [FIRST_DAY]
        self._ordinals: dict[date, int] = {FIRST_DAY: 0}
        self._pasts: dict[str, _Past] = {}
        self._market_moves: Numbers = np.zeros(0)

    def figures(self, instrument: ListedInstrument, day: date) -> DayFigures:
        """Returns what a trading day comes to for a symbol.

        Raises:
            NoMarketError: The day lies before the second day of the simulated past.
        """
        ordinal = self._ordinal(day)
        past = self._pasts.get(instrument.code)
        if past is None or len(past.closes) <= ordinal:
            past = self._pasts[instrument.code] = self._draw(instrument, ordinal)
        return DayFigures(
            base_price=int(past.closes[ordinal - 1]),
            close_price=int(past.closes[ordinal]),
            volume=int(past.volumes[ordinal]),
            previous_volume=int(past.volumes[ordinal - 1]),
            volatility=past.volatility,
        )

    def days_before(self, day: date, count: int) -> list[date]:
        """Returns up to `count` trading days that end with `day`, the newest first."""
        ordinal = self._ordinal(day)
        return self._days[max(1, ordinal - count + 1) : ordinal + 1][::-1]

    def _ordinal(self, day: date) -> int:
        if day <= FIRST_DAY:
            raise NoMarketError(
                f"The simulated market begins after {FIRST_DAY}; {day} was asked for.",
                remedy="Let the simulated clock start at a later day.",
            )
        while self._days[-1] < day:
            following = self._calendar.next_trading_day(self._days[-1])
            self._ordinals[following] = len(self._days)
            self._days.append(following)
        return self._ordinals[day]

    def _draw(self, instrument: ListedInstrument, ordinal: int) -> _Past:
        days = (ordinal // _BLOCK_DAYS + 1) * _BLOCK_DAYS
        character = generator(self._seed, "character", instrument.code)
        volatility = float(character.uniform(_CALMEST, _WILDEST))
        if rests(instrument):
            still = np.full(days, instrument.base_price, dtype=np.int64)
            return _Past(still, np.zeros(days, dtype=np.int64), volatility)
        return _Past(self._closes(instrument, days, volatility), self._volumes(instrument, days), volatility)

    def _closes(self, instrument: ListedInstrument, days: int, volatility: float) -> Integers:
        if len(self._market_moves) < days:
            self._market_moves = generator(self._seed, "market").standard_normal(days)
        market = self._market_moves[:days]
        own = generator(self._seed, "moves", instrument.code).standard_normal(days)
        mixed = _MARKET_SHARE * market + (1 - _MARKET_SHARE**2) ** 0.5 * own
        moves = np.clip(volatility * mixed, -_LARGEST_MOVE, _LARGEST_MOVE).tolist()
        distance: Numbers = np.fromiter(accumulate(moves, lambda far, move: far * _PULL + move), float, days)
        return PRICES[nearest_rungs(np.maximum(instrument.base_price * np.exp(distance), 1.0))]

    def _volumes(self, instrument: ListedInstrument, days: int) -> Integers:
        noise = generator(self._seed, "volumes", instrument.code).standard_normal(days)
        drawn = instrument.previous_volume * np.exp(_VOLUME_SPREAD * noise)
        volumes: Integers = np.clip(drawn, 1, 10 * instrument.previous_volume).astype(np.int64)
        return volumes
