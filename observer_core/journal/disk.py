"""The system calls of the journal, as one small object.

Invariant: the journal touches the disk only through these calls. So a test can put a disk in their
place that forgets what was not synced, fills up, or takes its time.
"""

from __future__ import annotations

import os
from pathlib import Path

from observer_core.files import sync_folder


class Disk:
    """The real disk. Every call raises `OSError` where the kernel refuses it."""

    def create(self, path: Path) -> int:
        """Makes a new file and returns its descriptor; a file of that name must not exist."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)

    def open(self, path: Path) -> int:
        """Opens a file for writing and returns its descriptor."""
        return os.open(path, os.O_WRONLY)

    def write(self, descriptor: int, content: bytes | memoryview, offset: int) -> int:
        """Writes at an offset; returns how many bytes were written, which may be fewer."""
        return os.pwrite(descriptor, content, offset)

    def allocate(self, descriptor: int, size: int) -> None:
        """Takes space for the first `size` bytes of a file without writing them."""
        os.posix_fallocate(descriptor, 0, size)

    def truncate(self, descriptor: int, size: int) -> None:
        """Sets a file's length."""
        os.ftruncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        """Makes a file's content and length durable."""
        os.fdatasync(descriptor)

    def close(self, descriptor: int) -> None:
        """Gives a descriptor back."""
        os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Renames a file over whatever has the new name."""
        os.replace(source, target)

    def remove(self, path: Path) -> None:
        """Removes a file if it is there."""
        path.unlink(missing_ok=True)

    def make_folder(self, path: Path) -> None:
        """Makes a folder and those above it."""
        path.mkdir(parents=True, exist_ok=True)

    def sync_folder(self, path: Path) -> None:
        """Makes the names in a folder durable."""
        sync_folder(path)

    def free_bytes(self, folder: Path) -> int:
        """Returns the space that is left for an ordinary user."""
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize
