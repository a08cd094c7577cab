"""The whole market: instruments, their days, and the tapes made so far.

Invariant: a tape that was dropped from memory is made again the same.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from observer_core.market.calendar import MarketCalendar
from observer_core.reference.instrument import ListedInstrument
from observer_simulator.market.activity import ordinary_trades
from observer_simulator.market.history import DayFigures, History
from observer_simulator.market.maker import DayOrder, make_tape
from observer_simulator.market.nxt import make_nxt_tape, unite
from observer_simulator.market.seeds import generator, word
from observer_simulator.market.tape import Tape
from observer_simulator.market.venue import Venue, traded_on_nxt

# Tapes in memory, counted in trades: about 150 bytes each, so some 150 MB.
_KEPT_TRADES = 1_000_000
# What an empty tape counts for.
_TAPE_WEIGHT = 20

# Exchange traded products do not trade in the after-market (broker reference, 8.1).
_WITHOUT_AFTER_MARKET = frozenset({"EF", "EN", "EW", "FE"})

# What NXT trades of a share, relative to the KRX.
_LEAST_ON_NXT, _MOST_ON_NXT = 0.15, 0.5


class Market:
    """The market of one seed.

    Args:
        instruments: Everything that is listed.
        calendar: Trading days and hours.
        seed: Seed.
        density: Trades relative to the default.
        after_market_restarts: Whether cumulative figures begin anew in the after-market.
    """

    def __init__(
        self,
        instruments: Sequence[ListedInstrument],
        calendar: MarketCalendar,
        *,
        seed: int,
        density: float = 1.0,
        after_market_restarts: bool = False,
    ) -> None:
        self.instruments = {instrument.code: instrument for instrument in instruments}
        self.calendar = calendar
        self._seed = seed
        self._density = density
        self._restarts = after_market_restarts
        self._ordinary_trades = ordinary_trades(instruments)
        self._history = History(seed, calendar)
        self._nxt = traded_on_nxt(instruments)
        self._tapes: OrderedDict[tuple[date, str, Venue], Tape] = OrderedDict()
        self._weight = 0

    def figures(self, code: str, day: date) -> DayFigures:
        """Returns what a trading day comes to for a symbol.

        Raises:
            KeyError: Nothing with this code is listed.
            NoMarketError: The day lies before the simulated past.
        """
        return self._history.figures(self.instruments[code], day)

    def days_before(self, day: date, count: int) -> list[date]:
        """Returns up to `count` trading days that end with `day`, the newest first."""
        return self._history.days_before(day, count)

    def on_nxt(self, code: str, day: date) -> bool:
        """Returns whether NXT trades a symbol on a trading day."""
        return code in self._nxt and self.calendar.session(day).nxt is not None

    def tape(self, code: str, day: date, venue: Venue = Venue.KRX) -> Tape:
        """Returns a symbol's trading day on an exchange, or on both; the errors are those of `figures`.

        A symbol that NXT does not trade has an empty tape there, and its unified tape is that of the KRX.
        """
        if venue is Venue.UNIFIED and not self.on_nxt(code, day):
            venue = Venue.KRX
        key = (day, code, venue)
        tape = self._tapes.get(key)
        if tape is not None:
            self._tapes.move_to_end(key)
            return tape
        tape = self._tapes[key] = self._make(code, day, venue)
        self._weight += len(tape.trades) + _TAPE_WEIGHT
        while self._weight > _KEPT_TRADES and len(self._tapes) > 1:
            _, dropped = self._tapes.popitem(last=False)
            self._weight -= len(dropped.trades) + _TAPE_WEIGHT
        return tape

    def _make(self, code: str, day: date, venue: Venue) -> Tape:
        if venue is Venue.NXT:
            return self._make_nxt(code, day)
        if venue is Venue.UNIFIED:
            key = word(self._seed, "unified-book", day.isoformat(), code)
            return unite(self.tape(code, day), self.tape(code, day, Venue.NXT), key)
        return make_tape(self._order(code, day), generator(self._seed, "tape", day.isoformat(), code))

    def _make_nxt(self, code: str, day: date) -> Tape:
        order, hours = self._order(code, day), self.calendar.session(day).nxt
        share = generator(self._seed, "nxt-share", code).uniform(_LEAST_ON_NXT, _MOST_ON_NXT)
        volume = int(order.figures.volume * share)
        trades = min(round(order.trades * share), volume)
        if hours is None or not trades or not self.on_nxt(code, day):
            return make_tape(replace(order, trades=0), generator(self._seed, "empty"))
        previous = int(order.figures.previous_volume * share)
        order = replace(
            order,
            figures=replace(order.figures, volume=volume, previous_volume=previous),
            trades=trades,
            key=word(self._seed, "nxt-book", day.isoformat(), code),
        )
        rng = generator(self._seed, "nxt-tape", day.isoformat(), code)
        return make_nxt_tape(order, self.tape(code, day), hours, rng)

    def _order(self, code: str, day: date) -> DayOrder:
        instrument = self.instruments[code]
        figures = self._history.figures(instrument, day)
        session = self.calendar.session(day)
        return DayOrder(
            code=code,
            figures=figures,
            session=session,
            trades=self._trades(instrument, figures),
            listed_shares=instrument.listed_shares,
            after_market=session.after_market_from is not None
            and instrument.group not in _WITHOUT_AFTER_MARKET,
            restarts=self._restarts,
            key=word(self._seed, "book", day.isoformat(), code),
        )

    def _trades(self, instrument: ListedInstrument, figures: DayFigures) -> int:
        if figures.volume == 0:
            return 0
        # A day of four times the volume has twice the trades, the rest of it in their size.
        relative: float = (figures.volume / instrument.previous_volume) ** 0.5
        drawn = self._ordinary_trades[instrument.code] * self._density * relative
        return max(1, min(round(drawn), figures.volume))
