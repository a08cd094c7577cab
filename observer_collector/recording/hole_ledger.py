"""The latest holes and what became of them, for people who look.

Invariant: the journal is the memory of holes; this is a bounded copy of its end that decides nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from observer_core.accounting import Hole

_LATEST = 50


@dataclass(slots=True)
class LedgerEntry:
    """One hole.

    Attributes:
        hole: What is missing.
        outcome: What became of it, as its control record says; empty while nothing has.
        missing_shares: What is missing still; None where that is not known.
    """

    hole: Hole
    outcome: str = ""
    missing_shares: int | None = None


class HoleLedger:
    """The latest holes, the newest last."""

    def __init__(self) -> None:
        self._entries: OrderedDict[Hole, LedgerEntry] = OrderedDict()

    def found(self, hole: Hole) -> None:
        """Takes a hole; the oldest one gives way."""
        self._entries[hole] = LedgerEntry(hole)
        if len(self._entries) > _LATEST:
            self._entries.popitem(last=False)

    def settled(self, hole: Hole, told: Mapping[str, Any]) -> None:
        """Takes what a control record says about a hole."""
        entry = self._entries.get(hole)
        if entry is not None:
            entry.outcome, entry.missing_shares = str(told["outcome"]), told.get("missing_shares")

    def latest(self) -> list[LedgerEntry]:
        """Returns the latest holes, the newest first."""
        return list(reversed(self._entries.values()))
