"""How full the volumes are, measured from inside.

Invariant: the figures are those of the file system at the moment of the question. The kubelet's own
figures do not exist for volumes of local-path, and claims there are not limited by their size.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from datetime import date

from observer_core.settings import Paths

_NAMES = {
    "OBSERVER_DATA_DIR": "data",
    "OBSERVER_LOG_DIR": "logs",
    "OBSERVER_SNAPSHOT_DIR": "universe",
}


@dataclass(frozen=True, slots=True)
class Volume:
    """One writable volume.

    Attributes:
        name: `data`, `logs` or `universe`.
        size_bytes: Its size.
        free_bytes: What an ordinary process may still write.
    """

    name: str
    size_bytes: int
    free_bytes: int


def volumes(paths: Paths) -> list[Volume]:
    """Returns the writable volumes; one that does not answer is left out."""
    found = []
    for mount in paths.mounts:
        if not mount.writable:
            continue
        try:
            state = os.statvfs(mount.path)
        except OSError:
            # A series that is missing is an alert of its own; the other volumes still have theirs.
            continue
        size, free = state.f_blocks * state.f_frsize, state.f_bavail * state.f_frsize
        found.append(Volume(_NAMES[mount.variable], size, free))
    return found


def quarantined_bytes(paths: Paths, day: date) -> int:
    """Returns the size of what compaction has set aside of a receive day."""
    size = 0
    for file in paths.quarantine_folder(day).glob("*.jsonl"):
        # Compaction may take a file away at any moment.
        with contextlib.suppress(FileNotFoundError):
            size += file.stat().st_size
    return size
