"""Whether data come where they should (broker reference, 6.7 and 9: silent subscription).

Invariant: silence counts only while the market's phase promises data on that channel, only from the
moment the broker confirmed the registration, and never longer than since the last record; a quiet
night, an auction or a symbol that does not trade cannot end a connection. Indices are computed whether
or not anything trades, so their flow says nothing about trades and books.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from observer_collector.market_hours import MarketHours
from observer_collector.moments import Moment, Patience, latest
from observer_collector.session.slot import Slot
from observer_collector.slots.registrations import Pair
from observer_core.brokers.kis.catalogue import CHANNELS, Kind, Venue

# Registered once more after a minute, as the reference says; the broker answers OPSP0002 where it
# believes that it delivers. Five minutes later the registration is released and made anew.
_REVIVALS = (Patience(60, 3), Patience(300, 15))
# Several slots of traded symbols are never all silent so long while the market trades.
_STARVED = Patience(180, 10)
_MANY = 5
_LONGEST_STRETCH = 8
# Longer than a volatility interruption, which is one of many symbols at most.
_RECENT = Patience(180, 10)
_OF_SYMBOLS = frozenset({Kind.TRADE, Kind.BOOK})


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the registrations deliver that are never silent for minutes in this phase: trades and books.

    Attributes:
        expected: How many of them the broker has confirmed.
        due: How many of them are due for so long that a silent one is silent; NXT, on which most symbols
            are thin or absent, is left out.
        recent: How many of the due ones have brought a record lately.
        last: When the last record of an expected one came; None where none came.
    """

    expected: int = 0
    due: int = 0
    recent: int = 0
    last: Moment | None = None


class DataWatch:
    """The flow of data of one connection.

    Args:
        hours: When data may come, and on which channels.
        records: Returns how many records of a pair came on this connection.
        starvations: Connections before this one that starved in a row; each doubles the patience, because a
            circuit breaker stills the whole market for twenty minutes.
    """

    def __init__(self, hours: MarketHours, records: Callable[[Pair], int], starvations: int = 0) -> None:
        self._stretch = min(2**starvations, _LONGEST_STRETCH)
        self._hours = hours
        self._records = records
        self._counts: dict[Pair, int] = {}
        self._flowed: dict[Pair, Moment] = {}
        self._expecting: dict[str, Moment] = {}
        self.last_flowed: Moment | None = None

    def look(self, slots: Iterable[Slot], now: Moment) -> None:
        """Notes what has come since the last look, and what the phase promises."""
        phase = self._hours.phase(now.clock_ns)
        for slot in slots:
            pair = slot.pair
            if not self._hours.expects(pair.channel, phase):
                self._expecting.pop(pair.channel, None)
            else:
                self._expecting.setdefault(pair.channel, now)
            count = self._records(pair)
            if count != self._counts.get(pair, 0):
                self._counts[pair] = count
                self._flowed[pair] = now
                if self._is_expected(pair):
                    self.last_flowed = now

    def to_revive(self, slot: Slot, now: Moment) -> bool:
        """Returns whether a confirmed slot has been silent for so long that it is registered again."""
        expecting = self._expecting.get(slot.pair.channel)
        if expecting is None or slot.revivals >= len(_REVIVALS):
            return False
        since = latest(slot.since, expecting, self._flowed.get(slot.pair, slot.since))
        return _REVIVALS[slot.revivals].exhausted(since, now)

    def starved(self, slots: Iterable[Slot], now: Moment) -> bool:
        """Returns whether a connection that should deliver delivers nothing at all."""
        waiting = [
            latest(slot.covered, self._expecting[slot.pair.channel])
            for slot in slots
            if slot.covered is not None and self._is_expected(slot.pair)
        ]
        if len(waiting) < _MANY:
            return False
        since = sorted(waiting, key=lambda moment: moment.real_ns)[_MANY - 1]
        return _STARVED.exhausted(latest(since, self.last_flowed or since), now, times=self._stretch)

    def delivers(self, pair: Pair, now: Moment) -> bool:
        """Returns whether records of a registration come: lately, where the phase promises any."""
        if self._records(pair) != self._counts.get(pair, 0):
            return True
        flowed = self._flowed.get(pair)
        if flowed is None:
            return False
        expecting = self._expecting.get(pair.channel)
        return expecting is None or not _RECENT.exhausted(latest(flowed, expecting), now)

    def delivery(self, slots: Iterable[Slot], now: Moment) -> Delivery:
        """Returns what the expected registrations deliver, all together."""
        expected = [slot for slot in slots if slot.covered is not None and self._is_expected(slot.pair)]
        due = [
            slot.pair
            for slot in expected
            if CHANNELS[slot.pair.channel].venue is not Venue.NXT
            and _RECENT.exhausted(latest(slot.covered or now, self._expecting[slot.pair.channel]), now)
        ]
        recent = sum(self.delivers(pair, now) for pair in due)
        return Delivery(len(expected), len(due), recent, self.last_flowed)

    def _is_expected(self, pair: Pair) -> bool:
        return pair.channel in self._expecting and CHANNELS[pair.channel].kind in _OF_SYMBOLS
