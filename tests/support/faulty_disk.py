"""A disk that does what disks do: it forgets what was not synced, fills up, and takes its time.

Invariant: the files in the folder are what the kernel's page cache would show; the model beside them knows
what of it is durable. `crash` makes the folder what a machine finds after the power came back: synced bytes
and synced names for certain, and of everything else as much as chance lets through, page by page, names in
the order in which they changed (as ext4 keeps them). After the crash no call reaches the disk any more.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from observer_core.journal.disk import Disk

_PAGE = 4096


class PowerLost(BaseException):
    """The machine is off: whoever asks the disk for something ends here."""


@dataclass
class _File:
    """What is known of one file: its durable content, and the writes and lengths since."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)
    allocated: int = 0


class FaultyDisk(Disk):
    """A disk below one folder.

    Args:
        root: The folder; it exists.
        capacity: Bytes that fit; None for no limit.
        sync_seconds: How long a sync of a file takes.
    """

    def __init__(self, root: Path, *, capacity: int | None = None, sync_seconds: float = 0.0) -> None:
        self.root = root
        self.capacity = capacity
        self.sync_seconds = sync_seconds
        self.refused = 0
        self.crashed = False
        self._lock = threading.Lock()
        self._open: dict[int, _File] = {}
        self._names: dict[Path, _File] = {}
        self._durable_names: dict[Path, _File] = {}
        for path in root.rglob("*"):
            if path.is_file():
                self._known(path)
        # Changes of names that no sync of their folder has made durable, in order.
        # A rename is one change: both names, or none.
        self._changes: list[dict[Path, _File | None]] = []

    def create(self, path: Path) -> int:
        with self._lock:
            self._require_power()
            descriptor = super().create(path)
            self._open[descriptor] = self._name(path, _File())
            return descriptor

    def open(self, path: Path) -> int:
        with self._lock:
            self._require_power()
            descriptor = super().open(path)
            self._open[descriptor] = self._known(path)
            return descriptor

    def write(self, descriptor: int, content: bytes | memoryview, offset: int) -> int:
        with self._lock:
            self._require_power()
            file, left = self._open[descriptor], self._left()
            size = os.fstat(descriptor).st_size
            fits = len(content) if left is None else max(size, file.allocated) + left - offset
            if fits <= 0:
                self.refused += 1
                raise OSError(errno.ENOSPC, "No space left on device")
            piece = bytes(content[: min(fits, len(content))])
            file.pending.append((offset, piece))
            return super().write(descriptor, piece, offset)

    def allocate(self, descriptor: int, size: int) -> None:
        with self._lock:
            self._require_power()
            left = self._left()
            if left is not None and size > left:
                self.refused += 1
                raise OSError(errno.ENOSPC, "No space left on device")
            self._open[descriptor].allocated = size
            os.ftruncate(descriptor, size)

    def truncate(self, descriptor: int, size: int) -> None:
        with self._lock:
            self._require_power()
            self._open[descriptor].pending.append((size, None))
            super().truncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        self._require_power()
        if self.sync_seconds:
            time.sleep(self.sync_seconds)
        with self._lock:
            self._require_power()
            file = self._open[descriptor]
            for offset, content in file.pending:
                _apply(file.durable, offset, content)
            file.pending.clear()

    def close(self, descriptor: int) -> None:
        with self._lock:
            self._open.pop(descriptor, None)
            super().close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        with self._lock:
            self._require_power()
            file = self._known(source)
            super().rename(source, target)
            del self._names[source]
            self._names[target] = file
            self._changes.append({source: None, target: file})

    def remove(self, path: Path) -> None:
        with self._lock:
            self._require_power()
            super().remove(path)
            if self._names.pop(path, None) is not None:
                self._changes.append({path: None})

    def sync_folder(self, path: Path) -> None:
        with self._lock:
            self._require_power()
            # The file system's own journal keeps the order: what changed before is durable, too.
            inside = [any(name.parent == path for name in change) for change in self._changes]
            last = max((number for number, found in enumerate(inside, 1) if found), default=0)
            self._make_durable(last)

    def free_bytes(self, folder: Path) -> int:
        self._require_power()
        left = self._left()
        return 1 << 40 if left is None else left

    def crash(self, random: Random) -> None:
        """Turns the power off and on again: the folder then holds what such a disk may hold."""
        with self._lock:
            self.crashed = True
            self._make_durable(random.randint(0, len(self._changes)))
            for path in sorted(self.root.rglob("*"), reverse=True):
                if path.is_dir():
                    continue
                path.unlink()
            for path, file in self._durable_names.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(_survived(file, random))

    def _require_power(self) -> None:
        if self.crashed:
            raise PowerLost

    def _left(self) -> int | None:
        if self.capacity is None:
            return None
        used = sum(
            max(path.stat().st_size, self._names[path].allocated if path in self._names else 0)
            for path in self.root.rglob("*")
            if path.is_file()
        )
        return self.capacity - used

    def _known(self, path: Path) -> _File:
        """Returns the file of a name; one that was there before this disk is durable."""
        if path not in self._names:
            self._names[path] = self._durable_names[path] = _File(bytearray(path.read_bytes()))
        return self._names[path]

    def _name(self, path: Path, file: _File) -> _File:
        self._names[path] = file
        self._changes.append({path: file})
        return file

    def _make_durable(self, changes: int) -> None:
        for change in self._changes[:changes]:
            for path, file in change.items():
                if file is None:
                    self._durable_names.pop(path, None)
                else:
                    self._durable_names[path] = file
        del self._changes[:changes]


def _apply(content: bytearray, offset: int, piece: bytes | None) -> None:
    """Writes a piece, or cuts or stretches to a length."""
    if piece is None:
        del content[offset:]
        content.extend(bytes(offset - len(content)))
        return
    content.extend(bytes(max(0, offset + len(piece) - len(content))))
    content[offset : offset + len(piece)] = piece


def _survived(file: _File, random: Random) -> bytes:
    """Returns the content after a crash: of each unsynced write, some pages have reached the disk."""
    content, luck = bytearray(file.durable), random.random()
    for offset, piece in file.pending:
        if piece is None:
            if random.random() < luck:
                _apply(content, offset, None)
            continue
        start = 0
        while start < len(piece):
            end = min(len(piece), start + _PAGE - (offset + start) % _PAGE)
            if random.random() < luck:
                _apply(content, offset + start, piece[start:end])
            start = end
    return bytes(content)


def emptied(folder: Path) -> Path:
    """Returns a folder without anything in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
