"""The file operations by which the lake changes, as one small object.

Invariant: what a reader can see changes only through these calls, in the order in which they are
made, each of them atomic; so a test can stop the world between any two of them.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from observer_core.files import sync_folder, write_atomically


class LakeStorage:
    """The real disk."""

    def publish(self, source: Path, target: Path) -> None:
        """Makes a finished file visible under its name, durably, in place of an older one.

        Args:
            source: The file, on the same volume.
            target: Its name in the lake.
        """
        descriptor = os.open(source, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(source, target)
        sync_folder(target.parent)

    def write(self, target: Path, content: bytes) -> None:
        """Writes a whole small file."""
        write_atomically(target, content)

    def remove(self, path: Path) -> None:
        """Removes a file or a folder with everything in it; harmless where there is none."""
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def work_folder(folder: Path) -> Iterator[Path]:
    """Gives an empty folder for unfinished files, and removes it with what a killed run left there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def exclusive(lock: Path) -> Iterator[None]:
    """Waits until no other process works under the lock; the kernel frees it when a process dies."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
