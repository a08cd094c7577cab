"""How often the broker is connected, over restarts (broker reference, 6.7 and 9).

Invariant: within any hour of the clock no more connections are attempted for an app key than its
budget allows, whichever process attempts them: each attempt is on the disk before it is made. The
broker blocks app key and address of a client that connects in a loop, and a container that restarts
in a loop is one. A file that cannot be read or written costs the memory, not the connection.
"""

from __future__ import annotations

import json
from pathlib import Path

from observer_core.clock import Clock
from observer_core.files import write_atomically
from observer_core.json_text import parse_json
from observer_core.logs import logger

_FORMAT = 1
_WINDOW_NS = 3600 * 1_000_000_000

_log = logger(__name__)


class ConnectBudget:
    """The attempts of the last hour.

    Args:
        path: `Paths.connect_budget` of the app key; only the writer touches it.
        per_hour: Attempts that are allowed in an hour.
        clock: The process's clock.
    """

    def __init__(self, path: Path, per_hour: int, clock: Clock) -> None:
        self._path = path
        self._per_hour = per_hour
        self._clock = clock
        self._attempts = self._read()
        self._broken = ""

    @property
    def used(self) -> int:
        """Attempts within the last hour."""
        return len(self._recent())

    @property
    def per_hour(self) -> int:
        """Attempts that are allowed in an hour."""
        return self._per_hour

    def free_at_ns(self) -> int:
        """Returns from when on the next attempt is allowed; 0 where it is allowed now."""
        recent = self._recent()
        return 0 if len(recent) < self._per_hour else recent[-self._per_hour] + _WINDOW_NS

    def spend(self) -> None:
        """Notes an attempt that is about to be made."""
        self._attempts = [*self._recent(), self._clock.now_ns()]
        content = json.dumps({"format": _FORMAT, "attempts_ns": self._attempts}).encode()
        try:
            write_atomically(self._path, content)
        except OSError as error:
            if self._broken != str(error):
                _log.error("The connect budget cannot be written; it is kept in memory.", error=str(error))
            self._broken = str(error)

    def _recent(self) -> list[int]:
        now_ns = self._clock.now_ns()
        # What lies in the future was written under another clock.
        return [attempt for attempt in self._attempts if now_ns - _WINDOW_NS < attempt <= now_ns]

    def _read(self) -> list[int]:
        try:
            content = parse_json(self._path.read_bytes())
            found = content["attempts_ns"] if content["format"] == _FORMAT else []
            return sorted(int(attempt) for attempt in found)
        except FileNotFoundError:
            return []
        except (OSError, ValueError, OverflowError, KeyError, TypeError) as error:
            _log.warning("The connect budget is unreadable; it begins anew.", error=type(error).__name__)
            return []
