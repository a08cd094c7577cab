"""The one writer of an app key and of a shard.

Invariant: whoever holds the kernel's locks on both files is the writer, and nobody else: the broker
gives an app key one session, and the files of a shard have one writer, also while a key is being
replaced. What a file says about its holder is for people only. The kernel releases the locks when the
process ends, however it ends; the files themselves stay. `flock` is node-local, and so is the data
volume.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from observer_core.clock import Clock
from observer_core.errors import StorageError
from observer_core.json_text import parse_json
from observer_core.settings import PodSettings

# A successor makes its first attempt within five seconds of the holder's end.
_POLL_SECONDS = 0.5


class WriterLock:
    """The locks on the data volume.

    Args:
        paths: `Paths.collector_lock` and `Paths.shard_lock`, always in this order.
        pod: Who this process is.
        clock: Since when it holds the lock, for people.
    """

    def __init__(self, paths: Sequence[Path], pod: PodSettings, clock: Clock) -> None:
        self._paths = tuple(paths)
        self.name = pod.pod_name or socket.gethostname()
        self._clock = clock
        self._descriptors: tuple[int, ...] = ()

    @property
    def held(self) -> bool:
        """Whether this process is the writer."""
        return bool(self._descriptors)

    def try_acquire(self) -> bool:
        """Returns whether this process is the writer now.

        Raises:
            StorageError: A file cannot be made or locked.
        """
        if self.held:
            return True
        descriptors: list[int] = []
        for path in self._paths:
            descriptor = _locked(path)
            if descriptor is None:
                for taken in descriptors:
                    os.close(taken)
                return False
            descriptors.append(descriptor)
        self._descriptors = tuple(descriptors)
        for descriptor in descriptors:
            self._introduce(descriptor)
        return True

    async def acquire(self) -> None:
        """Returns once this process is the writer."""
        while not self.try_acquire():
            await asyncio.sleep(_POLL_SECONDS)

    def holder(self) -> dict[str, Any]:
        """Returns what the writer says about itself; empty where nobody has said anything."""
        # The shard's writer is the one whom every process waits for, whatever its key.
        try:
            content = parse_json(self._paths[-1].read_bytes())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def release(self) -> None:
        """Lets somebody else be the writer."""
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = ()

    def _introduce(self, descriptor: int) -> None:
        holder = {"name": self.name, "pid": os.getpid(), "since": self._clock.now().isoformat()}
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)


def _locked(path: Path) -> int | None:
    """Returns the descriptor of a file that is locked now; None where another process holds it."""
    try:
        path.parent.mkdir(exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StorageError(
            f"The lock {path} cannot be opened: {error.strerror}.",
            remedy="Correct the permissions of OBSERVER_DATA_DIR.",
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
