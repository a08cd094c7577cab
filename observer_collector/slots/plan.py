"""Who holds the registrations of an app key (broker reference, 6.7).

Invariant: a plan never has more pairs than the broker allows, holds every channel of a symbol or none,
and depends on nothing but the universe, the signals and the instants it was asked at. In this order:
fixed registrations, pinned symbols, symbols that have not been held for the minimum dwell, then the
rest by score. A held symbol leaves only for one whose score is higher by the margin, so that two
symbols of nearly the same interest do not change places all day. A signal that finds no place is in
the overflow, not forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from observer_collector.slots.registrations import Pair
from observer_core.reference.universe import Universe

_NANOSECONDS = 1_000_000_000
# A clock that is put right by less than this was not set back.
_CORRECTION_NS = 10 * _NANOSECONDS


class Cause(StrEnum):
    """Why a symbol is watched."""

    FIXED = "fixed"
    PINNED = "pinned"
    TRADED_VALUE = "traded_value"
    VOLUME_SURGE = "volume_surge"
    PRICE_MOVE = "price_move"
    RANKING = "ranking"
    VI = "vi"


@dataclass(frozen=True, slots=True)
class Signal:
    """Something that makes a symbol interesting.

    Attributes:
        symbol: The symbol.
        cause: What was seen.
        strength: How strong it is, 1 at the threshold.
        at_ns: When, on the clock.
    """

    symbol: str
    cause: Cause
    strength: float
    at_ns: int


@dataclass(frozen=True, slots=True)
class SlotRules:
    """The rules of a plan.

    Attributes:
        registrations: Largest number of pairs.
        channels: Channels of each watched symbol.
        fixed: Pairs that are always registered.
        pinned: Symbols that are always watched, with their channels.
        market_operation: Channel of market operations, registered for the leading symbol of each market;
            None for none.
        signal_symbols: Symbols that signals may bring in at a time.
        signal_seconds: How long a signal keeps its symbol interesting.
        dwell_seconds: How long a symbol is held at least.
        margin: Factor by which a newcomer's score has to exceed a holder's.
    """

    registrations: int
    channels: tuple[str, ...]
    fixed: tuple[Pair, ...] = ()
    pinned: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    market_operation: str | None = None
    signal_symbols: int = 0
    signal_seconds: float = 300.0
    dwell_seconds: float = 120.0
    margin: float = 1.2


@dataclass(frozen=True, slots=True)
class Hold:
    """A symbol that is watched.

    Attributes:
        since_ns: Since when.
        cause: Why.
        score: Its score when it entered.
        settled: Whether it may leave although its dwell is not over: another day has begun.
    """

    since_ns: int
    cause: Cause
    score: float
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A symbol that enters or leaves.

    Attributes:
        symbol: The symbol.
        entered: True where it enters, False where it leaves.
        cause: Why it entered, then or now.
        score: Its score when it entered.
        held_ns: How long it was held; 0 where it enters.
    """

    symbol: str
    entered: bool
    cause: Cause
    score: float
    held_ns: int = 0


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """A plan.

    Attributes:
        pairs: The registrations, most wanted first.
        changes: Symbols that leave, then symbols that enter.
        overflow: Signals without a place, strongest first.
    """

    pairs: tuple[Pair, ...]
    changes: tuple[Change, ...]
    overflow: tuple[Signal, ...]


class SlotPlanner:
    """The watched symbols and how they came there.

    Args:
        rules: The rules.
    """

    def __init__(self, rules: SlotRules) -> None:
        self.rules = rules
        self._baseline: dict[str, float] = {}
        self._leaders: tuple[str, ...] = ()
        self._signals: dict[str, Signal] = {}
        self.holds: dict[str, Hold] = {}

    def adopt(self, universe: Universe) -> None:
        """Takes a new day's universe: its previous volume times base price ranks the symbols."""
        ranked = sorted(universe.symbols, key=lambda one: (-one.previous_volume * one.base_price, one.code))
        self._baseline = {one.code: 1.0 / (1 + rank) for rank, one in enumerate(ranked)}
        leaders = {one.market: one.code for one in reversed(ranked)}
        self._leaders = tuple(leaders[market] for market in sorted(leaders))
        self._signals.clear()
        # Another day, another ranking: what yesterday's symbols were held for does not keep them.
        self.holds = {symbol: replace(hold, settled=True) for symbol, hold in self.holds.items()}

    def knows(self, symbol: str) -> bool:
        """Returns whether a symbol belongs to the day: to its universe, or to the pinned ones."""
        return symbol in self._baseline or symbol in self.rules.pinned

    def signal(self, signal: Signal) -> None:
        """Takes a signal; of two for one symbol the stronger counts, and the later prolongs it."""
        known = self._signals.get(signal.symbol)
        if known is not None and known.strength > signal.strength and self._lives(known, signal.at_ns):
            signal = Signal(known.symbol, known.cause, known.strength, signal.at_ns)
        self._signals[signal.symbol] = signal

    def plan(self, now_ns: int) -> SlotPlan:
        """Returns who is watched from an instant on."""
        self._signals = {s: one for s, one in self._signals.items() if self._lives(one, now_ns)}
        chosen = self._choose(now_ns)
        changes = self._change(chosen, now_ns)
        waiting = [one for symbol, one in self._signals.items() if symbol not in self.holds]
        overflow = sorted(waiting, key=lambda one: (-one.strength, one.symbol))
        return SlotPlan(self._pairs(chosen), changes, tuple(overflow))

    def channels_of(self, symbol: str) -> tuple[str, ...]:
        """Returns the channels that a watched symbol has."""
        return self.rules.pinned.get(symbol, self.rules.channels)

    def _choose(self, now_ns: int) -> dict[str, Cause]:
        """Returns the watched symbols, most wanted first, and why each is."""
        chosen: dict[str, Cause] = {}
        left = self.rules.registrations - len(self._fixed())
        signalled = 0
        for symbol, cause in self._candidates(now_ns, left):
            by_signal = cause not in (Cause.PINNED, Cause.TRADED_VALUE)
            cost = len(self.channels_of(symbol))
            if symbol in chosen or cost > left or (by_signal and signalled >= self.rules.signal_symbols):
                continue
            chosen[symbol] = cause
            left -= cost
            signalled += by_signal
        return chosen

    def _candidates(self, now_ns: int, places: int) -> Iterator[tuple[str, Cause]]:
        """Yields symbols in the order in which they get a place; a symbol may come up more than once."""
        yield from ((symbol, Cause.PINNED) for symbol in self.rules.pinned)
        yield from ((s, hold.cause) for s, hold in self.holds.items() if self._dwells(hold, now_ns))
        scores = {symbol: self._score(one) for symbol, one in self._signals.items()}
        ranked = sorted(self._baseline, key=lambda symbol: (-self._rank(symbol, self._baseline), symbol))
        # These have their place however many signals there are, and need none of the signals' places.
        safe = set(ranked[: max(0, places // len(self.rules.channels) - self.rules.signal_symbols)])
        for symbol in sorted(scores, key=lambda symbol: (-self._rank(symbol, scores), symbol)):
            if symbol not in safe:
                yield symbol, self._signals[symbol].cause
        yield from ((symbol, Cause.TRADED_VALUE) for symbol in ranked)

    def _rank(self, symbol: str, scores: Mapping[str, float]) -> float:
        return scores[symbol] * (self.rules.margin if symbol in self.holds else 1.0)

    def _change(self, chosen: Mapping[str, Cause], now_ns: int) -> tuple[Change, ...]:
        left = [
            Change(symbol, False, hold.cause, hold.score, max(0, now_ns - hold.since_ns))
            for symbol, hold in self.holds.items()
            if symbol not in chosen
        ]
        entered = []
        holds: dict[str, Hold] = {}
        for symbol, cause in chosen.items():
            known = self.holds.get(symbol)
            if known is None:
                score = self._score_of(symbol)
                entered.append(Change(symbol, True, cause, score))
                known = Hold(now_ns, cause, score)
            holds[symbol] = replace(known, cause=cause)
        self.holds = holds
        return (*left, *entered)

    def _pairs(self, chosen: Mapping[str, Cause]) -> tuple[Pair, ...]:
        watched = [Pair(channel, symbol) for symbol in chosen for channel in self.channels_of(symbol)]
        return tuple(dict.fromkeys([*self._fixed(), *watched]))[: self.rules.registrations]

    def _fixed(self) -> Sequence[Pair]:
        channel = self.rules.market_operation
        operations = [Pair(channel, symbol) for symbol in self._leaders] if channel else []
        return list(dict.fromkeys([*self.rules.fixed, *operations]))

    def _dwells(self, hold: Hold, now_ns: int) -> bool:
        return not hold.settled and _lasts(hold.since_ns, now_ns, self.rules.dwell_seconds)

    def _lives(self, signal: Signal, now_ns: int) -> bool:
        return _lasts(signal.at_ns, now_ns, self.rules.signal_seconds)

    def _score_of(self, symbol: str) -> float:
        signal = self._signals.get(symbol)
        return self._baseline.get(symbol, 0.0) if signal is None else self._score(signal)

    @staticmethod
    def _score(signal: Signal) -> float:
        """Above every baseline score, which is 1 at most."""
        return 1.0 + signal.strength


def _lasts(since_ns: int, now_ns: int, seconds: float) -> bool:
    """Returns whether something lasts; what began in the future began before the clock was set back."""
    return -_CORRECTION_NS < now_ns - since_ns < seconds * _NANOSECONDS
