"""The writer's work: everything that runs while this process holds the lock.

Invariant: intake ends before the journal does. Whatever ends the work (a stop, or an error of ours
in any of its tasks), what was received is written and sealed before `run` returns.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from importlib import metadata
from random import Random
from typing import Any

from observer_collector.backoff import Backoff
from observer_collector.commands import Outage
from observer_collector.connection import BrokerConnection
from observer_collector.journals import Journals, TrackJournal
from observer_collector.market_hours import MarketHours
from observer_collector.planner import Planner
from observer_collector.promise import Promise
from observer_collector.recorder import Recorder
from observer_collector.slots import Pair
from observer_collector.stopping import unless_stopped
from observer_collector.sweeps import SwingSweeper
from observer_core.brokers.kis.endpoints import websocket_url
from observer_core.brokers.kis.rest import KisRestClient
from observer_core.clock import Clock
from observer_core.errors import StorageError
from observer_core.journal import ControlKind
from observer_core.logs import logger
from observer_core.reference.universe import Universe
from observer_core.settings import Paths, Settings

# Together below the ten seconds within which a stop is over.
_SWEEP_SECONDS, _CLOSE_SECONDS, _SEAL_SECONDS = 2.0, 1.5, 4.0
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
    ) -> None:
        self._clock = clock
        self._promise = promise
        self._first_plan = True
        self.journals = journals
        scalp, swing = journals.scalp, journals.swing
        self.recorder = Recorder(
            scalp.writer, scalp.epochs, journals.continuity, clock, shard=settings.collector.shard
        )
        self.connection = BrokerConnection(
            websocket_url(settings.kis),
            limit=settings.collector.registrations,
            tokens=client.tokens,
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
        self.planner = Planner(Paths(settings.paths), settings.collector, hours, clock, self._adopt)

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set, and seals.

        Raises:
            StorageError: The disk took no more; what was not durable is lost.
        """
        writing = [asyncio.create_task(track.writer.run()) for track in self.journals.tracks.values()]
        try:
            await self._take_in(stop, writing)
        finally:
            await self._seal(writing)

    async def _take_in(self, stop: asyncio.Event, writing: list[asyncio.Task[None]]) -> None:
        if await unless_stopped(stop, self._begin()) is None:
            return
        async with asyncio.TaskGroup() as group:
            following = group.create_task(_follow(writing))
            beating = group.create_task(self._beat())
            planning = group.create_task(self.planner.run())
            sweeping = group.create_task(self.sweeper.run())
            connecting = group.create_task(self.connection.run())
            await stop.wait()
            planning.cancel()
            await asyncio.gather(
                self.sweeper.stop(sweeping, patience_seconds=_SWEEP_SECONDS), self.connection.stop()
            )
            await asyncio.wait([connecting], timeout=_CLOSE_SECONDS)
            for task in (connecting, beating, following):
                task.cancel()
        self.recorder.control(ControlKind.STOP, {"records": self.records})

    async def _begin(self) -> bool:
        """Tells the journal who writes from here on, and what was recovered; returns True once it is told."""
        await self.recorder.begin_epoch()
        self.recorder.control(
            ControlKind.START, {"version": metadata.version("observer"), "pid": os.getpid()}
        )
        for track, journal in self.journals.tracks.items():
            if journal.recovery.segments:
                details = {"track": track.value, "segments": _recovered(journal)}
                self.recorder.control(ControlKind.RECOVERY, details)
                _log.warning("The journal was recovered.", **details)
        for hole in self.journals.scalp.recovery.unreported:
            self.recorder.hole(hole)
        return True

    async def _seal(self, writing: list[asyncio.Task[None]]) -> None:
        writers = [track.writer for track in self.journals.tracks.values()]
        for writer in writers:
            writer.close()
        await asyncio.wait(writing, timeout=_SEAL_SECONDS)
        lost = sum(writer.backlog_bytes for writer in writers)
        unsealed = [task for task in writing if not task.done()]
        for task in unsealed:
            task.cancel()
        await asyncio.gather(*unsealed, return_exceptions=True)
        if unsealed:
            for writer in writers:
                writer.abandon()
            raise StorageError(
                f"The journal could not be sealed: {lost} bytes did not reach the disk.",
                remedy="Free space on OBSERVER_DATA_DIR; the next start recovers what is on it.",
            )

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
            done_ns = now_ns if self.recorder.messages == messages else self.recorder.last_wall_ns
            ends = (writer.unsealed_hour_ends_ns for writer in writers)
            # What waits in the socket for the disk is not done, whatever the time is.
            waiting = [0] if self.connection.waiting_for_disk else []
            self._promise.keep(min([done_ns, *waiting, *(end for end in ends if end is not None)]))
            await asyncio.sleep(pause)

    def _adopt(self, universe: Universe, pairs: tuple[Pair, ...]) -> None:
        self.sweeper.adopt([symbol.code for symbol in universe.symbols])
        self.connection.replan(pairs, self._outages(pairs) if self._first_plan else None)
        self._first_plan = False

    def _outages(self, pairs: tuple[Pair, ...]) -> Mapping[Pair, Outage]:
        """Returns what the time between the journal's last line and this start has left uncovered."""
        last_ns = self.journals.scalp.recovery.last_wall_ns
        return dict.fromkeys(pairs, Outage(last_ns, "restart")) if last_ns else {}

    @property
    def records(self) -> int:
        """Records journaled by this process, on both tracks."""
        return self.recorder.records + self.sweeper.rows


async def _follow(writing: list[asyncio.Task[None]]) -> None:
    """Ends the intake when a writer ends before it should."""
    done, _ = await asyncio.wait(writing, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


def _recovered(journal: TrackJournal) -> list[dict[str, Any]]:
    return [
        {
            "segment": segment.path.name,
            "lines": segment.lines,
            "records": segment.records,
            "torn_bytes": segment.torn_bytes,
        }
        for segment in journal.recovery.segments
    ]
