"""Who holds the writer's lock.

Invariant: the kernel's lock decides, and what the file says is for people. A shared lock is tried for an
instant and given back: it is refused while somebody holds the lock, and a collector that tries in that
very instant tries again half a second later (`observer_collector.lock`).
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

from observer_contracts.evidence.runtime.observations import LockFile
from observer_contracts.evidence.seeing import Unseen

_PATTERN = "collector-*.lock"
_LARGEST_INTRODUCTION = 4096


def lock_files(folder: Path, own: str) -> tuple[LockFile, ...] | Unseen:
    """Returns the writers' lock files of a folder."""
    try:
        return tuple(_lock_file(path, own) for path in sorted(folder.glob(_PATTERN)))
    except OSError as error:
        return Unseen(f"{error.filename or folder} cannot be looked at: {error.strerror}")


def _lock_file(path: Path, own: str) -> LockFile:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        held = _is_held(descriptor)
        name, since = _introduction(os.pread(descriptor, _LARGEST_INTRODUCTION, 0))
    finally:
        os.close(descriptor)
    return LockFile(str(path), path.name == own, held, name, since)


def _is_held(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def _introduction(content: bytes) -> tuple[str, str]:
    try:
        said = json.loads(content)
    except ValueError:
        return "", ""
    if not isinstance(said, dict):
        return "", ""
    return str(said.get("name", "")), str(said.get("since", ""))
