"""Signals that the broker gives itself: active VI, and its ranking of volume increase.

Invariant: asked at fixed distances on the clock while shares trade, and only where signals may take a
slot; a request that fails costs one look and is counted, never more. It costs no registration.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from observer_collector.cadence import next_multiple
from observer_collector.market_hours import MarketHours
from observer_collector.slots.desk import SlotDesk
from observer_collector.slots.plan import Cause, Signal
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

_log = logger(__name__)

Rows = Sequence[Mapping[str, str]]


@dataclass(slots=True)
class Look:
    """One thing that is asked again and again.

    Attributes:
        name: Its name, for people.
        seconds: From one question to the next, on the clock; 0 for never.
        ask: Asks the broker, for a day.
        read: Turns the rows of an instant into signals.
        asked: Questions that were answered.
        failed: Questions that were not.
    """

    name: str
    seconds: float
    ask: Callable[[date], Awaitable[Rows]]
    read: Callable[[Rows, int], Iterator[Signal]]
    asked: int = 0
    failed: int = 0


class MarketSignals:
    """Asks at its times.

    Args:
        look: What is asked.
        signal: Takes a signal.
        wanted: Returns whether signals may take a slot at all.
        hours: The market's hours.
        clock: The process's clock.
    """

    def __init__(
        self,
        look: Look,
        signal: Callable[[Signal], None],
        wanted: Callable[[], bool],
        hours: MarketHours,
        clock: Clock,
    ) -> None:
        self.look = look
        self._signal = signal
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
        for signal in look.read(rows, self._clock.now_ns()):
            self._signal(signal)


class ViReader:
    """Reads `inquire-vi-status`: a symbol is a signal when it becomes active, not while it stays so."""

    def __init__(self) -> None:
        self._active: set[tuple[str, str]] = set()

    def read(self, rows: Rows, at_ns: int) -> Iterator[Signal]:
        """Yields a signal for each interruption that was not active at the last look."""
        active = {
            (str(row.get("mksc_shrn_iscd", "")), str(row.get("cntg_vi_hour", "")))
            for row in rows
            if row.get("vi_cls_code") == "Y"
        }
        for symbol, _ in sorted(active - self._active):
            if symbol:
                yield Signal(symbol, Cause.VI, _VI_STRENGTH, at_ns)
        self._active = active


class RankingReader:
    """Reads `volume-rank`: a symbol is a signal when its volume is so many times its average."""

    def __init__(self, ratio: Callable[[], float]) -> None:
        self._ratio = ratio

    def read(self, rows: Rows, at_ns: int) -> Iterator[Signal]:
        """Yields a signal for each symbol of the ranking above the threshold."""
        for row in rows[:_RANKS]:
            symbol = str(row.get("mksc_shrn_iscd", ""))
            try:
                increase = float(row["vol_inrt"]) / 100.0
            except (KeyError, ValueError):
                continue
            if symbol and increase >= self._ratio():
                yield Signal(symbol, Cause.RANKING, min(increase / self._ratio(), 2.0), at_ns)


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
        MarketSignals(look, desk.signal, lambda: desk.planner.rules.signal_symbols > 0, hours, clock)
        for look in looks
    )
