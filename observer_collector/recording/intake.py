"""The writer's work: everything that runs while this process holds the lock.

Invariant: intake ends before the journal does. Whatever ends the work (a stop, or an error of ours in what
receives and writes), what was received is written and sealed before `run` returns. What works beside the
recording does not end it (`supervision`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from random import Random
from typing import Any

from observer_collector.market_hours import MarketHours
from observer_collector.planner import Planner
from observer_collector.promise import Promise
from observer_collector.recording.backfill import Backfiller
from observer_collector.recording.beginning import tell_beginning
from observer_collector.recording.clock_offset import ClockComparison
from observer_collector.recording.journals import Journals
from observer_collector.recording.pauses import DiskPauses
from observer_collector.recording.rates import RateRing
from observer_collector.recording.recorder import Recorder
from observer_collector.recording.sealing import seal
from observer_collector.recording.sweeps import SwingSweeper
from observer_collector.recording.upkeep import Compressor
from observer_collector.session.backoff import Backoff
from observer_collector.session.connection import BrokerConnection
from observer_collector.session.keys import AppKeys
from observer_collector.session.token_keeper import TokenKeeper
from observer_collector.slots.desk import SlotDesk
from observer_collector.slots.market_signals import market_signals
from observer_collector.slots.plan import SlotPlanner
from observer_collector.slots.reloading import Reloading
from observer_collector.slots.rules import slot_rules, sweep_symbols, trigger_rules
from observer_collector.slots.triggers import Triggers
from observer_collector.stopping import Ending, Stage, unless_stopped
from observer_collector.supervision import Helpers
from observer_core.brokers.kis.endpoints import websocket_url
from observer_core.brokers.kis.rest import KisRestClient
from observer_core.clock import Clock
from observer_core.errors import BrokerError
from observer_core.journal import ControlKind
from observer_core.logs import logger
from observer_core.reference.universe import Universe
from observer_core.settings import CollectorSettings, KisSettings, Paths, Settings
from observer_core.settings.paths import Track

_BEAT_SECONDS, _VIRTUAL_BEAT_SECONDS = 0.05, 0.002
# Turns of the event loop after which everything that was in the socket has been read: one to see the
# socket, one to wake the receiver, one for it to run; and one more.
_TURNS = 4

_log = logger(__name__)


class Intake:
    """The tasks of the writer.

    Args:
        settings: All settings.
        journals: The journal, recovered.
        client: The broker's REST interface.
        hours: The market's hours.
        promise: What the conductor is promised.
        clock: The process's clock.
        comparison: Compares that clock with the broker's.
        ending: How long each part of a stop may take.
        keys: The app keys of the websocket.
        helpers: Keeps at work what works beside the recording.
    """

    def __init__(
        self,
        settings: Settings,
        journals: Journals,
        client: KisRestClient,
        *,
        hours: MarketHours,
        promise: Promise,
        clock: Clock,
        comparison: ClockComparison,
        ending: Ending,
        keys: AppKeys,
        helpers: Helpers,
    ) -> None:
        self._ending = ending
        self._helpers = helpers
        self._clock = clock
        self._hours = hours
        self._pauses = DiskPauses()
        self.comparison = comparison
        self.compressor = Compressor(
            Paths(settings.paths), journals, clock, after_hours=settings.collector.compress_after_hours
        )
        self._promise = promise
        self._sweep_symbols = sweep_symbols(settings.collector)
        self.journals = journals
        scalp, swing = journals.scalp, journals.swing
        self.recorder = Recorder(
            scalp.writer, scalp.epochs, journals.continuity, clock, shard=settings.collector.shard
        )
        self.backfiller = Backfiller(
            client,
            self.recorder,
            clock,
            root=Paths(settings.paths).journal(Track.SCALP),
            shard=settings.collector.shard,
        )
        client.on_refusal = self._refused
        keys.listen(self._refused)
        self.rates = RateRing()
        self.fills_holes = settings.collector.backfill
        self.recorder.on_hole = self.backfiller.add if self.fills_holes else self.backfiller.ledger.found
        self.connection = BrokerConnection(
            websocket_url(settings.kis),
            limit=settings.collector.registrations,
            keys=keys,
            recorder=self.recorder,
            writer=scalp.writer,
            hours=hours,
            backoff=Backoff(Random()),  # noqa: S311  (a pause between attempts is no secret)
            promise=promise,
            clock=clock,
        )
        self.sweeper = SwingSweeper(
            client.multi_price,
            swing.writer,
            swing.epochs,
            hours,
            clock,
            interval_seconds=settings.collector.swing_interval_seconds,
            shard=swing.shard,
        )
        self.slots = SlotDesk(
            SlotPlanner(slot_rules(settings.collector, settings.kis)),
            Triggers(trigger_rules(settings.collector)),
            self.recorder,
            journals.continuity,
            self.connection.replan,
            resumed_ns=scalp.recovery.last_wall_ns,
            hours=hours,
            clock=clock,
        )
        self.sweeper.on_rows = self.slots.observe_rows
        self.signals = market_signals(settings.collector, client, self.slots, hours, clock)
        self.keeper = TokenKeeper(client.tokens, hours, clock)
        self.reloading = Reloading(
            Paths(settings.paths).collector_changes, settings.collector, partial(self._change, settings.kis)
        )
        self.planner = Planner(Paths(settings.paths), hours, clock, self._adopt)

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set, and seals.

        Raises:
            StorageError: The disk took no more; what was not durable is lost.
        """
        self._ending.sealed = False
        writing = [asyncio.create_task(track.writer.run()) for track in self.journals.tracks.values()]
        try:
            await self._take_in(stop, writing)
        finally:
            self._ending.begin()
            await seal(self.journals, writing, seconds=self._ending.left(Stage.SEAL))
            self._ending.sealed = True

    async def _take_in(self, stop: asyncio.Event, writing: list[asyncio.Task[None]]) -> None:
        if await unless_stopped(stop, tell_beginning(self.recorder, self.journals)) is None:
            return
        self.reloading.look()
        async with asyncio.TaskGroup() as group:

            def keep(name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
                return group.create_task(self._helpers.keep(name, work))

            following = group.create_task(_follow(writing))
            beating = group.create_task(self._beat())
            helping = [keep(name, work) for name, work in self._beside()]
            sweeping = keep("sweeps", self.sweeper.run)
            filling = keep("backfill", self.backfiller.run) if self.fills_holes else None
            connecting = group.create_task(self.connection.run())
            await stop.wait()
            self._ending.begin()
            for task in helping:
                task.cancel()
            patience = self._ending.left(Stage.REQUESTS)
            stopping = [
                self.sweeper.stop(sweeping, patience_seconds=patience),
                self.connection.stop(patience_seconds=patience),
            ]
            if filling is not None:
                stopping.append(self.backfiller.stop(filling, patience_seconds=patience))
            await asyncio.gather(*stopping)
            await asyncio.wait([connecting], timeout=self._ending.left(Stage.CLOSE))
            for task in (connecting, beating, following):
                task.cancel()
        self.recorder.control(ControlKind.STOP, {"records": self.records})

    def _beside(self) -> Iterator[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        """Yields what works beside the recording until a stop, by name."""
        yield "universe", self.planner.run
        yield "slots", self.slots.run
        yield "token", self.keeper.run
        yield "settings", self.reloading.run
        yield "compression", self.compressor.run
        for look in self.signals:
            yield f"signals_{look.look.name.lower()}", look.run
        if not self._clock.is_virtual:
            yield "clock", partial(self.comparison.run, partial(self.recorder.control, ControlKind.CLOCK))

    async def _beat(self) -> None:
        """Watches the journal and keeps the promise."""
        pause = _VIRTUAL_BEAT_SECONDS if self._clock.is_virtual else _BEAT_SECONDS
        writers = [track.writer for track in self.journals.tracks.values()]
        while True:
            now_ns = self._clock.now_ns()
            messages = self.recorder.messages
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            for writer in writers:
                writer.tick(now_ns)
            self._tell_pause(now_ns)
            self.rates.observe(now_ns, self.records)
            done_ns = now_ns if self.recorder.messages == messages else self.recorder.last_wall_ns
            ends = (writer.unsealed_hour_ends_ns for writer in writers)
            # What waits in the socket for the disk is not done, whatever the time is.
            waiting = [0] if self.connection.waiting_for_disk else []
            self._promise.keep(min([done_ns, *waiting, *(end for end in ends if end is not None)]))
            await asyncio.sleep(pause)

    def _tell_pause(self, now_ns: int) -> None:
        """Writes a gap when intake has waited for the disk and goes on."""
        gap = self._pauses.look(
            waiting=self.connection.waiting_for_disk,
            state=self.journals.scalp.writer.state,
            now_ns=now_ns,
            phase=self._hours.phase(now_ns).value,
        )
        if gap is not None:
            self.recorder.control(ControlKind.GAP, gap)
            _log.warning("Intake had to wait for the disk.", **gap)

    def _refused(self, request: str, error: BrokerError) -> None:
        """Writes the first refusal with a code that no table lists."""
        if (strange := self.recorder.unknown.refusal(request, error)) is not None:
            self.recorder.control(ControlKind.UNKNOWN, strange)

    def _adopt(self, universe: Universe) -> None:
        self._sweep(universe)
        self.slots.adopt(universe)

    def _sweep(self, universe: Universe) -> None:
        codes = [symbol.code for symbol in universe.symbols]
        self.sweeper.adopt(list(dict.fromkeys([*codes, *self._sweep_symbols])))

    def _change(self, kis: KisSettings, settings: CollectorSettings) -> None:
        """Puts settings into force while everything runs; raises ConfigurationError before anything has."""
        slots, triggers, symbols = slot_rules(settings, kis), trigger_rules(settings), sweep_symbols(settings)
        self.slots.change_rules(slots, triggers)
        self._sweep_symbols = symbols
        if self.planner.universe is not None:
            self._sweep(self.planner.universe)

    @property
    def records(self) -> int:
        """Records journaled by this process, on both tracks."""
        return self.recorder.records + self.sweeper.rows


async def _follow(writing: list[asyncio.Task[None]]) -> None:
    """Ends the intake when a writer ends before it should."""
    done, _ = await asyncio.wait(writing, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
