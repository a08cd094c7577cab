"""Sealing what a process that died has left open.

Invariant: after `recover`, every segment of the shard is sealed and holds exactly the whole lines that
were on disk; what had to be cut lies beside it, byte for byte. What bears a segment's name and is no
file is passed over and told. It runs only while the writer's lock is held, never refuses because of
what it finds in a segment, and may itself be interrupted and run again: each step leaves something that
the next run takes for a segment to recover.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from observer_core.accounting import ContinuityPolicy, Hole, VolumeContinuity
from observer_core.errors import StorageError
from observer_core.journal.content import compressed_path, holds, readable_pieces
from observer_core.journal.open_segment import WriterSettings
from observer_core.journal.scan import SegmentScan
from observer_core.journal.segment import (
    COMPRESSED_SUFFIX,
    FINAL_SUFFIX,
    MANIFEST_SUFFIX,
    OPEN_SUFFIX,
    TORN_SUFFIX,
    Manifest,
    SealReason,
    SegmentName,
    encode_manifest,
    manifest_path,
    names_in,
)
from observer_core.journal.storage import SegmentStorage


@dataclass(frozen=True, slots=True)
class RecoveredSegment:
    """A segment that recovery sealed.

    Attributes:
        path: The sealed file; gone where it held no whole line.
        lines: Whole lines kept.
        records: Those that are records of the broker.
        torn_bytes: Bytes moved to the `.torn` file beside it.
    """

    path: Path
    lines: int
    records: int
    torn_bytes: int


@dataclass(frozen=True, slots=True)
class Recovery:
    """What recovery did, and where the journal stands.

    Attributes:
        segments: The segments it sealed, in order of writing.
        continuity: State of the accounting after the last line (`VolumeContinuity.restore`).
        unreported: Holes that the kept lines show and that no kept control record tells of.
        strange: What bears the name of a segment's file and is none: folders, links that lead nowhere.
        last_wall_ns: Receive time of the last line; 0 where there is none.
        last_epoch: Highest epoch of the last day; 0 where there is none.
    """

    segments: tuple[RecoveredSegment, ...]
    continuity: Mapping[str, Any]
    unreported: tuple[Hole, ...]
    strange: tuple[Path, ...]
    last_wall_ns: int
    last_epoch: int


class JournalRecovery:
    """Recovers one shard of one track.

    Args:
        settings: As the writer has them.
        trade_channels: Channels whose records the accounting reads.
        phase_at: Names the market's phase at a receive time.
        policy: What the accounting takes for a fault.
        storage: The disk.
    """

    def __init__(
        self,
        settings: WriterSettings,
        *,
        trade_channels: Container[str] = frozenset(),
        phase_at: Callable[[int], str] = lambda _: "",
        policy: ContinuityPolicy | None = None,
        storage: SegmentStorage | None = None,
    ) -> None:
        self.settings = settings
        self._trade_channels = trade_channels
        self._phase_at = phase_at
        self._policy = policy
        self._storage = storage or SegmentStorage()
        self._unreported: list[Hole] = []
        self._strange: list[Path] = []

    def recover(self) -> Recovery:
        """Seals everything that is not sealed.

        Raises:
            OSError: The disk refused; nothing is lost, and a later run goes on.
        """
        folders = self._day_folders()
        recovered = []
        self._strange.clear()
        for number, folder in enumerate(folders):
            self._remove_leftovers(folder)
            for name in self._unsealed(folder, verify=number == len(folders) - 1):
                before = self._manifest_before(folders[: number + 1], folder, name)
                recovered.append(self._seal(folder, name, before))
        last = self._last_manifest(folders)
        return Recovery(
            segments=tuple(recovered),
            continuity=self._continuity_after(last).state(),
            unreported=tuple(self._unreported),
            strange=tuple(self._strange),
            last_wall_ns=0 if last is None else last.last_wall_ns,
            last_epoch=0 if last is None else last.last_epoch,
        )

    def _day_folders(self) -> list[Path]:
        root = self.settings.root
        if not root.is_dir():
            return []
        return sorted(path for path in root.iterdir() if path.is_dir() and _day_of(path) is not None)

    def _remove_leftovers(self, folder: Path) -> None:
        """Removes manifests that were being written; they are made anew."""
        for path in folder.glob(f".{self.settings.shard}_*.new"):
            if not path.is_dir():
                self._storage.remove(path)

    def _unsealed(self, folder: Path, *, verify: bool) -> list[SegmentName]:
        """Returns the segments without a manifest; on the last day, also those whose manifest is damaged."""
        shard = self.settings.shard
        sealed = set(names_in(folder, shard, MANIFEST_SUFFIX))
        if verify:
            sealed = {name for name in sealed if _read_manifest(folder, name) is not None}
        found = {
            name
            for suffix in (OPEN_SUFFIX, FINAL_SUFFIX, COMPRESSED_SUFFIX)
            for name in names_in(folder, shard, suffix)
        }
        return sorted(
            (name for name in found - sealed if self._is_of_files(folder, name)),
            key=lambda name: name.sequence,
        )

    def _is_of_files(self, folder: Path, name: SegmentName) -> bool:
        """Returns whether whatever bears the segment's name is a file; notes what is none."""
        paths = (
            folder / f"{name.stem}{suffix}"
            for suffix in (OPEN_SUFFIX, FINAL_SUFFIX, COMPRESSED_SUFFIX, MANIFEST_SUFFIX, TORN_SUFFIX)
        )
        strange = [path for path in paths if os.path.lexists(path) and not path.is_file()]
        self._strange += strange
        return not strange

    def _seal(self, folder: Path, name: SegmentName, before: Manifest | None) -> RecoveredSegment:
        final = folder / f"{name.stem}{FINAL_SUFFIX}"
        path = folder / f"{name.stem}{OPEN_SUFFIX}"
        if not path.exists() and final.exists():
            path = final
        elif not path.exists():
            self._unpack(compressed_path(final), path)
        continuity = self._continuity_after(before)
        kept = SegmentScan(continuity, self._trade_channels)
        kept.read(path)
        self._set_aside(compressed_path(final), kept.digest.hexdigest())
        torn_bytes = self._cut(folder, name, path, kept)
        if not kept.tally.lines:
            self._storage.remove(path)
            return RecoveredSegment(final, 0, 0, torn_bytes)
        self._storage.publish(path, final)
        manifest = kept.tally.manifest(
            self.settings,
            _require_day(folder),
            name,
            sha256=kept.digest.hexdigest(),
            reason=SealReason.RECOVERY,
            continuity=continuity.state(),
        )
        self._storage.replace(manifest_path(folder, name), encode_manifest(manifest))
        self._unreported += kept.unreported()
        return RecoveredSegment(final, kept.tally.lines, kept.tally.records, torn_bytes)

    def _unpack(self, packed: Path, plain: Path) -> None:
        """Writes what a compressed segment without a manifest still gives."""
        temporary = plain.with_name(f".{plain.name}.new")
        self._storage.write_pieces(temporary, readable_pieces(packed))
        self._storage.publish(temporary, plain)

    def _set_aside(self, packed: Path, sha256: str) -> None:
        """Removes a compressed file whose content now lies beside it; a damaged one is kept for people."""
        if not packed.exists():
            return
        if holds(packed, sha256):
            self._storage.remove(packed)
        else:
            self._storage.publish(packed, packed.with_name(f"{packed.name}.torn"))

    def _cut(self, folder: Path, name: SegmentName, path: Path, kept: SegmentScan) -> int:
        """Moves what is no whole line to the torn file; returns its size."""
        if not kept.torn:
            self._storage.cut(path, kept.size)
            return 0
        content = path.read_bytes()
        torn = b"".join(content[start:end] for start, end in kept.torn)
        self._storage.replace(folder / f"{name.stem}{TORN_SUFFIX}", torn)
        first = kept.torn[0][0]
        if kept.torn[-1][1] - first == len(torn) and first + len(torn) == kept.size:
            self._storage.cut(path, first)
        else:
            # Pages of the last, never confirmed group reached the disk out of order: whole lines
            # follow the damage, and they are kept.
            self._storage.replace(path, b"".join(content[start:end] for start, end in kept.whole_spans()))
        return len(torn)

    def _manifest_before(self, folders: list[Path], folder: Path, name: SegmentName) -> Manifest | None:
        for earlier in reversed(folders):
            for candidate in reversed(names_in(earlier, self.settings.shard, MANIFEST_SUFFIX)):
                if earlier == folder and candidate.sequence >= name.sequence:
                    continue
                manifest = _read_manifest(earlier, candidate)
                if manifest is not None:
                    return manifest
        return None

    def _continuity_after(self, manifest: Manifest | None) -> VolumeContinuity:
        continuity = VolumeContinuity(self._phase_at, self._policy)
        if manifest is not None:
            # The state of an older version is not worth refusing to start: the day's accounts begin
            # anew, with what was traded before as `before_slot`.
            with suppress(StorageError):
                continuity.restore(manifest.continuity)
        return continuity

    def _last_manifest(self, folders: list[Path]) -> Manifest | None:
        for folder in reversed(folders):
            for name in reversed(names_in(folder, self.settings.shard, MANIFEST_SUFFIX)):
                manifest = _read_manifest(folder, name)
                if manifest is not None:
                    return manifest
        return None


def _read_manifest(folder: Path, name: SegmentName) -> Manifest | None:
    """Returns a manifest, or None where its file is damaged: its segment is then sealed anew."""
    path = manifest_path(folder, name)
    if not path.is_file():
        return None
    try:
        return Manifest.read(path)
    except StorageError:
        return None


def _day_of(folder: Path) -> date | None:
    try:
        return date.fromisoformat(folder.name) if folder.name.isdigit() else None
    except ValueError:
        return None


def _require_day(folder: Path) -> date:
    day = _day_of(folder)
    if day is None:
        raise StorageError(f"{folder} is no folder of a receive day.")
    return day
