"""Sweeps over the whole universe (broker reference, 4.9).

Invariant: while the market can have data, a sweep begins at every multiple of the interval on the
clock; each row that the broker returns is journaled as it was sent; each sweep ends with a control
record that says what it asked for and what it got, and which symbols stayed without a row after they
were asked for once more. A batch that the broker refuses for a symbol in it is halved until that symbol
is alone, so that it costs nobody else a row; it is named, and asked for alone from then on. A row that says
the same as the one before is journaled too: what the broker sent is what the journal holds, and nothing is
judged at intake. No failure ends the sweeping, and no clock that is set back stops it for longer than two
intervals.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from observer_collector.cadence import reached
from observer_collector.market_hours import MarketHours
from observer_collector.moments import Moment
from observer_collector.recording.batches import batches_of, halves
from observer_collector.recording.recorder import PROVIDER, durable_epoch
from observer_collector.recording.sweep import Sweep, SweepOutcome
from observer_collector.texts import compact_json, label
from observer_core.brokers.kis.catalogue import MULTI_PRICE_CHANNEL
from observer_core.clock import Clock
from observer_core.errors import BrokerCredentialError, BrokerRequestError, ExternalError, StorageError
from observer_core.journal import (
    CONTROL_CHANNEL,
    ControlKind,
    EpochStore,
    JournalWriter,
    LineBuilder,
    Received,
)
from observer_core.logs import logger

# Requests under way at once; the limiter decides when each may go.
_IN_FLIGHT = 4
# A request that failed is asked again at the end of its sweep, once: the client has repeated it before.
_ROUNDS = 2
_NANOSECONDS = 1_000_000_000
# After the broker refused the key, one request a while shows whether it accepts it again.
_REFUSED_SECONDS = 60.0

_log = logger(__name__)

MultiPrice = Callable[[Sequence[str]], Awaitable[list[dict[str, str]]]]


class SwingSweeper:
    """Sweeps at their due times.

    Args:
        multi_price: Asks the broker for the prices of up to 30 symbols.
        writer: The swing track.
        epochs: Numbers of the sweeping processes.
        hours: The market's hours.
        clock: The process's clock.
        interval_seconds: From one sweep to the next.
        shard: Shard of the swing track.
    """

    def __init__(
        self,
        multi_price: MultiPrice,
        writer: JournalWriter,
        epochs: EpochStore,
        hours: MarketHours,
        clock: Clock,
        *,
        interval_seconds: int,
        shard: str,
    ) -> None:
        self._multi_price = multi_price
        self._writer = writer
        self._epochs = epochs
        self._hours = hours
        self._clock = clock
        self._interval_ns = interval_seconds * _NANOSECONDS
        self._lines = LineBuilder(PROVIDER, shard)
        self._epoch = 0
        self._frame = 0
        self._codes: tuple[str, ...] = ()
        self._alone: frozenset[str] = frozenset()
        self._stopping = False
        self._sweeping = False
        self._refused_until_ns = 0
        self.interval_seconds = interval_seconds
        self.last_rows: Moment | None = None
        self.adopted: Moment | None = None
        self.on_rows: Callable[[Sequence[dict[str, str]], int], None] | None = None
        self.problem: str | None = None
        self.last: Sweep | None = None
        self.sweeps = dict.fromkeys(SweepOutcome, 0)
        self.rows = 0
        self.failed_requests = 0
        self.skipped = 0
        self.set_back = 0

    def adopt(self, codes: Sequence[str]) -> None:
        """Takes the symbols of a new universe; the next sweep asks for them."""
        if codes and self.adopted is None:
            self.adopted = Moment.now(self._clock)
        self._codes = tuple(codes)

    async def run(self) -> None:
        """Sweeps until cancelled, or until the sweep under way ends after `stop`."""
        self._epoch = await durable_epoch(self._epochs)
        due_ns = self._clock.now_ns() // self._interval_ns * self._interval_ns
        while not self._stopping:
            next_ns = max(
                due_ns + self._interval_ns, self._clock.now_ns() // self._interval_ns * self._interval_ns
            )
            late = (next_ns - due_ns) // self._interval_ns - 1
            if self._wanted(next_ns):
                self.skipped += late
            due_ns = next_ns
            if not await reached(self._clock, due_ns, self._interval_ns):
                due_ns = self._clock.now_ns() // self._interval_ns * self._interval_ns
                self.set_back += 1
                _log.warning("The clock was set back; sweeps go on from the present.")
            elif self._wanted(due_ns):
                if self._writer.blocked or self._clock.monotonic_ns() < self._refused_until_ns:
                    self.skipped += 1
                else:
                    await self._sweep(due_ns)

    async def stop(self, task: asyncio.Task[None], *, patience_seconds: float) -> None:
        """Ends `run`: what was asked is still journaled if the answer comes in time.

        Args:
            task: The task of `run`.
            patience_seconds: Real time to wait for a sweep under way.
        """
        self._stopping = True
        if self._sweeping:
            await asyncio.wait([task], timeout=patience_seconds)
        task.cancel()

    def _wanted(self, due_ns: int) -> bool:
        return bool(self._codes) and self._hours.has_data(due_ns)

    async def _sweep(self, due_ns: int) -> None:
        codes = self._codes
        batches = batches_of([code for code in codes if code not in self._alone])
        batches += [(code,) for code in codes if code in self._alone]
        sweep = Sweep(due_ns, len(codes), batches=len(batches))
        self._sweeping = True
        try:
            for number in range(_ROUNDS):
                sweep.retried += len(batches) if number else 0
                batches = await self._round(sweep, batches)
                if not batches or self._stopping or sweep.refused:
                    break
            answered, planned = sweep.requests, sweep.batches
            await self._ask_for_missing(sweep)
            sweep.requests, sweep.batches = answered, planned
        finally:
            self._sweeping = False
            sweep.failed = max(0, sweep.batches - sweep.requests)
            known, self._alone = self._alone, frozenset(sweep.unaccepted)
            # A symbol that is refused each minute is told once; the control record names it each time.
            self._finish(sweep, told=self._alone == known and sweep.failed == len(known))

    async def _ask_for_missing(self, sweep: Sweep) -> None:
        """Asks once more for the symbols that answered requests had no row for."""
        if not sweep.missing or self._stopping or sweep.refused:
            return
        batches, asked = batches_of(sweep.missing), set(sweep.missing)
        sweep.retried += len(batches)
        sweep.missing = []
        unanswered = await self._round(sweep, batches)
        # What nobody answered this time is still missing, and the next sweep asks for it again.
        sweep.missing += [code for batch in unanswered for code in batch if code in asked]

    async def _round(self, sweep: Sweep, batches: Sequence[Sequence[str]]) -> list[Sequence[str]]:
        """Asks for each batch once; returns those that may be asked for again."""
        waiting, again = deque(batches), []

        async def work() -> None:
            while waiting and not self._stopping and not sweep.refused:
                batch = waiting.popleft()
                try:
                    rows = await self._multi_price(batch)
                except BrokerCredentialError as error:
                    sweep.error, sweep.refused = str(error), True
                except BrokerRequestError as error:
                    sweep.error = str(error)
                    waiting.extendleft(halves(sweep, batch, error))
                except (ExternalError, StorageError) as error:
                    sweep.error = str(error)
                    again.append(batch)
                else:
                    self._record(sweep, batch, rows)

        async with asyncio.TaskGroup() as group:
            for _ in range(_IN_FLIGHT):
                group.create_task(work())
        return again

    def _record(self, sweep: Sweep, batch: Sequence[str], rows: Sequence[dict[str, str]]) -> None:
        received = self._received()
        returned, asked = set(), []
        for index, row in enumerate(rows):
            key = label(str(row.get("inter_shrn_iscd", "")))
            line = self._lines.any(received, index, MULTI_PRICE_CHANNEL, key, compact_json(row))
            self._writer.segment_for(received.wall_ns).append(line, received, MULTI_PRICE_CHANNEL, key)
            returned.add(key)
            if key in batch:
                asked.append(row)
        sweep.requests += 1
        sweep.rows += len(rows)
        sweep.missing += sorted(set(batch) - returned)
        self.rows += len(rows)
        if rows:
            self.last_rows = Moment(received.wall_ns, received.mono_ns)
        if self.on_rows is not None:
            # A symbol that nobody has asked for must not become a registration.
            self.on_rows(asked, received.wall_ns)

    def _finish(self, sweep: Sweep, *, told: bool) -> None:
        received = self._received()
        sweep.finished_ns = received.wall_ns
        self.last = sweep
        self.sweeps[sweep.outcome] += 1
        self.failed_requests += sweep.failed
        self.problem = sweep.error if sweep.outcome is SweepOutcome.FAILED else None
        if sweep.refused:
            self._refused_until_ns = received.mono_ns + int(_REFUSED_SECONDS * _NANOSECONDS)
        line = self._lines.any(received, 0, CONTROL_CHANNEL, ControlKind.SWEEP, compact_json(sweep.payload()))
        segment = self._writer.segment_for(received.wall_ns)
        segment.append(line, received, CONTROL_CHANNEL, ControlKind.SWEEP.value)
        if sweep.failed and not told:
            _log.warning("A sweep is not complete.", **sweep.payload())

    def _received(self) -> Received:
        self._frame += 1
        return Received(self._epoch, self._frame, self._clock.now_ns(), self._clock.monotonic_ns())
