"""One stack per folder.

Invariant: who holds the lock is the only one that writes below the stack's folder; the kernel
releases it with the process, so a killed stack keeps nobody out.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from observer_core.errors import ProcessError


class StackLock:
    """The lock of a stack's folder; a context manager.

    Args:
        path: The lock file, which is never removed while a stack may hold it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = self._path.read_text().strip() or "another process"
            os.close(self._descriptor)
            raise ProcessError(
                f"A stack already runs in {self._path.parent}: {holder}.",
                remedy="Use that one, or stop it first (Ctrl-C where it was started).",
            ) from None
        self.describe(f"process {os.getpid()}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)

    def describe(self, holder: str) -> None:
        """Writes who holds the lock, for the message that the next one gets."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, holder.encode(), 0)
