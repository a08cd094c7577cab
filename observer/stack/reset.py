"""Emptying a stack's folder.

Invariant: only what lies in the folder is removed, only while its lock is held, and never under a
PostgreSQL that still uses it.
"""

from __future__ import annotations

import shutil

from observer.stack.layout import StackFolder
from observer.stack.postgres import ServerHome
from observer_core.errors import StorageError


def empty(folder: StackFolder) -> None:
    """Removes everything in a stack's folder but its lock, which the caller holds.

    Raises:
        StorageError: Something belongs to another user.
    """
    try:
        ServerHome(folder.postgres).end_leftovers()
        for path in folder.folder.iterdir():
            if path == folder.lock:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    except PermissionError as error:
        raise StorageError(
            f"{error.filename} belongs to another user.", remedy=f"Remove {folder.folder} as that user."
        ) from error
