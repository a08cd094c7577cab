"""What the collector says about itself.

Invariant: everything here is read from the parts that do the work, at the moment of the question;
nothing is counted twice, and nothing is secret.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import Any

from observer_collector.contracts.watch import ContractWatch
from observer_collector.http.intake_status import of_intake, states
from observer_collector.http.readiness import Facts, Readiness, Sweeps, judge
from observer_collector.http.volumes import volumes
from observer_collector.lock import WriterLock
from observer_collector.market_hours import MarketHours
from observer_collector.moments import Moment, latest
from observer_collector.recording.intake import Intake
from observer_collector.session.slot import SlotState
from observer_collector.session.watch import Delivery
from observer_collector.supervision import Helpers
from observer_core.brokers.kis.tokens import TokenStore
from observer_core.clock import Clock
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
        helpers: What works beside the recording.
        intake: The writer's work; None in a standby and during recovery.
        stopping: Whether the process is about to end.
        contracts: The repeated verification of the execution contracts; None where there is none.
        breaches: Returns the critical contracts that the running deployment breaks.
        backs_up: Whether a backup target is named.
        phase: Phase of the market when it was last looked at.
        phase_since: Since when.
        due: Whether data were due when it was last looked at.
        due_since: Since when it is so.
    """

    clock: Clock
    paths: Paths
    hours: MarketHours
    lock: WriterLock
    tokens: TokenStore
    started: Moment
    helpers: Helpers
    intake: Intake | None = None
    stopping: bool = False
    contracts: ContractWatch | None = None
    breaches: Callable[[], tuple[str, ...]] = tuple
    backs_up: bool = False
    phase: Phase = Phase.CLOSED
    phase_since: Moment = field(default_factory=lambda: Moment(0, 0))
    due: bool = False
    due_since: Moment = field(default_factory=lambda: Moment(0, 0))

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
        now = self.clock.now()
        status: dict[str, Any] = {
            "name": self.lock.name,
            "version": metadata.version("observer"),
            "role": self.role(),
            "ready": readiness.ready,
            "reason": readiness.reason,
            "writer": self.lock.holder(),
            "time": now.isoformat(),
            "virtual_time": self.clock.is_virtual,
            "phase": self.phase.value,
            "market": self._market(Moment.now(self.clock)),
            "token_expires_at": None if token is None else token.expires_at.isoformat(),
            "token_issued_at": None if token is None else token.issued_at.isoformat(),
            "token_age_seconds": None if token is None else int((now - token.issued_at).total_seconds()),
            "helpers": self.helpers.status(),
            "volumes": {volume.name: asdict(volume) for volume in volumes(self.paths)},
        }
        if self.contracts is not None:
            status["contracts"] = self.contracts.status()
        if self.intake is not None:
            status |= of_intake(self.intake, self.clock)
        return status

    def _market(self, now: Moment) -> dict[str, Any]:
        starts, ends = self.hours.window(now.clock_ns)
        return {
            "phase": self.phase.value,
            "data_due": self.hours.has_data(now.clock_ns),
            "data_from": starts.isoformat(),
            "data_to": ends.isoformat(),
        }

    def observe_phase(self) -> None:
        """Notes a change of the market's phase."""
        now = Moment.now(self.clock)
        phase = self.hours.phase(now.clock_ns)
        if phase is not self.phase:
            self.phase, self.phase_since = phase, now
        due = self.hours.has_data(now.clock_ns)
        if due is not self.due:
            self.due, self.due_since = due, now

    def _sweeps(self) -> Sweeps | None:
        sweeper = None if self.intake is None else self.intake.sweeper
        if sweeper is None or sweeper.adopted is None:
            return None
        since = latest(self.started, sweeper.adopted, self.due_since)
        return Sweeps(since, sweeper.last_rows, sweeper.interval_seconds, sweeper.problem)

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
            wanted=0 if session is None else session.wanted,
            short_since=None if session is None else session.short_since,
            delivery=Delivery() if session is None else session.delivery(now),
            sweeps=self._sweeps(),
            last_data=None if last is None else Moment(last.wall_ns, last.mono_ns),
            ready_since=latest(self.started, opened, self.phase_since),
        )
