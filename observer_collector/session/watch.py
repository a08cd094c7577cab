"""Whether data come where they should (broker reference, 6.7 and 9: silent subscription).

Invariant: silence counts only while the market's phase promises data on that channel, only from the
moment the broker confirmed the registration, and never longer than since the last record; a quiet
night, an auction or a symbol that does not trade cannot end a connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from observer_collector.market_hours import MarketHours
from observer_collector.moments import Moment, Patience
from observer_collector.session.slot import Slot
from observer_collector.slots.registrations import Pair

# Registered once more after a minute, as the reference says; the broker answers OPSP0002 where it
# believes that it delivers. Five minutes later the registration is released and made anew.
_REVIVALS = (Patience(60, 3), Patience(300, 15))
# Several slots of traded symbols are never all silent so long while the market trades.
_STARVED = Patience(180, 10)
_MANY = 5


class DataWatch:
    """The flow of data of one connection.

    Args:
        hours: When data may come, and on which channels.
        records: Returns how many records of a pair came on this connection.
    """

    def __init__(self, hours: MarketHours, records: Callable[[Pair], int]) -> None:
        self._hours = hours
        self._records = records
        self._counts: dict[Pair, int] = {}
        self._flowed: dict[Pair, Moment] = {}
        self._expecting: dict[str, Moment] = {}
        self._any_flowed: Moment | None = None

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
                self._flowed[pair] = self._any_flowed = now

    def to_revive(self, slot: Slot, now: Moment) -> bool:
        """Returns whether a confirmed slot has been silent for so long that it is registered again."""
        expecting = self._expecting.get(slot.pair.channel)
        if expecting is None or slot.revivals >= len(_REVIVALS):
            return False
        since = max(slot.since, expecting, self._flowed.get(slot.pair, slot.since))
        return _REVIVALS[slot.revivals].exhausted(since, now)

    def starved(self, slots: Iterable[Slot], now: Moment) -> bool:
        """Returns whether a connection that should deliver delivers nothing at all."""
        waiting = sorted(
            max(slot.covered, self._expecting[slot.pair.channel])
            for slot in slots
            if slot.covered is not None and slot.pair.channel in self._expecting
        )
        if len(waiting) < _MANY:
            return False
        since = waiting[_MANY - 1]
        return _STARVED.exhausted(max(since, self._any_flowed or since), now)
