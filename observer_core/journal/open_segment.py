"""A segment while it is being written.

Invariant: the event loop appends lines and takes blocks; one thread makes blocks durable and seals.
The two sides share only `durable`, which the thread alone changes. A block lies at a fixed offset,
so that writing it again after a failure repairs it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from observer_core.clock.base import NANOSECONDS, kst_datetime
from observer_core.errors import StorageError
from observer_core.journal.envelope import CONTROL_CHANNEL, Received
from observer_core.journal.segment import (
    FINAL_SUFFIX,
    OPEN_SUFFIX,
    Manifest,
    SealReason,
    SegmentName,
    encode_manifest,
    manifest_path,
    next_sequence,
)
from observer_core.journal.storage import SegmentStorage
from observer_core.settings.paths import Track

HOUR_NS = 3600 * NANOSECONDS


@dataclass(frozen=True, slots=True)
class WriterSettings:
    """What one writer writes, and when.

    Attributes:
        root: The track's folder, which holds one folder a day.
        track: `scalp` or `swing`.
        provider: The broker.
        shard: The shard as its lines name it.
        sync_seconds: Longest real time for which a line is not durable, on a disk that works.
        segment_bytes: Size at which a segment is sealed.
        backlog_bytes: Bytes that may wait for the disk; with more, intake has to wait.
        reserve_bytes: Space kept back for a full disk; more than the backlog, or 0 for none.
    """

    root: Path
    track: Track
    provider: str
    shard: str
    sync_seconds: float
    segment_bytes: int
    backlog_bytes: int = 16 * 1024 * 1024
    reserve_bytes: int = 0

    @property
    def reserve_path(self) -> Path:
        """The file that takes up the space."""
        return self.root / f"reserve-{self.shard}"


class SegmentTally:
    """What a manifest says about lines, counted as they come."""

    def __init__(self) -> None:
        self.lines = 0
        self.size = 0
        self.counts: dict[str, dict[str, int]] = {}
        self.first = self.last = Received(0, 0, 0, 0)

    def add(self, size: int, received: Received, channel: str, key: str) -> None:
        """Counts one line."""
        if not self.lines:
            self.first = received
        self.last = received
        self.lines += 1
        self.size += size
        keys = self.counts.setdefault(channel, {})
        keys[key] = keys.get(key, 0) + 1

    @property
    def records(self) -> int:
        """Lines that are records of the broker."""
        return self.lines - sum(self.counts.get(CONTROL_CHANNEL, {}).values())

    def manifest(
        self,
        settings: WriterSettings,
        day: date,
        name: SegmentName,
        *,
        sha256: str,
        reason: SealReason,
        continuity: Mapping[str, Any],
    ) -> Manifest:
        """Returns the manifest of a segment that holds these lines and no others."""
        return Manifest(
            segment=f"{name.stem}{FINAL_SUFFIX}",
            provider=settings.provider,
            shard=settings.shard,
            track=settings.track.value,
            day=day,
            hour=name.hour,
            sequence=name.sequence,
            lines=self.lines,
            records=self.records,
            bytes=self.size,
            sha256=sha256,
            first_wall_ns=self.first.wall_ns,
            last_wall_ns=self.last.wall_ns,
            first_epoch=self.first.epoch,
            last_epoch=self.last.epoch,
            counts=self.counts,
            sealed_by=reason,
            continuity=continuity,
        )


class OpenSegment:
    """The lines of one receive hour, or of a part of it.

    Args:
        settings: Where it lies.
        hour_index: Whole hours since the Unix epoch; Korean hours begin with them.
        storage: The disk.
    """

    def __init__(self, settings: WriterSettings, hour_index: int, storage: SegmentStorage) -> None:
        self._settings = settings
        self._storage = storage
        moment = kst_datetime(hour_index * HOUR_NS)
        self._day, self._hour = moment.date(), moment.hour
        self._folder = settings.root / f"{self._day:%Y%m%d}"
        self.hour_index = hour_index
        self.tally = SegmentTally()
        self.sealed_by: SealReason | None = None
        self.continuity: Mapping[str, Any] = {}
        self._buffer: list[bytes] = []
        self._buffered_since_ns: int | None = None
        self._taken_since_ns: int | None = None
        self.durable = 0
        self._digest = hashlib.sha256()
        self._descriptor: int | None = None
        self._name: SegmentName | None = None

    def append(self, line: bytes, received: Received, channel: str, key: str) -> None:
        """Takes a line over; its receive time lies in this segment's hour."""
        if self._buffered_since_ns is None:
            self._buffered_since_ns = received.mono_ns
        self._buffer.append(line)
        self.tally.add(len(line), received, channel, key)

    def extend(self, lines: list[bytes], size: int, since_ns: int, last: Received) -> None:
        """Takes over lines that the caller has counted in `tally.counts`, which is done for nearly all.

        Args:
            lines: At least one; not the first of the segment, nor of its channel and key in it.
            size: Their bytes.
            since_ns: Monotonic receive time of the first of them, or shortly before.
            last: The message of the last.
        """
        if self._buffered_since_ns is None:
            self._buffered_since_ns = since_ns
        self._buffer += lines
        self.tally.lines += len(lines)
        self.tally.size += size
        self.tally.last = last

    def holds(self, wall_ns: int) -> bool:
        """Returns whether an instant lies in this segment's hour."""
        return wall_ns // HOUR_NS == self.hour_index

    @property
    def span_ns(self) -> tuple[int, int]:
        """Begin of its hour, and its end, which belongs to the next; nanoseconds since the Unix epoch."""
        return self.hour_index * HOUR_NS, (self.hour_index + 1) * HOUR_NS

    @property
    def room(self) -> int:
        """Bytes up to the size at which it is sealed; none or less where it has reached that."""
        return self._settings.segment_bytes - self.tally.size

    @property
    def stem(self) -> str:
        """The name of its files without suffix; empty before its first line is durable."""
        return "" if self._name is None else self._name.stem

    @property
    def pending_bytes(self) -> int:
        """Bytes that are not durable."""
        return self.tally.size - self.durable

    @property
    def pending_since_ns(self) -> int | None:
        """Monotonic receive time of the oldest line that is not durable; None where all are."""
        return self._buffered_since_ns if self._taken_since_ns is None else self._taken_since_ns

    @property
    def is_taken(self) -> bool:
        """Whether every line has been taken into a block."""
        return not self._buffer

    def take(self) -> bytes:
        """Returns the lines that no block holds yet, as one block."""
        lines, self._buffer = self._buffer, []
        self._taken_since_ns, self._buffered_since_ns = self._buffered_since_ns, None
        return b"".join(lines)

    def settle(self) -> int:
        """States that the block last taken is durable; returns when its oldest line was received."""
        since_ns, self._taken_since_ns = self._taken_since_ns, None
        return since_ns or 0

    def commit(self, block: bytes) -> None:
        """Makes a block durable; after a failure the same block may be tried again.

        Raises:
            OSError: The block is not durable.
        """
        if self._descriptor is None:
            sequence = next_sequence(self._folder, self._settings.shard)
            name = SegmentName(self._settings.shard, self._hour, sequence)
            self._descriptor = self._storage.create(self._folder / f"{name.stem}{OPEN_SUFFIX}")
            self._name = name
        # At its offset and not appended: after a failed sync the kernel may have dropped the pages.
        self._storage.write(self._descriptor, block, self.durable)
        self._storage.sync(self._descriptor)
        self.durable += len(block)
        self._digest.update(block)

    def seal(self) -> None:
        """Publishes the segment with its manifest; after a failure it may be tried again.

        Raises:
            OSError: The segment is not sealed yet.
        """
        if self._name is None or self.sealed_by is None:
            raise StorageError("A segment without a line or a reason cannot be sealed.")
        if self._descriptor is not None:
            self._storage.close(self._descriptor)
            self._descriptor = None
        stem = self._name.stem
        self._storage.publish(self._folder / f"{stem}{OPEN_SUFFIX}", self._folder / f"{stem}{FINAL_SUFFIX}")
        manifest = self.tally.manifest(
            self._settings,
            self._day,
            self._name,
            sha256=self._digest.hexdigest(),
            reason=self.sealed_by,
            continuity=self.continuity,
        )
        self._storage.replace(manifest_path(self._folder, self._name), encode_manifest(manifest))

    def abandon(self) -> None:
        """Gives the file back as it is; the next writer recovers it."""
        if self._descriptor is not None:
            self._storage.close(self._descriptor)
            self._descriptor = None
