"""The one writer of an app key.

Invariant: whoever holds the kernel's lock on the file is the writer, and nobody else; what the file
says about the holder is for people only. The kernel releases the lock when the process ends, however
it ends; the file itself stays. `flock` is node-local, and so is the data volume.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import socket
from pathlib import Path
from typing import Any

from observer_core.clock import Clock
from observer_core.errors import StorageError
from observer_core.settings import PodSettings

# A successor makes its first attempt within five seconds of the holder's end.
_POLL_SECONDS = 0.5


class WriterLock:
    """The lock on the data volume.

    Args:
        path: `Paths.collector_lock`.
        pod: Who this process is.
        clock: Since when it holds the lock, for people.
    """

    def __init__(self, path: Path, pod: PodSettings, clock: Clock) -> None:
        self._path = path
        self._name = pod.pod_name or socket.gethostname()
        self._clock = clock
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this process is the writer."""
        return self._descriptor is not None

    def try_acquire(self) -> bool:
        """Returns whether this process is the writer now.

        Raises:
            StorageError: The file cannot be made or locked.
        """
        if self.held:
            return True
        try:
            self._path.parent.mkdir(exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StorageError(
                f"The lock {self._path} cannot be opened: {error.strerror}.",
                remedy="Correct the permissions of OBSERVER_DATA_DIR.",
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        self._introduce(descriptor)
        return True

    async def acquire(self) -> None:
        """Returns once this process is the writer."""
        while not self.try_acquire():
            await asyncio.sleep(_POLL_SECONDS)

    def holder(self) -> dict[str, Any]:
        """Returns what the writer says about itself; empty where nobody has said anything."""
        try:
            content = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def release(self) -> None:
        """Lets somebody else be the writer."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _introduce(self, descriptor: int) -> None:
        holder = {"name": self._name, "pid": os.getpid(), "since": self._clock.now().isoformat()}
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)
