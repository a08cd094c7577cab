"""Writing one shard of one track.

Invariant: lines reach the disk in the order in which they were appended; a line handed over is
either durable or counted in `backlog_bytes`; nothing is dropped because the disk is full or fails:
the writer says so in `error`, tries again, and goes on by itself.

A group of lines is synced after half of the durability window; the other half is the disk's. On a
full disk the reserve is given up, so that what was handed over becomes durable all the same; the
writer calls itself full, and intake waits, until there is room for the reserve again.

The event loop only appends to lists; one thread writes, syncs and seals, because a sync takes
0.3 to 7 ms and a seal several of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from functools import partial
from typing import Any

from observer_core.clock.base import NANOSECONDS, Clock
from observer_core.errors import DiskFullError, StorageError
from observer_core.journal.latency import LatencyHistogram
from observer_core.journal.open_segment import HOUR_NS, OpenSegment, WriterSettings
from observer_core.journal.reserve import DiskReserve
from observer_core.journal.segment import OPEN_SUFFIX, SealReason
from observer_core.journal.storage import SegmentStorage

# A write that failed is tried again after this long: a full disk is not freed within milliseconds.
_RETRY_SECONDS = 1.0
# A backlog this large is written without waiting.
_BLOCK_BYTES = 1024 * 1024
# Part of the durability window that passes before a group is written; the disk may take the rest.
_COLLECTING = 0.5


class JournalState(StrEnum):
    """Whether lines reach the disk."""

    WRITABLE = "writable"
    SLOW = "slow"
    DISK_FULL = "disk_full"
    FAILING = "failing"


def _no_continuity() -> Mapping[str, Any]:
    return {}


class JournalWriter:
    """The one writer of a shard of a track.

    Args:
        settings: What to write where.
        clock: For real durations; receive times come with the lines.
        continuity: Returns the accounting's state, for the manifest.
        storage: The disk.
    """

    def __init__(
        self,
        settings: WriterSettings,
        clock: Clock,
        *,
        continuity: Callable[[], Mapping[str, Any]] = _no_continuity,
        storage: SegmentStorage | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._continuity = continuity
        self._storage = storage or SegmentStorage()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"journal-{settings.shard}")
        self._segments: deque[OpenSegment] = deque()
        self._current: OpenSegment | None = None
        self._wake = asyncio.Event()
        self._closing = False
        self._reserve = DiskReserve(settings.reserve_path, settings.reserve_bytes, self._storage)
        self._sealed_lines = 0
        self._sealed_bytes = 0
        self.error: StorageError | None = None
        self.blocked = False
        self.sealed = 0
        self.durability = LatencyHistogram()

    def segment_for(self, wall_ns: int) -> OpenSegment:
        """Returns the segment that takes lines received at an instant.

        All lines of one frame go to the segment that this call returned for the frame, so that a
        manifest's accounting state and its last lines belong together.
        """
        current = self._current
        if current is not None:
            if not current.holds(wall_ns):
                self._finish(current, SealReason.HOUR)
            elif current.room <= 0:
                self._finish(current, SealReason.SIZE)
            else:
                return current
        current = OpenSegment(self._settings, wall_ns // HOUR_NS, self._storage)
        self._current = current
        self._segments.append(current)
        return current

    def tick(self, now_ns: int) -> None:
        """Seals an hour that is over also when no line comes, and watches the backlog."""
        current = self._current
        if current is not None and not current.holds(now_ns):
            self._finish(current, SealReason.HOUR)
        backlog = self.backlog_bytes
        if backlog > _BLOCK_BYTES:
            self._wake.set()
        self.blocked = self.error is not None or backlog > self._settings.backlog_bytes

    @property
    def state(self) -> JournalState:
        """Whether lines reach the disk, and if not, why."""
        if isinstance(self.error, DiskFullError):
            return JournalState.DISK_FULL
        if self.error is not None:
            return JournalState.FAILING
        return JournalState.SLOW if self.blocked else JournalState.WRITABLE

    @property
    def unsealed_hour_ends_ns(self) -> int | None:
        """End of the oldest hour that is over but not sealed yet; None where all are."""
        for segment in self._segments:
            if segment.sealed_by is SealReason.HOUR:
                return segment.span_ns[1]
        return None

    @property
    def open_segment(self) -> OpenSegment | None:
        """The segment that takes lines now; None where none is open."""
        return self._current

    @property
    def unsealed(self) -> list[str]:
        """The files that are not sealed; one that got no line yet is none."""
        return [f"{segment.stem}{OPEN_SUFFIX}" for segment in self._segments if segment.stem]

    @property
    def backlog_bytes(self) -> int:
        """Bytes that were handed over and are not durable."""
        return sum(segment.pending_bytes for segment in self._segments)

    @property
    def lines(self) -> int:
        """Lines handed over since this writer was made."""
        return self._sealed_lines + sum(segment.tally.lines for segment in self._segments)

    @property
    def bytes(self) -> int:
        """Their size."""
        return self._sealed_bytes + sum(segment.tally.size for segment in self._segments)

    def unsynced_seconds(self) -> float:
        """Returns the real age of the oldest line that is not durable."""
        for segment in self._segments:
            if segment.pending_since_ns is not None:
                return max(0, self._clock.monotonic_ns() - segment.pending_since_ns) / NANOSECONDS
        return 0.0

    async def run(self) -> None:
        """Writes until `close`; runs once, as a task of its own."""
        await self._attempt(self._reserve.hold)
        while not self._closing or self._segments:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._settings.sync_seconds * _COLLECTING)
            self._wake.clear()
            while self._segments and await self._advance(self._segments[0]):
                finished = self._segments.popleft()
                self._sealed_lines += finished.tally.lines
                self._sealed_bytes += finished.tally.size
                self.sealed += 1
            if not self._reserve.held:
                await self._attempt(self._reserve.hold_again)
        self._thread.shutdown(wait=False)

    def close(self) -> None:
        """Lets `run` write and seal what was handed over, and end."""
        self._closing = True
        if self._current is not None:
            self._finish(self._current, SealReason.STOP)
        self._wake.set()

    async def rescue(self) -> None:
        """Makes durable what `run` has not come to before it failed, and seals nothing."""
        for segment in self._segments:
            block = segment.take()
            if block and await self._attempt(partial(segment.commit, block)):
                segment.settle()

    def abandon(self) -> None:
        """Gives open files back unsealed, after `run` has failed or was cancelled."""
        for segment in self._segments:
            segment.abandon()
        self._thread.shutdown(wait=False)

    def _finish(self, segment: OpenSegment, reason: SealReason) -> None:
        segment.sealed_by = reason
        segment.continuity = self._continuity()
        self._current = None
        self._wake.set()

    async def _advance(self, segment: OpenSegment) -> bool:
        """Makes a segment's lines durable, and seals it if it has ended; returns whether it was sealed."""
        while True:
            block = segment.take()
            if block:
                await self._insist(partial(segment.commit, block))
                waited_ns = self._clock.monotonic_ns() - segment.settle()
                self.durability.add(max(0, waited_ns) / NANOSECONDS)
            if segment.sealed_by is None:
                return False
            if segment.is_taken:
                # A segment that never got a line has no file.
                if segment.tally.lines:
                    await self._insist(segment.seal)
                return True

    async def _insist(self, step: Callable[[], None]) -> None:
        """Takes a step, again and again until the disk has accepted it."""
        while not await self._attempt(step):
            if self.state is JournalState.DISK_FULL and self._reserve.held:
                await self._attempt(self._reserve.release)
                self._failed(OSError(errno.ENOSPC, "The reserve is in use"))
            else:
                await asyncio.sleep(_RETRY_SECONDS)

    async def _attempt(self, step: Callable[[], None]) -> bool:
        """Takes a step; returns whether the disk has accepted it."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, step)
        except OSError as error:
            self._failed(error)
            return False
        # Without its reserve the writer is full, whatever the disk still takes.
        if self._reserve.held:
            self.error = None
        return True

    def _failed(self, error: OSError) -> None:
        place = self._settings.root
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            self.error = DiskFullError(
                f"No space is left for {place}.", remedy="Free space; recording goes on by itself."
            )
        else:
            self.error = StorageError(
                f"Writing below {place} failed: {error.strerror or error}.", remedy="Check the data volume."
            )
        self.blocked = True
