"""A backup target: where copies go.

Invariant: an object appears under its name whole or not at all as far as the target can promise it, and is
believed only after it was read back; whatever the target does wrong is a `BackupTargetError`, an external
failure, and never one of ours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, Protocol

from observer_core.errors import StorageError

BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, order=True)
class Stored:
    """An object as the target lists it.

    Attributes:
        key: Its name.
        bytes: Its size.
    """

    key: str
    bytes: int


class Target(Protocol):
    """What a backup needs of a place; every method may raise `BackupTargetError`."""

    @property
    def name(self) -> str:
        """Which one it is, for people and for the ledger; no secret."""

    @property
    def deployment(self) -> str:
        """Name of the deployment that uses it; empty where its settings tell none."""

    def put(self, key: str, source: IO[bytes]) -> None:
        """Writes an object from a file's present position to its end, in place of an older one."""

    def open(self, key: str) -> AbstractContextManager[IO[bytes]]:
        """Opens an object for reading.

        Raises:
            FileNotFoundError: There is none of this name.
        """

    def size(self, key: str) -> int | None:
        """Returns an object's size in bytes, None where there is none."""

    def listing(self, prefix: str) -> Iterator[Stored]:
        """Yields the objects below a prefix that ends with a slash, in no order."""

    def remove(self, key: str) -> None:
        """Removes an object; harmless where there is none."""


def blocks_of_source(source: IO[bytes], name: str) -> Iterator[bytes]:
    """Yields a file of our own in blocks; so that its failure is never charged to the target.

    Raises:
        StorageError: Our disk cannot read it.
    """
    while True:
        try:
            block = source.read(BLOCK_BYTES)
        except OSError as error:
            raise StorageError(f"{name} cannot be read: {error.strerror}.") from error
        if not block:
            return
        yield block


def digest(blocks: Iterable[bytes]) -> tuple[str, int]:
    """Returns SHA-256 in hex and size of blocks."""
    found, size = hashlib.sha256(), 0
    for block in blocks:
        found.update(block)
        size += len(block)
    return found.hexdigest(), size


def blocks_of_object(source: IO[bytes]) -> Iterator[bytes]:
    """Yields an open object in blocks."""
    while block := source.read(BLOCK_BYTES):
        yield block


def stored_digest(target: Target, key: str) -> tuple[str, int] | None:
    """Returns SHA-256 and size of an object as it is read back, None where there is none.

    Raises:
        BackupTargetError: The target cannot read it.
    """
    try:
        with target.open(key) as source:
            return digest(blocks_of_object(source))
    except FileNotFoundError:
        return None


def read_whole(target: Target, key: str) -> bytes | None:
    """Returns a small object's content, None where there is none."""
    try:
        with target.open(key) as source:
            return source.read()
    except FileNotFoundError:
        return None
