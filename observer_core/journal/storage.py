"""The file operations of a segment, as one small object.

Invariant: the journal changes the disk only through these calls, in the order in which they are
made, so that a test can stop the world between any two of them.
"""

from __future__ import annotations

import os
from pathlib import Path

from observer_core.files import sync_folder, write_atomically


class SegmentStorage:
    """The real disk."""

    def create(self, path: Path) -> int:
        """Makes a new file and its folder durably; returns a descriptor.

        Raises:
            FileExistsError: The name is taken; a segment is never written over.
        """
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True)
            sync_folder(path.parent.parent)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            sync_folder(path.parent)
        except OSError:
            os.close(descriptor)
            path.unlink()
            raise
        return descriptor

    def write(self, descriptor: int, block: bytes, offset: int) -> None:
        """Writes a block at an offset; writing it again there is harmless."""
        view = memoryview(block)
        while view:
            written = os.pwrite(descriptor, view, offset)
            view, offset = view[written:], offset + written

    def sync(self, descriptor: int) -> None:
        """Makes what was written durable, with the file's length."""
        os.fdatasync(descriptor)

    def close(self, descriptor: int) -> None:
        """Gives the descriptor back."""
        os.close(descriptor)

    def publish(self, source: Path, target: Path) -> None:
        """Renames durably; a rename that has already happened is not repeated."""
        if source.exists():
            os.replace(source, target)
        sync_folder(target.parent)

    def replace(self, path: Path, content: bytes) -> None:
        """Writes a whole small file atomically and durably."""
        write_atomically(path, content)

    def cut(self, path: Path, size: int) -> None:
        """Shortens a file durably; also makes durable what it holds before the cut."""
        descriptor = os.open(path, os.O_WRONLY)
        try:
            os.ftruncate(descriptor, size)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def remove(self, path: Path) -> None:
        """Removes a file durably."""
        path.unlink(missing_ok=True)
        sync_folder(path.parent)
