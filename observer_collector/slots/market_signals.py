"""Signals that the broker gives itself: active VI, and its ranking of volume increase.

Invariant: asked at fixed distances on the clock while shares trade, and only where signals may take a
slot; a request that fails costs one look and is counted, never more. It costs no registration.
A row with a field that has not its documented form costs that row: it is counted, and told once.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from observer_collector.cadence import next_multiple
from observer_collector.market_hours import MarketHours
from observer_collector.slots.desk import SlotDesk
from observer_collector.slots.plan import Cause, Signal
from observer_core.brokers.kis.catalogue import Key
from observer_core.brokers.kis.rest import KisRestClient
from observer_core.clock import Clock, kst_datetime
from observer_core.errors import ExternalError, StorageError
from observer_core.logs import logger
from observer_core.settings import CollectorSettings

_NANOSECONDS = 1_000_000_000
# A halted symbol's first trades are what every other signal leads up to.
_VI_STRENGTH = 3.0
_RANKS = 30
# Looks again whether shares trade, where nothing is asked.
_IDLE_SECONDS = 10.0
_SYMBOL, _STATE, _TIME, _INCREASE = "mksc_shrn_iscd", "vi_cls_code", "cntg_vi_hour", "vol_inrt"
# The documented forms (broker reference, 4.10 and 4.16); an empty value is "none", which is not odd.
_FORMS = {
    _SYMBOL: Key.STOCK.pattern,
    _STATE: re.compile(r"[YN]?"),
    _TIME: re.compile(r"(?:[0-9]{6})?", re.ASCII),
    _INCREASE: re.compile(r"(?:-?[0-9]{1,18}(?:\.[0-9]{1,9})?)?", re.ASCII),
}

_log = logger(__name__)

# An answer is an array of objects; what stands in the fields is looked at here.
Rows = Sequence[Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class OddField:
    """What a row says nothing for: a field that has not its documented form, or is not there.

    Attributes:
        name: The field.
        value: What it holds; None where it is missing.
    """

    name: str
    value: object


@dataclass(slots=True)
class Look:
    """One thing that is asked again and again.

    Attributes:
        name: Its name, for people.
        seconds: From one question to the next, on the clock; 0 for never.
        ask: Asks the broker, for a day.
        read: Turns the rows of an instant into signals, and tells those that it cannot read.
        asked: Questions that were answered.
        failed: Questions that were not.
        odd: Rows that could not be read.
    """

    name: str
    seconds: float
    ask: Callable[[date], Awaitable[Rows]]
    read: Callable[[Rows, int], Iterator[Signal | OddField]]
    asked: int = 0
    failed: int = 0
    odd: int = 0


class MarketSignals:
    """Asks at its times.

    Args:
        look: What is asked.
        signal: Takes a signal.
        strange: Takes name of the question, field and value of a row that cannot be read.
        wanted: Returns whether signals may take a slot at all.
        hours: The market's hours.
        clock: The process's clock.
    """

    def __init__(
        self,
        look: Look,
        signal: Callable[[Signal], None],
        *,
        strange: Callable[[str, str, object], None],
        wanted: Callable[[], bool],
        hours: MarketHours,
        clock: Clock,
    ) -> None:
        self.look = look
        self._signal = signal
        self._strange = strange
        self._wanted = wanted
        self._hours = hours
        self._clock = clock
        self._problem = ""

    async def run(self) -> None:
        """Asks until cancelled."""
        while True:
            now_ns = self._clock.now_ns()
            trading = self._hours.phase(now_ns).delivers_trades
            if self.look.seconds and trading and self._wanted():
                await self._ask(now_ns)
            await next_multiple(self._clock, int((self.look.seconds or _IDLE_SECONDS) * _NANOSECONDS))

    async def _ask(self, now_ns: int) -> None:
        look = self.look
        try:
            rows = await look.ask(kst_datetime(now_ns).date())
        except (ExternalError, StorageError) as error:
            look.failed += 1
            if self._problem != str(error):
                _log.warning("The broker was asked for signals without an answer.", what=look.name,
                             error=str(error))  # fmt: skip
            self._problem = str(error)
            return
        look.asked += 1
        self._problem = ""
        for found in look.read(rows, self._clock.now_ns()):
            if isinstance(found, Signal):
                self._signal(found)
            else:
                look.odd += 1
                self._strange(look.name, found.name, found.value)


class ViReader:
    """Reads `inquire-vi-status`: a symbol is a signal when it becomes active, not while it stays so."""

    def __init__(self) -> None:
        self._active: set[tuple[str, str]] = set()

    def read(self, rows: Rows, at_ns: int) -> Iterator[Signal | OddField]:
        """Yields a signal for each interruption that was not active at the last look."""
        active: set[tuple[str, str]] = set()
        for row in rows:
            values = _values(row, _SYMBOL, _STATE, _TIME)
            if isinstance(values, OddField):
                yield values
                continue
            symbol, state, time = values
            if state == "Y":
                active.add((symbol, time))
        for symbol, _ in sorted(active - self._active):
            yield Signal(symbol, Cause.VI, _VI_STRENGTH, at_ns)
        self._active = active


class RankingReader:
    """Reads `volume-rank`: a symbol is a signal when its volume is so many times its average."""

    def __init__(self, ratio: Callable[[], float]) -> None:
        self._ratio = ratio

    def read(self, rows: Rows, at_ns: int) -> Iterator[Signal | OddField]:
        """Yields a signal for each symbol of the ranking above the threshold."""
        for row in rows[:_RANKS]:
            values = _values(row, _SYMBOL, _INCREASE)
            if isinstance(values, OddField):
                yield values
                continue
            symbol, per_cent = values
            increase = float(per_cent or 0) / 100.0
            if increase >= self._ratio():
                yield Signal(symbol, Cause.RANKING, min(increase / self._ratio(), 2.0), at_ns)


def _values(row: Mapping[str, object], *names: str) -> tuple[str, ...] | OddField:
    """Returns what the named fields of a row hold, or the first that has not its documented form."""
    values = []
    for name in names:
        value = row.get(name)
        if not (isinstance(value, str) and _FORMS[name].fullmatch(value)):
            return OddField(name, value)
        values.append(value)
    return tuple(values)


def market_signals(
    settings: CollectorSettings, client: KisRestClient, desk: SlotDesk, hours: MarketHours, clock: Clock
) -> tuple[MarketSignals, ...]:
    """Returns what is asked of the broker for a desk of slots."""
    ranking = RankingReader(lambda: desk.triggers.rules.volume_ratio)
    looks = (
        Look("VI", settings.vi_poll_seconds, client.volatility_interruptions, ViReader().read),
        Look("ranking", settings.ranking_poll_seconds, lambda _: client.volume_ranking(), ranking.read),
    )
    return tuple(
        MarketSignals(
            look,
            desk.named,
            strange=desk.strange,
            wanted=lambda: desk.planner.rules.signal_symbols > 0,
            hours=hours,
            clock=clock,
        )
        for look in looks
    )
