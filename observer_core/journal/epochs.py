"""The persisted count of broker connections.

Invariant: an epoch is durable before it is used, and none is given out twice, even when the file
is lost: the caller then passes what the journal itself has seen.
"""

from __future__ import annotations

import json
from pathlib import Path

from observer_core.files import write_atomically
from observer_core.json_text import parse_json

_FORMAT = 1


class EpochStore:
    """The epochs of one shard of one track.

    Args:
        path: The file; made at the first epoch.
        seen: The highest epoch found in the journal.
    """

    def __init__(self, path: Path, *, seen: int = 0) -> None:
        self._path = path
        self._last = max(self._read(), seen)

    def next(self) -> int:
        """Returns a new epoch, after it has reached the disk.

        Raises:
            OSError: The file could not be written; no epoch was given out.
        """
        epoch = self._last + 1
        write_atomically(self._path, json.dumps({"format": _FORMAT, "last": epoch}).encode() + b"\n")
        self._last = epoch
        return epoch

    def _read(self) -> int:
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return 0
        try:
            return int(parse_json(content)["last"])
        except (ValueError, OverflowError, KeyError, TypeError):
            # A damaged file is a lost one: an epoch without a line in the journal was never used.
            return 0
