"""Whether the collector does what it is there for, at this moment.

Invariant: readiness speaks about the flow of data, not about the process: a writer is ready when its
journal takes lines and, in the hours in which data are due, when the broker has confirmed most
registrations, trades and books come on a fair share of them, and sweeps bring rows. One silent symbol is no
fault. A standby is ready. Every "no" has a reason that names whose fault it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from observer_collector.moments import Moment, Patience, latest
from observer_collector.session.watch import Delivery
from observer_core.journal import JournalState
from observer_core.market.calendar import Phase

# Twenty of the most traded symbols are never all silent this long while the market trades.
_DATA = Patience(60, 5)
# A new connection registers 41 pairs in about four seconds.
_OPENING = Patience(30, 5)
# Of the most traded symbols nearly all bring something in three minutes; fewer pairs than this are chance.
_FEWEST_DUE, _FAIR_SHARE = 5, 0.25
# As many as the alert ObserverSweepsLate waits for.
_SWEEPS = 5


@dataclass(frozen=True, slots=True)
class Sweeps:
    """The sweeps over the universe.

    Attributes:
        since: From when on rows had to be expected: the universe, or the beginning of the data's hours.
        last_rows: When the last row came; None where none came.
        interval_seconds: From one sweep to the next.
        problem: Why the last sweep failed, where it did.
    """

    since: Moment
    last_rows: Moment | None
    interval_seconds: int
    problem: str | None


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
        wanted: Registrations of the plan.
        short_since: Since when less than half of the plan is confirmed; None where it is not so.
        delivery: What the registrations deliver from which data are due.
        sweeps: The sweeps; None where there is nothing to sweep yet.
        last_data: When the last record of whatever kind came; None where none came.
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
    wanted: int
    short_since: Moment | None
    delivery: Delivery
    sweeps: Sweeps | None
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
    fault = _fault(facts, now)
    if fault:
        return Readiness(False, fault)
    if not facts.phase.delivers_trades:
        return Readiness(True, f"connected ({facts.phase.value})")
    return Readiness(True, "recording")


def _fault(facts: Facts, now: Moment) -> str:
    """Returns what is wrong with the data of a connection that stands; empty where nothing is."""
    if facts.short_since is not None and _OPENING.exhausted(facts.short_since, now):
        return f"external: too few registrations are confirmed: {facts.confirmed} of {facts.wanted}"
    if facts.phase.delivers_trades:
        delivery = facts.delivery
        last = delivery.last if delivery.expected else facts.last_data
        since = facts.ready_since if last is None else latest(last, facts.ready_since)
        if _DATA.exhausted(since, now):
            return "external: connected, but no data come"
        if delivery.due >= _FEWEST_DUE and delivery.recent < _FAIR_SHARE * delivery.due:
            return f"external: too few registrations deliver: {delivery.recent} of {delivery.due}"
    return "" if facts.sweeps is None else _late(facts.sweeps, now)


def _late(sweeps: Sweeps, now: Moment) -> str:
    since = sweeps.since if sweeps.last_rows is None else latest(sweeps.since, sweeps.last_rows)
    if not Patience(_SWEEPS * sweeps.interval_seconds, 15).exhausted(since, now):
        return ""
    return "external: sweeps bring no rows" + ("" if sweeps.problem is None else f": {sweeps.problem}")
