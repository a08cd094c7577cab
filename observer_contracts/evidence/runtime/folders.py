"""Trying folders, and looking at files.

Invariant: a file that was made to try a folder is removed again, whatever happens in between.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from uuid import uuid4

from observer_contracts.evidence.runtime.observations import (
    Attempt,
    FileFacts,
    Space,
    Step,
    Strays,
)
from observer_contracts.evidence.seeing import Unseen

_MOST_SHOWN = 50
# Some five seconds; the root of an image that holds Python has about thirty thousand.
_MOST_ENTRIES = 200_000
# Made by container engines before the container starts, or while it does.
_MADE_BY_ENGINES = frozenset(
    {"/.dockerenv", "/run/.containerenv", "/etc/mtab", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf"}
)


def space_of(path: str) -> Space:
    """Returns the room on the file system of a path, as a user who is not root has it."""
    found = os.statvfs(path)
    return Space(
        found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize, found.f_files, found.f_favail
    )


def facts_of(path: str) -> FileFacts | Unseen | None:
    """Returns owner and permission bits of a file, None where there is none."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        return Unseen(f"{path} cannot be looked at: {error.strerror}")
    return FileFacts(path, found.st_mode & 0o7777, found.st_uid)


def try_writing(folder: str, within: str) -> Attempt:
    """Makes a file in a folder, syncs it, renames it and removes it."""
    tried = _nearest(Path(folder), Path(within))
    # Not by the process's number: two pods that begin at once are number 1 each, on one volume.
    first = tried / f".observer-contracts-{uuid4().hex}.new"
    second = first.with_suffix(".renamed")
    try:
        descriptor = os.open(first, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        return Attempt(folder, str(tried), Step.CREATE, error.errno or 0)
    step = Step.CREATE
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(b"\n")
            file.flush()
            step = Step.FSYNC
            os.fsync(descriptor)
        step = Step.RENAME
        first.rename(second)
        step = Step.UNLINK
        second.unlink()
    except OSError as error:
        return Attempt(folder, str(tried), step, error.errno or 0)
    finally:
        first.unlink(missing_ok=True)
        second.unlink(missing_ok=True)
    return Attempt(folder, str(tried))


def _nearest(folder: Path, within: Path) -> Path:
    while folder != within and within in folder.parents and not folder.is_dir():
        folder = folder.parent
    return folder


def written_since(start: float, root: str, left_out: Collection[str]) -> Strays | Unseen:
    """Returns the files below a folder that were made or changed since an instant.

    An empty folder that is new counts as well; a folder with something in it changes with that.
    """
    found: list[str] = []
    looked_at = 0
    try:
        for entry in _entries(root, frozenset(left_out)):
            looked_at += 1
            if looked_at > _MOST_ENTRIES:
                return Unseen(f"{root} holds more than {_MOST_ENTRIES:,} files")
            if _is_new(entry, start):
                found.append(entry.path)
    except OSError as error:
        return Unseen(f"{error.filename} cannot be looked at: {error.strerror}")
    return Strays(tuple(sorted(found)[:_MOST_SHOWN]), len(found), looked_at)


def _entries(root: str, left_out: frozenset[str]) -> Iterator[os.DirEntry[str]]:
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            entries = list(os.scandir(folder))
        except PermissionError:
            # What this user can neither list nor change, it has not written to.
            if os.access(folder, os.W_OK):
                raise
            continue
        except FileNotFoundError:
            continue
        for entry in entries:
            if entry.path in left_out or entry.path in _MADE_BY_ENGINES:
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            yield entry


def _is_new(entry: os.DirEntry[str], start: float) -> bool:
    try:
        # The change time, unlike the modification time, cannot be set by a program.
        if entry.stat(follow_symlinks=False).st_ctime < start:
            return False
        return not entry.is_dir(follow_symlinks=False) or _is_empty(entry.path)
    except FileNotFoundError:
        return False
    except PermissionError:
        return True


def _is_empty(folder: str) -> bool:
    with os.scandir(folder) as entries:
        return next(entries, None) is None
