"""A folder as backup target: a second volume that is mounted there.

Invariant: an object is written under a temporary name, reaches the disk, and is renamed; what a killed
process left under the temporary name is overwritten by the next try. The folder itself is never made: where
it is missing, the volume is not mounted.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from observer_core.backup.target import Stored, blocks_of_source
from observer_core.errors import BackupTargetError
from observer_core.files import sync_folder

_PART = ".part"
_REMEDIES = {
    errno.ENOSPC: "Make room on the backup volume, or give it a larger one.",
    errno.EROFS: "Mount the backup volume so that it can be written.",
    errno.EACCES: "Let the user of the pipeline (uid 1000) write there.",
}


class FolderTarget:
    """Objects as files of a folder.

    Args:
        root: The folder; it exists.
        deployment: Name of the deployment that uses it; empty where its settings tell none.
    """

    def __init__(self, root: Path, deployment: str = "") -> None:
        self.root = root
        self._deployment = deployment

    @property
    def name(self) -> str:
        return str(self.root)

    @property
    def deployment(self) -> str:
        return self._deployment

    def put(self, key: str, source: IO[bytes]) -> None:
        """Writes a file durably; what is read back afterwards comes from the disk, not from memory."""
        path = self._path(key)
        temporary = path.with_name(f".{path.name}{_PART}")
        with self._failures():
            self._make_folders(path.parent)
            with temporary.open("wb") as file:
                for block in blocks_of_source(source, key):
                    file.write(block)
                file.flush()
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            os.replace(temporary, path)
            sync_folder(path.parent)

    @contextmanager
    def open(self, key: str) -> Iterator[IO[bytes]]:
        with self._failures(), self._path(key).open("rb") as file:
            yield file

    def size(self, key: str) -> int | None:
        with self._failures():
            try:
                return self._path(key).stat().st_size
            except FileNotFoundError:
                return None

    def listing(self, prefix: str) -> Iterator[Stored]:
        with self._failures():
            for folder, _, names in os.walk(self._path(prefix), onerror=_raise_unless_missing):
                for name in names:
                    if not name.endswith(_PART):
                        path = Path(folder, name)
                        yield Stored(path.relative_to(self.root).as_posix(), path.stat().st_size)

    def remove(self, key: str) -> None:
        with self._failures():
            self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        if not self.root.is_dir():
            raise BackupTargetError(
                f"OBSERVER_BACKUP_TARGET names {self.root}, which is not a directory.",
                remedy="Mount the backup volume there.",
            )
        return self.root / key

    def _make_folders(self, folder: Path) -> None:
        missing = [one for one in (folder, *folder.parents) if not one.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for made in missing:
            sync_folder(made.parent)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise BackupTargetError(
                f"The backup target {self.root} failed: {error.strerror}.",
                remedy=_REMEDIES.get(error.errno or 0, "Check the backup volume."),
            ) from error


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
