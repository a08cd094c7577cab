"""What the journal does with files: steps that are durable once they have returned.

Invariant: the journal changes the disk only through these steps, in the order in which they are
made, so that a test can stop the world between any two of them, or inside of one (`disk`). Each may
be repeated after it has failed.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from observer_core.journal.disk import Disk


class SegmentStorage:
    """The steps.

    Args:
        disk: The system calls.
    """

    def __init__(self, disk: Disk | None = None) -> None:
        self._disk = disk or Disk()

    def create(self, path: Path) -> int:
        """Makes a new file and its folder durably; returns a descriptor.

        Raises:
            FileExistsError: The name is taken; a segment is never written over.
        """
        disk = self._disk
        if not path.parent.is_dir():
            disk.make_folder(path.parent)
            disk.sync_folder(path.parent.parent)
        descriptor = disk.create(path)
        try:
            disk.sync_folder(path.parent)
        except OSError:
            disk.close(descriptor)
            disk.remove(path)
            raise
        return descriptor

    def write(self, descriptor: int, block: bytes, offset: int) -> None:
        """Writes a block at an offset; writing it again there is harmless."""
        _write_all(self._disk, descriptor, block, offset)

    def sync(self, descriptor: int) -> None:
        """Makes what was written durable, with the file's length."""
        self._disk.sync(descriptor)

    def close(self, descriptor: int) -> None:
        """Gives the descriptor back."""
        self._disk.close(descriptor)

    def publish(self, source: Path, target: Path) -> None:
        """Renames durably; a rename that has already happened is not repeated."""
        if source.exists():
            self._disk.rename(source, target)
        self._disk.sync_folder(target.parent)

    def replace(self, path: Path, content: bytes) -> None:
        """Writes a whole file atomically and durably."""
        disk = self._disk
        temporary = path.with_name(f".{path.name}.new")
        disk.make_folder(path.parent)
        disk.remove(temporary)
        _write_pieces(disk, temporary, [content])
        disk.rename(temporary, path)
        disk.sync_folder(path.parent)

    def write_pieces(self, path: Path, pieces: Iterable[bytes]) -> None:
        """Writes a new file piece by piece; its content is durable, its name not yet."""
        _write_pieces(self._disk, path, pieces)

    def cut(self, path: Path, size: int) -> None:
        """Shortens a file durably; also makes durable what it holds before the cut."""
        descriptor = self._disk.open(path)
        try:
            self._disk.truncate(descriptor, size)
            self._disk.sync(descriptor)
        finally:
            self._disk.close(descriptor)

    def remove(self, path: Path) -> None:
        """Removes a file durably."""
        self._disk.remove(path)
        self._disk.sync_folder(path.parent)

    def hold(self, path: Path, size: int) -> None:
        """Makes a file that takes up space and holds nothing."""
        disk = self._disk
        disk.make_folder(path.parent)
        disk.remove(path)
        descriptor = disk.create(path)
        try:
            disk.allocate(descriptor, size)
        except OSError:
            disk.remove(path)
            raise
        finally:
            disk.close(descriptor)

    def free_bytes(self, folder: Path) -> int:
        """Returns the space that is left on the volume of a folder."""
        return self._disk.free_bytes(folder)


def _write_pieces(disk: Disk, path: Path, pieces: Iterable[bytes]) -> None:
    descriptor, offset = disk.create(path), 0
    try:
        for piece in pieces:
            _write_all(disk, descriptor, piece, offset)
            offset += len(piece)
        disk.sync(descriptor)
    finally:
        disk.close(descriptor)


def _write_all(disk: Disk, descriptor: int, content: bytes, offset: int) -> None:
    view = memoryview(content)
    while view:
        written = disk.write(descriptor, view, offset)
        view, offset = view[written:], offset + written
