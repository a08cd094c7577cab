"""Writing whole files.

Invariant: a reader sees the old content or the new one, never a half: the content goes to a
temporary name in the same folder, reaches the disk, and is renamed over the old name.
"""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4


def write_atomically(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replaces a file as a whole and durably, making its folder if there is none.

    Args:
        path: The file.
        content: Its new content.
        mode: Permission bits, in force from the first byte on.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _name_of_its_own(path, "new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def create_atomically(path: Path, content: bytes) -> bool:
    """Writes a file as a whole and durably unless there is one already.

    Args:
        path: The file; its folder is made if there is none.
        content: Its content.

    Returns:
        Whether it was written; False where somebody else was first, even at the same moment.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _name_of_its_own(path, "first")
    write_atomically(temporary, content)
    try:
        # A hard link, unlike a rename, never replaces what is there.
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)
    return True


def _name_of_its_own(path: Path, ending: str) -> Path:
    # Not by the process's number: two pods on one volume are number 1 each, and threads share theirs.
    return path.with_name(f".{path.name}.{uuid4().hex}.{ending}")


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
