"""The container that this process runs in.

Invariant: thin: each method hands over to the module that does the work.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from observer_contracts.evidence.runtime import database, folders, kernel, locks, network
from observer_contracts.evidence.runtime.observations import (
    Attempt,
    BrokerState,
    Contact,
    FileFacts,
    LockFile,
    Session,
    Space,
    Strays,
)
from observer_contracts.evidence.seeing import HttpAnswer, Unseen
from observer_core.clock import Clock
from observer_core.settings import DatabaseSettings, KisSettings

# In a pod with a process namespace of its own, the container's first process.
_FIRST_PROCESS = 1


class LocalSurroundings:
    """The real thing.

    Args:
        environment: The variables of the process.
        clock: Time of the token's validity.
    """

    def __init__(self, environment: Mapping[str, str], clock: Clock) -> None:
        self._environment = dict(environment)
        self._clock = clock

    @property
    def environment(self) -> Mapping[str, str]:
        return self._environment

    @property
    def host_name(self) -> str:
        return socket.gethostname()

    @property
    def home_folders(self) -> tuple[str, ...]:
        return (str(Path.cwd()), self._environment.get("HOME", "/"), sys.prefix)

    def read_kernel(self, path: str) -> str:
        """Returns a text file of the kernel."""
        return Path(path).read_text(errors="replace")

    def started(self) -> float:
        """Returns when the container started, in seconds since the Unix epoch."""
        process = self.read_kernel(f"/proc/{_FIRST_PROCESS}/stat")
        uptime = self.read_kernel("/proc/uptime")
        # The machine's wall clock, whatever the process's own: the kernel dates files by it.
        return kernel.start_of(process, uptime, time.time(), os.sysconf("SC_CLK_TCK"))

    def is_folder(self, path: str) -> bool:
        """Tells whether a folder is there."""
        return Path(path).is_dir()

    def space(self, path: str) -> Space:
        """Returns the room on the file system of a path."""
        return folders.space_of(path)

    def try_writing(self, folder: str, within: str) -> Attempt:
        """Makes a file in a folder, syncs it, renames it and removes it."""
        return folders.try_writing(folder, within)

    def written_since(self, start: float, root: str, left_out: Collection[str]) -> Strays | Unseen:
        """Returns the files below a folder that were made or changed since an instant."""
        return folders.written_since(start, root, left_out)

    def file_facts(self, path: str) -> FileFacts | Unseen | None:
        """Returns owner and mode of a file."""
        return folders.facts_of(path)

    def lock_files(self, folder: Path, own: str) -> tuple[LockFile, ...] | Unseen:
        """Returns the writers' lock files of a folder."""
        return locks.lock_files(folder, own)

    def reach(self, purpose: str, host: str, port: int) -> Contact:
        """Connects to a port and hangs up."""
        return network.reach(purpose, host, port)

    def ask(self, port: int, path: str) -> HttpAnswer | Unseen:
        """Asks the collector of this pod."""
        return network.ask(port, path)

    def open_session(self, settings: DatabaseSettings) -> Session | Unseen:
        """Opens a session of the database."""
        return database.open_session(settings)

    def broker_state(self, settings: KisSettings, cache: Path) -> BrokerState | Unseen:
        """Returns what the token cache remembers of the broker."""
        from observer_contracts.evidence.runtime.broker import broker_state  # noqa: PLC0415 - loads the logs

        return broker_state(settings, cache, self._clock)
