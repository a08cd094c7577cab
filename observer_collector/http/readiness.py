"""Whether the collector does what it is there for, at this moment.

Invariant: readiness speaks about the flow of data, not about the process: a writer is ready when its
journal takes lines and, in the hours in which data are due, when the broker has confirmed
registrations and data come. A standby is ready. Every "no" has a reason that names whose fault it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from observer_collector.moments import Moment, Patience
from observer_core.journal import JournalState
from observer_core.market.calendar import Phase

# Twenty of the most traded symbols are never all silent this long while the market trades.
_DATA = Patience(60, 5)
# A new connection registers 41 pairs in about four seconds.
_OPENING = Patience(30, 5)


@dataclass(frozen=True, slots=True)
class Facts:
    """What readiness is judged by.

    Attributes:
        standby: Whether another process is the writer.
        stopping: Whether this process is about to end.
        recovering: Whether the journal is being recovered.
        journal: State of the two tracks.
        phase: Phase of the market.
        data_due: Whether the broker may have something new at this hour.
        universe_missing: Trading day whose universe is waited for without a substitute.
        refusal: The broker's refusal of key or session.
        problem: Why there is no connection, where it is known.
        confirmed: Registrations that the broker has confirmed.
        last_data: When the last record came; None where none came.
        ready_since: From when on data had to be expected: start, opening or change of phase.
    """

    standby: bool
    stopping: bool
    recovering: bool
    journal: tuple[JournalState, ...]
    phase: Phase
    data_due: bool
    universe_missing: date | None
    refusal: str | None
    problem: str | None
    confirmed: int
    last_data: Moment | None
    ready_since: Moment


@dataclass(frozen=True, slots=True)
class Readiness:
    """The answer, and why."""

    ready: bool
    reason: str


def judge(facts: Facts, now: Moment) -> Readiness:
    """Returns whether the collector is ready."""
    if facts.standby and not facts.stopping:
        return Readiness(True, "standby: another process is the writer")
    obstacle = _obstacle(facts)
    if obstacle:
        return Readiness(False, obstacle)
    if not facts.data_due:
        return Readiness(True, f"idle: no data are due ({facts.phase.value})")
    return _in_hours(facts, now)


def _obstacle(facts: Facts) -> str:
    """Returns what keeps a writer from being ready at any hour; empty where nothing does."""
    if facts.stopping:
        return "stopping"
    if facts.recovering:
        return "recovering the journal"
    broken = next((state for state in facts.journal if state is not JournalState.WRITABLE), None)
    if broken is not None:
        return f"journal not writable: {broken.value}"
    return "" if facts.refusal is None else f"external: {facts.refusal}"


def _in_hours(facts: Facts, now: Moment) -> Readiness:
    if facts.universe_missing is not None:
        return Readiness(False, f"no universe for {facts.universe_missing}")
    if not facts.confirmed:
        if facts.problem is None and not _OPENING.exhausted(facts.ready_since, now):
            return Readiness(False, "connecting")
        return Readiness(False, f"external: {facts.problem or 'no registration is confirmed'}")
    if not facts.phase.delivers_trades:
        return Readiness(True, f"connected ({facts.phase.value})")
    since = facts.ready_since if facts.last_data is None else max(facts.last_data, facts.ready_since)
    if _DATA.exhausted(since, now):
        return Readiness(False, "external: connected, but no data come")
    return Readiness(True, "recording")
