"""Times in which intake waited for the disk, told in the journal.

Invariant: every wait leaves one gap, written as soon as the disk takes lines again: what the broker
sent meanwhile came late, or, if the connection did not last, not at all.
"""

from __future__ import annotations

from typing import Any

from observer_core.journal import JournalState


class DiskPauses:
    """Watches whether intake waits."""

    def __init__(self) -> None:
        self._since_ns: int | None = None
        self._cause = ""
        self.count = 0

    def look(self, *, waiting: bool, state: JournalState, now_ns: int, phase: str) -> dict[str, Any] | None:
        """Takes note of the present; returns the gap that ends now, if one does.

        Args:
            waiting: Whether intake waits for the disk.
            state: What the journal says about the disk.
            now_ns: The present on the clock.
            phase: Phase of the market.

        Returns:
            The payload of the gap's control record.
        """
        if waiting:
            if self._since_ns is None:
                self._since_ns = now_ns
            if state is not JournalState.WRITABLE:
                self._cause = state.value
            return None
        if self._since_ns is None:
            return None
        gap = {
            "channel": "",
            "symbol": "",
            "last_good_ns": self._since_ns,
            "first_seen_ns": now_ns,
            "cause": f"disk: {self._cause or JournalState.SLOW.value}",
            "phase": phase,
        }
        self._since_ns, self._cause = None, ""
        self.count += 1
        return gap
