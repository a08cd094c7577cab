"""What the reader may do in a container.

Invariant: every system call, file, connection and session of the runtime evidence goes through this
interface, so that a test can take the place of one of them and leave the others real.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Protocol

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
from observer_core.settings import DatabaseSettings, KisSettings


class Surroundings(Protocol):
    """A container as seen by one of its processes."""

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables of this process."""

    @property
    def host_name(self) -> str:
        """The name of the machine, which in a pod is the pod's."""

    @property
    def home_folders(self) -> tuple[str, ...]:
        """Folders that programs like to write to: the home, the working directory, that of Python."""

    def read_kernel(self, path: str) -> str:
        """Returns a text file of the kernel.

        Raises:
            OSError: It is not there or may not be read.
        """

    def started(self) -> float:
        """Returns when the container started, in seconds since the Unix epoch.

        Raises:
            OSError: The kernel's files may not be read.
            ValueError: They do not say it.
        """

    def is_folder(self, path: str) -> bool:
        """Tells whether a folder is there."""

    def space(self, path: str) -> Space:
        """Returns the room on the file system of a path.

        Raises:
            OSError: It cannot be looked at.
        """

    def try_writing(self, folder: str, within: str) -> Attempt:
        """Makes a file in a folder, syncs it, renames it and removes it.

        Args:
            folder: The folder; where it is not there yet, the nearest one above it is tried.
            within: No folder above this one is tried.
        """

    def written_since(self, start: float, root: str, left_out: Collection[str]) -> Strays | Unseen:
        """Returns the files below a folder that were made or changed since an instant.

        Args:
            start: Seconds since the Unix epoch.
            root: The folder.
            left_out: Folders that are not entered.
        """

    def file_facts(self, path: str) -> FileFacts | Unseen | None:
        """Returns owner and mode of a file, None where there is none."""

    def lock_files(self, folder: Path, own: str) -> tuple[LockFile, ...] | Unseen:
        """Returns the writers' lock files of a folder.

        Args:
            folder: `Paths.locks`.
            own: Name of the lock file of this container's app key; empty where it is not known.
        """

    def reach(self, purpose: str, host: str, port: int) -> Contact:
        """Connects to a port and hangs up."""

    def ask(self, port: int, path: str) -> HttpAnswer | Unseen:
        """Asks the collector of this pod."""

    def open_session(self, settings: DatabaseSettings) -> Session | Unseen:
        """Opens a session of the database, asks it a few questions and closes it."""

    def broker_state(self, settings: KisSettings, cache: Path) -> BrokerState | Unseen:
        """Returns what the token cache remembers of the broker; the broker is not asked."""
