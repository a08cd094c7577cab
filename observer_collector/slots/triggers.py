"""What makes a symbol worth a slot, seen in its own figures.

Invariant: a signal is a pure consequence of the figures given so far. The volume of the last minute is
compared with the mean of the ten before it, the price with that of a minute ago; minutes without
figures count as what they are, unknown. A cumulative volume that falls begins a new history.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from observer_collector.slots.plan import Cause, Signal

_NANOSECONDS = 1_000_000_000
_MINUTE_NS = 60 * _NANOSECONDS
_MINUTES = 10
# With fewer minutes before it, every first minute after the opening would be a surge.
_FEWEST_MINUTES = 5


@dataclass(frozen=True, slots=True)
class TriggerRules:
    """Thresholds.

    Attributes:
        volume_ratio: Volume of a minute relative to the mean of the ten before.
        price_move: Change of the price within a minute, as a share.
        minimum_value: Value traded in the minute, KRW, below which nothing is a signal.
    """

    volume_ratio: float
    price_move: float
    minimum_value: int


@dataclass(slots=True)
class _History:
    """A symbol's figures: the last one seen, and one for each minute before."""

    minutes: deque[tuple[int, int, int]] = field(default_factory=lambda: deque(maxlen=_MINUTES + 1))


class Triggers:
    """The histories of all symbols.

    Args:
        rules: Thresholds.
    """

    def __init__(self, rules: TriggerRules) -> None:
        self.rules = rules
        self._histories: dict[str, _History] = {}

    def observe(self, symbol: str, at_ns: int, *, price: int, volume: int) -> Iterator[Signal]:
        """Takes a symbol's figures and yields the signals that they give.

        Args:
            symbol: The symbol.
            at_ns: When they were received, on the clock.
            price: Price in KRW.
            volume: Cumulative volume of the day, shares.
        """
        minutes = self._histories.setdefault(symbol, _History()).minutes
        if minutes and (volume < minutes[-1][2] or at_ns < minutes[-1][0] - _MINUTE_NS):
            minutes.clear()
        if price <= 0:
            return
        if minutes and at_ns - minutes[-1][0] >= _MINUTE_NS:
            yield from self._compare(symbol, minutes, at_ns, price, volume)
        if not minutes or at_ns - minutes[-1][0] >= _MINUTE_NS:
            minutes.append((at_ns, price, volume))

    def _compare(
        self, symbol: str, minutes: deque[tuple[int, int, int]], at_ns: int, price: int, volume: int
    ) -> Iterator[Signal]:
        before_ns, before_price, before_volume = minutes[-1]
        elapsed = (at_ns - before_ns) / _MINUTE_NS
        per_minute = (volume - before_volume) / elapsed
        if per_minute * price < self.rules.minimum_value:
            return
        first_ns, _, first_volume = minutes[0]
        known = (before_ns - first_ns) / _MINUTE_NS
        if known >= _FEWEST_MINUTES and before_volume > first_volume:
            ratio = per_minute / ((before_volume - first_volume) / known)
            if ratio >= self.rules.volume_ratio:
                yield Signal(symbol, Cause.VOLUME_SURGE, ratio / self.rules.volume_ratio, at_ns)
        move = abs(price / before_price - 1.0)
        if move >= self.rules.price_move:
            yield Signal(symbol, Cause.PRICE_MOVE, move / self.rules.price_move, at_ns)
