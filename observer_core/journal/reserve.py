"""Space kept back for the moment in which the disk is full.

Invariant: while the reserve is held, everything that intake has handed over fits on the disk: it is
larger than the largest backlog. It is given up only when the disk is full, and taken again only
when there is room for it twice, so that a nearly full disk does not make intake start and stop.
"""

from __future__ import annotations

import errno
from pathlib import Path

from observer_core.journal.storage import SegmentStorage


class DiskReserve:
    """The reserve of one writer.

    Args:
        path: Its file.
        size: Its bytes; 0 for none.
        storage: The disk.
    """

    def __init__(self, path: Path, size: int, storage: SegmentStorage) -> None:
        self._path = path
        self._size = size
        self._storage = storage
        self.held = False

    def hold(self) -> None:
        """Takes the space; harmless where it is held.

        Raises:
            OSError: There is not enough, or the disk refuses.
        """
        if self.held:
            return
        if self._size and not self._is_there():
            self._storage.hold(self._path, self._size)
        self.held = True

    def hold_again(self) -> None:
        """Takes the space after it was given up, if there is room for it twice.

        Raises:
            OSError: There is not, or the disk refuses.
        """
        if self._size and not self.held and self._storage.free_bytes(self._path.parent) < 2 * self._size:
            raise OSError(errno.ENOSPC, "Less than twice the reserve is free")
        self.hold()

    def release(self) -> None:
        """Gives the space up.

        Raises:
            OSError: The disk refuses.
        """
        self.held = False
        if self._size:
            self._storage.remove(self._path)

    def _is_there(self) -> bool:
        return self._path.exists() and self._path.stat().st_size == self._size
