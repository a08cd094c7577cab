"""What is critical, since when, and what has been said about it.

Invariant: nothing here waits or sends. A condition is reported once, after it has lasted long enough
not to be a passing fault, and taken back once, after it has been away as long; what an earlier process
of this shard reported is neither repeated nor forgotten. Nothing is critical where no data are due,
except a disk or a broker that would be in the way when they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from observer_collector.http.readiness import Facts, judge
from observer_collector.moments import Moment, Patience
from observer_core.journal import JournalState


class Condition(StrEnum):
    """A critical condition; the name is that of its section in `docs/operations/alerts.md`."""

    NOT_COLLECTING = "ObserverNotCollecting"
    BROKER_REFUSES = "ObserverBrokerRefuses"
    DISK_FULL = "ObserverDiskFull"
    JOURNAL_FAILING = "ObserverJournalFailing"
    CONTRACT_BROKEN = "ObserverContractBroken"

    @property
    def headline(self) -> str:
        return _TEXTS[self][0]

    @property
    def remedy(self) -> str:
        return _TEXTS[self][1]


_TEXTS = {
    Condition.NOT_COLLECTING: (
        "No data are collected although the market has some",
        "Look at /status of the collector: its reason says whether universe, network or broker is at fault.",
    ),
    Condition.BROKER_REFUSES: (
        "The broker refuses key or session",
        "Renew the key, or find the other process that uses it; the code says which.",
    ),
    Condition.DISK_FULL: (
        "The data volume is full and intake is paused",
        "Free space on OBSERVER_DATA_DIR; recording goes on by itself.",
    ),
    Condition.JOURNAL_FAILING: (
        "The data volume refuses or delays writes",
        "Look at the volume and its node.",
    ),
    Condition.CONTRACT_BROKEN: (
        "The running deployment breaks a critical contract",
        "Look the rule up in docs/operations/contract-runbook.md.",
    ),
}

# A key that is refused keeps data away as much as a silence does; who is told before the opening can
# still renew it.
SOON_NS = 3600 * 1_000_000_000
_PATIENCE = {
    Condition.NOT_COLLECTING: Patience(60, 5),
    Condition.BROKER_REFUSES: Patience(20, 2),
    # A virtual day stands still while intake waits for the disk.
    Condition.DISK_FULL: Patience(0, 2),
    Condition.JOURNAL_FAILING: Patience(30, 3),
    Condition.CONTRACT_BROKEN: Patience(0, 0),
}
_AWAY = Patience(60, 3)


def critical(facts: Facts, now: Moment, *, data_soon: bool, breaches: Sequence[str]) -> dict[Condition, str]:
    """Returns the critical conditions of a process, each with what was seen.

    Args:
        facts: What readiness is judged by.
        now: The present instant.
        data_soon: Whether data are due now or within `SOON_NS`.
        breaches: The critical contracts that the running deployment breaks.
    """
    if facts.stopping or facts.standby:
        return {}
    found = _of_intake(facts, now, data_soon=data_soon)
    if breaches:
        found[Condition.CONTRACT_BROKEN] = ", ".join(breaches)
    return found


def _of_intake(facts: Facts, now: Moment, *, data_soon: bool) -> dict[Condition, str]:
    """Returns the one condition that keeps data away: the cause where it is known."""
    readiness = judge(facts, now)
    if readiness.ready:
        return {}
    if JournalState.DISK_FULL in facts.journal:
        return {Condition.DISK_FULL: readiness.reason}
    if any(state is not JournalState.WRITABLE for state in facts.journal):
        return {Condition.JOURNAL_FAILING: readiness.reason}
    if facts.refusal is not None and not facts.recovering:
        return {Condition.BROKER_REFUSES: facts.refusal} if data_soon else {}
    return {Condition.NOT_COLLECTING: readiness.reason} if facts.data_due else {}


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell.

    Attributes:
        condition: About what.
        resolved: Whether it is over.
        detail: What was seen.
        since_ns: Since when it lasts, on the clock.
        at_ns: When it was judged, on the clock.
    """

    condition: Condition
    resolved: bool
    detail: str
    since_ns: int
    at_ns: int


@dataclass(slots=True)
class _Entry:
    since: Moment
    seen: Moment
    detail: str
    reported: bool = False


class Board:
    """The conditions of one process over time.

    Args:
        reported: What an earlier process has reported and not taken back: since when, and what was seen.
        now: The present instant.
    """

    def __init__(self, reported: Mapping[Condition, tuple[int, str]], now: Moment) -> None:
        self._entries = {
            condition: _Entry(Moment(since_ns, now.real_ns), now, detail, reported=True)
            for condition, (since_ns, detail) in reported.items()
        }

    @property
    def reported(self) -> list[Condition]:
        """What is reported and not taken back."""
        return [condition for condition, entry in self._entries.items() if entry.reported]

    def observe(self, found: Mapping[Condition, str], now: Moment) -> list[Notice]:
        """Takes what is found at an instant; returns what there is to tell."""
        notices = []
        for condition, detail in found.items():
            entry = self._entries.setdefault(condition, _Entry(now, now, detail))
            entry.seen, entry.detail = now, detail
            if not entry.reported and _PATIENCE[condition].exhausted(entry.since, now):
                entry.reported = True
                notices.append(_notice(condition, entry, now, resolved=False))
        for condition, entry in list(self._entries.items()):
            if condition in found:
                continue
            if not entry.reported:
                del self._entries[condition]
            elif self._is_over(condition, found) and _AWAY.exhausted(entry.seen, now):
                del self._entries[condition]
                notices.append(_notice(condition, entry, now, resolved=True))
        return notices

    @staticmethod
    def _is_over(condition: Condition, found: Mapping[Condition, str]) -> bool:
        """Returns whether a condition that is not found is over, rather than hidden by its like."""
        return condition is Condition.CONTRACT_BROKEN or not set(found) - {Condition.CONTRACT_BROKEN}


def _notice(condition: Condition, entry: _Entry, now: Moment, *, resolved: bool) -> Notice:
    return Notice(condition, resolved, entry.detail, entry.since.clock_ns, now.clock_ns)
