"""What the bytes of a table file are, as its receipt tells.

Invariant: a file is told by the SHA-256 of what was published. Whoever relies on rows that a file holds, to
merge them into another or to let the journal go, compares the two first: Parquet alone notices hardly any
flipped bit (of a day of trades, a third of them gave other values and no error).

A receipt may tell several contents of a file: while a compaction replaces it, the old and the new one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from observer_core.lake.parquet import damaged


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The content of a file.

    Attributes:
        sha256: Of its bytes.
        bytes: How many there are.
    """

    sha256: str
    bytes: int


# Table -> the contents that its file may have; a table whose file nobody vouches for is left out.
Fingerprints = Mapping[str, tuple[Fingerprint, ...]]


def fingerprint(path: Path) -> Fingerprint:
    """Returns what a file holds now."""
    with path.open("rb") as file:
        return Fingerprint(hashlib.file_digest(file, "sha256").hexdigest(), file.tell())


def is_vouched_for(path: Path, known: Sequence[Fingerprint]) -> bool:
    """Returns whether a file has a content that is known; False where none is.

    Args:
        path: The file.
        known: What it may hold.

    Raises:
        StorageError: It has another content.
    """
    if not known:
        return False
    found = fingerprint(path)
    if found not in known:
        raise damaged(path, "its SHA-256 is not the one that its receipt tells")
    return True
