"""What the collector says about itself.

Invariant: everything here is read from the parts that do the work, at the moment of the question;
nothing is counted twice, and nothing is secret.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from observer_collector.contracts.watch import ContractWatch
from observer_collector.http.readiness import Facts, Readiness, judge
from observer_collector.lock import WriterLock
from observer_collector.market_hours import MarketHours
from observer_collector.moments import Moment
from observer_collector.recording.intake import Intake
from observer_collector.session.connection import ConnectionState
from observer_collector.session.session import Session
from observer_collector.session.slot import Slot, SlotState
from observer_core.brokers.kis.tokens import TokenStore
from observer_core.clock import Clock, kst_datetime
from observer_core.market.calendar import Phase
from observer_core.settings import Paths

ROLES = ("writer", "standby", "recovering")


@dataclass(slots=True)
class Service:
    """The parts of the process, as far as they exist yet.

    Attributes:
        clock: The process's clock.
        paths: Where everything lies.
        hours: The market's hours.
        lock: The writer's lock.
        tokens: The token cache.
        started: When the process started.
        intake: The writer's work; None in a standby and during recovery.
        stopping: Whether the process is about to end.
        contracts: The repeated verification of the execution contracts; None where there is none.
        breaches: Returns the critical contracts that the running deployment breaks.
        phase: Phase of the market when it was last looked at.
        phase_since: Since when.
    """

    clock: Clock
    paths: Paths
    hours: MarketHours
    lock: WriterLock
    tokens: TokenStore
    started: Moment
    intake: Intake | None = None
    stopping: bool = False
    contracts: ContractWatch | None = None
    breaches: Callable[[], tuple[str, ...]] = tuple
    phase: Phase = Phase.CLOSED
    phase_since: Moment = field(default_factory=lambda: Moment(0, 0))

    def readiness(self) -> Readiness:
        """Returns whether the process is ready, and why."""
        now = Moment.now(self.clock)
        return judge(self.facts(now), now)

    def role(self) -> str:
        """Returns `writer`, `standby` or `recovering`."""
        if not self.lock.held:
            return "standby"
        return "recovering" if self.intake is None else "writer"

    def status(self) -> dict[str, Any]:
        """Returns the status as plain values."""
        readiness = self.readiness()
        token = self.tokens.token_state()
        status: dict[str, Any] = {
            "role": self.role(),
            "ready": readiness.ready,
            "reason": readiness.reason,
            "writer": self.lock.holder(),
            "time": self.clock.now().isoformat(),
            "virtual_time": self.clock.is_virtual,
            "phase": self.phase.value,
            "token_expires_at": None if token is None else token.expires_at.isoformat(),
        }
        if self.contracts is not None:
            status["contracts"] = self.contracts.status()
        if self.intake is not None:
            status |= _of_intake(self.intake)
        return status

    def observe_phase(self) -> None:
        """Notes a change of the market's phase."""
        now = Moment.now(self.clock)
        phase = self.hours.phase(now.clock_ns)
        if phase is not self.phase:
            self.phase, self.phase_since = phase, now

    def facts(self, now: Moment) -> Facts:
        """Returns what readiness is judged by."""
        self.observe_phase()
        intake = self.intake
        connection = None if intake is None else intake.connection
        opened = self.started if connection is None else connection.opened_at or self.started
        last = None if intake is None else intake.recorder.last_data
        planner = None if intake is None else intake.planner
        session = None if connection is None else connection.session
        refusal = None
        if connection is not None and connection.refused:
            refusal = connection.problem
        return Facts(
            standby=not self.lock.held,
            stopping=self.stopping,
            recovering=intake is None,
            journal=() if intake is None else tuple(t.writer.state for t in intake.journals.tracks.values()),
            phase=self.phase,
            data_due=self.hours.has_data(now.clock_ns),
            universe_missing=None if planner is None or planner.universe else planner.waiting_for,
            refusal=refusal,
            problem=None if connection is None else connection.problem,
            confirmed=0 if session is None else states(session)[SlotState.CONFIRMED],
            last_data=None if last is None else Moment(last.wall_ns, last.mono_ns),
            ready_since=max(self.started, opened, self.phase_since),
        )


def states(session: Session) -> Counter[SlotState]:
    """Returns how many registrations are in each state."""
    return Counter(slot.state for slot in session.slots.values())


def _of_intake(intake: Intake) -> dict[str, Any]:
    connection, sweeper, planner = intake.connection, intake.sweeper, intake.planner
    universe = planner.universe
    session = connection.session
    return {
        "session": {
            "state": connection.state.value,
            "epoch": intake.recorder.epoch,
            "connections": connection.opened,
            "problem": connection.problem,
            "waiting_for_disk": connection.waiting_for_disk,
            "registrations": {} if session is None else {s.value: n for s, n in states(session).items()},
            "capacity": None if session is None else session.capacity,
            "connects_in_the_hour": connection.budget.used,
            "connects_allowed": connection.budget.per_hour,
        },
        "watching": slots_in_force(intake),
        "settings": {"problem": intake.reloading.problem, "reloads": intake.reloading.reloads},
        "unknown": {
            "channels": dict(intake.recorder.unknown.channels),
            "widths": {f"{c} {width}": n for (c, width), n in intake.recorder.unknown.widths.items()},
        },
        "slots": [] if session is None else [_of_slot(intake, slot) for slot in session.slots.values()],
        "journal": {
            track.value: {
                "state": journal.writer.state.value,
                "lines": journal.writer.lines,
                "bytes": journal.writer.bytes,
                "segments_sealed": journal.writer.sealed,
                "backlog_bytes": journal.writer.backlog_bytes,
                "unsynced_seconds": round(journal.writer.unsynced_seconds(), 3),
                "longest_unsynced_seconds": round(journal.writer.durability.longest_seconds, 3),
            }
            for track, journal in intake.journals.tracks.items()
        },
        "universe": {
            "day": None if universe is None else universe.day.isoformat(),
            "symbols": 0 if universe is None else universe.size,
            "fallback": planner.fallback,
            "waiting_for": None if planner.waiting_for is None else planner.waiting_for.isoformat(),
        },
        "sweeps": {
            "rows": sweeper.rows,
            "failed_requests": sweeper.failed_requests,
            "skipped": sweeper.skipped,
            "problem": sweeper.problem,
            "last": None if sweeper.last is None else sweeper.last.payload(),
            **{outcome.value: number for outcome, number in sweeper.sweeps.items()},
        },
        "counters": counters(intake),
    }


def slots_in_force(intake: Intake) -> dict[str, Any]:
    """Returns who is watched and why, and which signals found no place."""
    slots = intake.slots
    return {
        "symbols": {
            symbol: {"cause": hold.cause.value, "since": kst_datetime(hold.since_ns).isoformat()}
            for symbol, hold in slots.planner.holds.items()
        },
        "overflow": [
            {"symbol": one.symbol, "cause": one.cause.value, "strength": round(one.strength, 2)}
            for one in slots.overflow
        ],
        "signals": slots.signals,
        "changes": slots.changes,
        "asked": {look.look.name: {"answered": look.look.asked, "failed": look.look.failed}
                  for look in intake.signals},
    }  # fmt: skip


def counters(intake: Intake) -> dict[str, int]:
    """Returns what this process has counted since its start."""
    recorder = intake.recorder
    accounts = [account for _, _, account in intake.journals.continuity.accounts()]
    return {
        "records_journaled": intake.records,
        "scalp_records": recorder.records,
        "swing_rows": intake.sweeper.rows,
        "messages": recorder.messages,
        "unsplit_frames": recorder.whole_frames,
        "holes": recorder.holes,
        "hole_shares": recorder.hole_shares,
        "hole_alarms": recorder.hole_alarms,
        "holes_healed": intake.backfiller.outcomes["healed"],
        "holes_waiting": intake.backfiller.waiting,
        "volume_resets": recorder.resets,
        "unreadable_trades": intake.journals.continuity.unreadable,
        "duplicate_trades": sum(account.duplicates for account in accounts),
        "contradicting_trades": sum(account.contradictions for account in accounts),
    }


def _of_slot(intake: Intake, slot: Slot) -> dict[str, Any]:
    flow = intake.recorder.flows.of(slot.pair)
    account = intake.journals.continuity.account(slot.pair.channel, slot.pair.symbol)
    return {
        "channel": slot.pair.channel,
        "symbol": slot.pair.symbol,
        "state": slot.state.value,
        "delivering": flow is not None,
        "reason": slot.reason,
        "records": 0 if flow is None else flow.records,
        "per_second": 0.0 if flow is None else round(flow.per_second, 2),
        "last_data": None if flow is None else kst_datetime(flow.last_ns).isoformat(),
        "continuity": None if account is None else asdict(account),
    }


def connection_open(intake: Intake) -> bool:
    """Returns whether there is a connection to the broker."""
    return intake.connection.state is ConnectionState.OPEN
