"""Filling holes from the broker's lists while the day is fresh (broker reference, 4.4 and 4.5).

Invariant: what was received is never changed. Each row that the broker returns is journaled as it came, as a
record of its own channel that names the hole it was asked for; then one control record says what became of
the hole. The journal is the only memory: after a restart, the holes without such a record are taken up again.

One request at a time, each waiting for its turn at the key's limiter, so that sweeps go on.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

from observer_collector.recording.hole_ledger import HoleLedger
from observer_collector.recording.recorder import Recorder
from observer_collector.texts import compact_json
from observer_core.accounting import Hole, Severity
from observer_core.accounting.healing import Healing, HealingOutcome, is_time
from observer_core.brokers.kis.catalogue import CHANNELS, EXECUTIONS_CHANNEL, MINUTE_BARS_CHANNEL
from observer_core.brokers.kis.daily import MARKET_CODES
from observer_core.clock import Clock, kst_datetime
from observer_core.clock.base import NANOSECONDS
from observer_core.errors import BrokerRequestError, ExternalError, InputError, StorageError
from observer_core.journal import CONTROL_CHANNEL, ControlKind, read_lines, sealed_segments
from observer_core.logs import logger

# After a break everything is registered again first, and the broker's list may be a little behind.
_SETTLE_NS = 5 * NANOSECONDS
_RETRY_NS = 30 * NANOSECONDS
# Five minutes of attempts: half of the ten within which a hole is to be filled.
_ATTEMPTS = 10
# A whole day of minutes, thirty a page.
_MOST_BAR_PAGES = 25
_IDLE_SECONDS = 0.5

_log = logger(__name__)


class ExecutionLists(Protocol):
    """The broker's lists, as `KisRestClient` has them."""

    def executions(self, code: str, until: str, *, market: str) -> Awaitable[list[dict[str, str]]]:
        """Returns up to 30 executions up to a second, newest first."""

    def minute_bars(self, code: str, until: str, *, market: str) -> Awaitable[list[dict[str, str]]]:
        """Returns thirty minute bars up to a minute, newest first."""


@dataclass(slots=True)
class _Task:
    """A hole that waits for its turn."""

    hole: Hole
    due_ns: int
    attempts: int = 0


class Backfiller:
    """Fills the holes of one shard.

    Args:
        lists: The broker's lists.
        recorder: Writes rows and control records.
        clock: When a hole's turn has come, and which day it is.
        root: The folder of the scalp track's days.
        shard: Whose holes.
    """

    def __init__(
        self, lists: ExecutionLists, recorder: Recorder, clock: Clock, *, root: Path, shard: str
    ) -> None:
        self._lists = lists
        self._recorder = recorder
        self._clock = clock
        self._root = root
        self._shard = shard
        self._waiting: list[_Task] = []
        self._taken_up = False
        self._stopping = False
        self._asking = False
        self.outcomes: Counter[str] = Counter()
        self.problem: str | None = None
        self.ledger = HoleLedger()

    @property
    def waiting(self) -> int:
        """Holes that are not settled."""
        return len(self._waiting)

    def add(self, hole: Hole) -> None:
        """Takes a hole over."""
        self.ledger.found(hole)
        self._waiting.append(_Task(hole, self._clock.now_ns() + _SETTLE_NS))

    async def run(self) -> None:
        """Fills holes until cancelled, or until the request under way is answered after `stop`.

        It may be run again after it has failed: what is settled stays so.
        """
        if not self._taken_up:
            await self._take_up()
            self._taken_up = True
        while not self._stopping:
            task = min(self._waiting, key=lambda waiting: waiting.due_ns, default=None)
            # A turn that is further away than any pause was given before the clock was set back.
            if task is None or 0 < task.due_ns - self._clock.now_ns() <= _RETRY_NS:
                await asyncio.sleep(_IDLE_SECONDS)
            else:
                await self._settle(task)

    async def stop(self, task: asyncio.Task[None], *, patience_seconds: float) -> None:
        """Ends `run`: what was asked is still journaled if the answer comes in time.

        Args:
            task: The task of `run`.
            patience_seconds: Real time to wait for a request under way.
        """
        self._stopping = True
        if self._asking:
            await asyncio.wait([task], timeout=patience_seconds)
        task.cancel()

    async def _take_up(self) -> None:
        """Takes over what an earlier process of this day has left open."""
        today = self._clock.now().date()
        known = {_identity(task.hole) for task in self._waiting}
        try:
            found = await asyncio.to_thread(open_holes, self._root / f"{today:%Y%m%d}", self._shard)
        except (OSError, StorageError, ValueError, KeyError, TypeError) as error:
            # Whatever is wrong with an old record, today's feed is worth more.
            _log.warning("Earlier holes cannot be read and stay open.", error=str(error))
            return
        for hole in found:
            if _identity(hole) not in known:
                self.add(hole)

    async def _settle(self, task: _Task) -> None:
        """Works on a hole until it is settled, or leaves it for later."""
        try:
            healing = await self._fill(task.hole)
        except BrokerRequestError as error:
            self._close(task, {"outcome": "refused", "error": str(error)})
        except (ExternalError, StorageError, InputError) as error:
            self._put_off(task, str(error))
        except Exception as error:
            # Whatever is wrong with this hole, the others have their turn meanwhile.
            self._put_off(task, f"{type(error).__name__}: {error}")
            raise
        else:
            self.problem = None
            # A hole that a stop has left half filled is taken up by the next process.
            if not self._stopping:
                self._close(task, healing.to_json())

    def _put_off(self, task: _Task, problem: str) -> None:
        """Leaves a hole open with the reason, until its last attempt."""
        self.problem = problem
        task.attempts += 1
        task.due_ns = self._clock.now_ns() + _RETRY_NS
        if task.attempts == _ATTEMPTS:
            self._close(task, {"outcome": "failed", "error": problem})

    async def _fill(self, hole: Hole) -> Healing:
        healing = Healing(hole)
        if hole.business_date != f"{self._clock.now():%Y%m%d}":
            # The lists are those of today; what they no longer serve is left to the day's reconciliation.
            return healing
        market = _market(hole)
        while healing.until is not None and not self._stopping:
            asking = self._lists.executions(hole.symbol, healing.until, market=market)
            healing.take(await self._ask(EXECUTIONS_CHANNEL, hole, asking))
        if healing.outcome() is not HealingOutcome.HEALED and is_time(hole.to_time):
            await self._fetch_bars(hole, market)
        return healing

    async def _fetch_bars(self, hole: Hole, market: str) -> None:
        """Keeps the minute bars around a hole whose executions are not all served."""
        # The running minute's bar still changes.
        last_closed = f"{kst_datetime(self._clock.now_ns() - 60 * NANOSECONDS):%H%M}00"
        until, first = min(f"{hole.to_time[:4]}00", last_closed), f"{hole.from_time[:4]}00"
        for _ in range(_MOST_BAR_PAGES):
            if self._stopping:
                return
            asking = self._lists.minute_bars(hole.symbol, until, market=market)
            rows = await self._ask(MINUTE_BARS_CHANNEL, hole, asking)
            oldest = min((str(row.get("stck_cntg_hour", "")) for row in rows), default="")
            if not is_time(oldest) or not first < oldest < until:
                return
            until = oldest

    async def _ask(
        self, channel: str, hole: Hole, asking: Awaitable[list[dict[str, str]]]
    ) -> list[dict[str, str]]:
        """Returns the rows of an answer once they are journaled."""
        self._asking = True
        try:
            rows = await asking
            self._write(channel, hole, rows)
        finally:
            self._asking = False
        return rows

    def _write(self, channel: str, hole: Hole, rows: Sequence[Mapping[str, str]]) -> None:
        asked = {
            "observer_symbol": hole.symbol,
            "observer_venue": CHANNELS[hole.channel].venue.value,
            "observer_session": hole.session,
            "observer_hole_from": str(hole.from_cumulative),
            "observer_hole_to": str(hole.to_cumulative),
        }
        self._recorder.rows(channel, hole.symbol, [compact_json({**row, **asked}) for row in rows])

    def _close(self, task: _Task, found: Mapping[str, Any]) -> None:
        self._waiting.remove(task)
        self.outcomes[str(found["outcome"])] += 1
        self.ledger.settled(task.hole, found)
        self._recorder.control(ControlKind.BACKFILL, {**_naming(task.hole), **found})
        _log.info(
            "A hole is settled.",
            symbol=task.hole.symbol,
            outcome=found["outcome"],
            shares=task.hole.shares,
            missing_shares=found.get("missing_shares"),
        )


def open_holes(folder: Path, shard: str) -> list[Hole]:
    """Returns the holes of a day that no control record has settled.

    Args:
        folder: The day's segments; it need not exist.
        shard: Whose holes.

    Raises:
        StorageError: A segment is damaged.
        OSError: A segment cannot be read.
    """
    holes: dict[tuple[object, ...], Hole] = {}
    for sealed in sealed_segments(folder):
        control = sealed.manifest.counts.get(CONTROL_CHANNEL, {})
        if sealed.manifest.shard != shard or not {ControlKind.HOLE, ControlKind.BACKFILL} & control.keys():
            continue
        for line in read_lines(sealed.path):
            if not line.is_control:
                continue
            if line.key == ControlKind.HOLE:
                hole = _hole(json.loads(line.payload))
                holes[_identity(hole)] = hole
            elif line.key == ControlKind.BACKFILL:
                told = json.loads(line.payload)
                holes.pop(tuple(told[name] for name in _IDENTITY), None)
    return list(holes.values())


_IDENTITY = ("channel", "symbol", "business_date", "from_cumulative", "to_cumulative", "first_seen_ns")


def _identity(hole: Hole) -> tuple[object, ...]:
    return tuple(getattr(hole, name) for name in _IDENTITY)


def _naming(hole: Hole) -> dict[str, Any]:
    return {name: getattr(hole, name) for name in _IDENTITY}


def _hole(payload: Mapping[str, Any]) -> Hole:
    """Returns a hole of a control record; figures that its version did not know have their defaults."""
    known = {field.name for field in fields(Hole)}
    found = {name: value for name, value in payload.items() if name in known}
    found["severity"] = Severity(found.get("severity", Severity.REPORT))
    return Hole(**found)


def _market(hole: Hole) -> str:
    venue = CHANNELS[hole.channel].venue
    return MARKET_CODES[venue]
