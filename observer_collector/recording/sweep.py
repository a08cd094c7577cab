"""What one sweep over the universe asked for and got.

Invariant: it is whole only where every request that was planned has been answered; its control record tells
the number of all symbols that lack something, and the names of the first ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

# Symbols without a row that a control record names; their number is always told.
_NAMED = 50


class SweepOutcome(StrEnum):
    """How a sweep ended."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    FAILED = "failed"


@dataclass(slots=True)
class Sweep:
    """What one sweep asked for and got.

    Attributes:
        due_ns: The instant it belongs to.
        symbols: Symbols asked for.
        rows: Rows returned.
        requests: Requests that were answered.
        batches: Requests planned, those that halving adds included.
        retried: Requests that were asked again.
        halved: Requests that halving has added.
        failed: Requests without an answer, those that were not sent included.
        missing: Symbols asked for, and asked for again, that are in no row.
        unaccepted: Symbols that the broker refuses to answer for.
        refused: Whether the broker refused the key: nothing more was asked.
        error: The last failure.
        finished_ns: When it ended, on the clock.
    """

    due_ns: int
    symbols: int
    rows: int = 0
    requests: int = 0
    batches: int = 0
    retried: int = 0
    halved: int = 0
    failed: int = 0
    missing: list[str] = field(default_factory=list)
    unaccepted: list[str] = field(default_factory=list)
    refused: bool = False
    error: str = ""
    finished_ns: int = 0

    @property
    def outcome(self) -> SweepOutcome:
        if not self.failed:
            return SweepOutcome.COMPLETE
        return SweepOutcome.PARTIAL if self.requests else SweepOutcome.FAILED

    def payload(self) -> dict[str, object]:
        """Returns the payload of the sweep's control record."""
        return {
            "outcome": self.outcome.value,
            "due_ns": self.due_ns,
            "finished_ns": self.finished_ns,
            "symbols": self.symbols,
            "rows": self.rows,
            "requests": self.requests,
            "retried": self.retried,
            "failed": self.failed,
            "missing": len(self.missing),
            "missing_symbols": self.missing[:_NAMED],
            "unaccepted": len(self.unaccepted),
            "unaccepted_symbols": self.unaccepted[:_NAMED],
            "error": self.error,
        }
