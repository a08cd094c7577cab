"""The execution contracts of the running container, verified again and again.

Invariant: a verification that fails, hangs or is missing changes neither readiness nor intake; it is told as
what it is, and its results vanish when they are too old to say anything about now. A failure of broker,
database or network is told apart from a broken contract.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from observer_collector.contracts.verification import Answer, Problem, Verification, verify
from observer_collector.moments import Moment
from observer_core.clock import Clock, kst_datetime
from observer_core.logs import logger
from observer_core.settings import Settings

_NANOSECONDS = 1_000_000_000
_INTERVAL_SECONDS = 60
_LIMIT_SECONDS = 30.0
# The process listens before it is asked whether it does.
_FIRST_SECONDS = 5
_MOST_MISSED = 3
_MOST_SHOWN = 20
_CRITICAL = "critical"

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often to verify.

    Attributes:
        seconds: Real seconds from one verification to the next; 0 for none.
        reason: Why there is none.
    """

    seconds: int
    reason: str = ""


def cadence_of(settings: Settings, clock: Clock) -> Cadence:
    """Returns how often the settings ask for a verification.

    The declaration describes a pod. On a developer's machine, which has other paths and no mounts, a
    verification would only say so; on a virtual day a real minute is hours.
    """
    chosen = settings.collector.contract_interval_seconds
    if chosen is not None:
        reason = "" if chosen else "OBSERVER_CONTRACT_INTERVAL_SECONDS is 0"
        return Cadence(chosen, reason)
    if not settings.pod.pod_namespace:
        return Cadence(0, "this process does not run in a pod (POD_NAMESPACE is not set)")
    if clock.is_virtual:
        return Cadence(0, "the clock is virtual")
    return Cadence(_INTERVAL_SECONDS)


class ContractWatch:
    """The repeated verification of one process.

    Args:
        command: What verifies and prints JSON; empty where this process has no such command.
        cadence: How often.
        clock: The process's clock.
    """

    def __init__(self, command: Sequence[str], cadence: Cadence, clock: Clock) -> None:
        self._command = tuple(command)
        self._cadence = cadence if command else Cadence(0, "this process was started without the command")
        self._clock = clock
        self._last: Verification | None = None
        self._finished = Moment(0, 0)
        self._seconds = 0.0
        self._completed = 0
        self._failed = 0
        self._problem = ""

    async def run(self) -> None:
        """Verifies until cancelled."""
        interval = self._cadence.seconds
        if not interval:
            return
        await asyncio.sleep(min(_FIRST_SECONDS, interval))
        while True:
            started_ns = self._clock.monotonic_ns()
            await self._verify(started_ns)
            took = (self._clock.monotonic_ns() - started_ns) / _NANOSECONDS
            await asyncio.sleep(max(0.0, interval - took))

    async def _verify(self, started_ns: int) -> None:
        try:
            outcome = await verify(self._command, seconds=_LIMIT_SECONDS)
        except Exception as error:  # noqa: BLE001 - no defect of the verification may end it for good
            outcome = Problem(f"the verification broke ({type(error).__name__})")
        if isinstance(outcome, Problem):
            self._failed += 1
            if outcome.reason != self._problem:
                _log.warning("The execution contracts could not be verified.", reason=outcome.reason)
            self._problem = outcome.reason
            return
        self._tell_changes(outcome)
        self._last, self._problem = outcome, ""
        self._finished = Moment.now(self._clock)
        self._seconds = (self._finished.real_ns - started_ns) / _NANOSECONDS
        self._completed += 1

    def _tell_changes(self, outcome: Verification) -> None:
        before = {found.rule for found in self._last.broken} if self._last else set()
        for found in outcome.broken:
            if found.rule not in before:
                _log.error("An execution contract is broken.", **asdict(found))
        for rule in sorted(before - {found.rule for found in outcome.broken}):
            _log.info("An execution contract holds again.", rule=rule)

    def current(self) -> Verification | None:
        """Returns the last verification; None where there is none, or it is too old."""
        age = (self._clock.monotonic_ns() - self._finished.real_ns) / _NANOSECONDS
        fresh = age <= _MOST_MISSED * self._cadence.seconds + _LIMIT_SECONDS
        return self._last if fresh else None

    def breaches(self) -> tuple[str, ...]:
        """Returns the critical contracts that are broken now, as `RULE object: what was seen`."""
        current = self.current()
        broken = current.broken if current else ()
        return tuple(f"{f.rule} {f.object}: {f.observed}" for f in broken if f.severity == _CRITICAL)

    def status(self) -> dict[str, Any]:
        """Returns the state as plain values."""
        if not self._cadence.seconds:
            return {"verified": False, "reason": self._cadence.reason}
        current = self.current()
        said: dict[str, Any] = {
            "verified": current is not None,
            "reason": self._problem or ("" if current else "not verified yet"),
            "interval_seconds": self._cadence.seconds,
            "completed": self._completed,
            "failed": self._failed,
        }
        if current is None:
            return said
        return said | {
            "verified_at": kst_datetime(self._finished.clock_ns).isoformat(),
            "seconds": round(self._seconds, 3),
            "results": _by_status(current),
            "worst": min(current.rules.values(), key=list(Answer).index, default=Answer.PASS).value,
            "rules": {rule: answer.value for rule, answer in sorted(current.rules.items())},
            "broken": [asdict(found) for found in current.broken[:_MOST_SHOWN]],
            "external": [asdict(found) for found in current.external[:_MOST_SHOWN]],
        }

    def metrics(self) -> Iterator[Metric]:
        """Yields the state for Prometheus."""
        yield GaugeMetricFamily(
            "observer_contract_verification_interval_seconds",
            "Time from one verification of the execution contracts to the next; 0 where there is none",
            value=self._cadence.seconds,
        )
        if not self._cadence.seconds:
            return
        runs = CounterMetricFamily(
            "observer_contract_verifications",
            "Verifications of the execution contracts; a failed one has no results",
            labels=["outcome"],
        )
        runs.add_metric(["completed"], self._completed)
        runs.add_metric(["failed"], self._failed)
        yield runs
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        yield CounterMetricFamily(
            "observer_contract_verification_cpu_seconds",
            "Processor time that verifications have used",
            value=spent.ru_utime + spent.ru_stime,
        )
        yield GaugeMetricFamily(
            "observer_contract_verification_timestamp_seconds",
            "When the last verification was complete; 0 before the first one",
            value=self._finished.clock_ns / _NANOSECONDS,
        )
        yield GaugeMetricFamily(
            "observer_contract_verification_duration_seconds",
            "How long the last complete verification took",
            value=self._seconds,
        )
        yield from self._results()

    def _results(self) -> Iterator[Metric]:
        results = GaugeMetricFamily(
            "observer_contract_results",
            "Results of the last verification; EXTERNAL is a failure of broker, database or network",
            labels=["contract", "status"],
        )
        broken = GaugeMetricFamily(
            "observer_contract_rule_failures",
            "Objects that break a rule; a rule without a series is not seen to be broken",
            labels=["rule", "contract", "severity"],
        )
        current = self.current()
        if current is not None:
            for contract in sorted({contract for contract, _ in current.counts}):
                for answer in Answer:
                    number = current.counts.get((contract, answer), 0)
                    results.add_metric([contract, answer.value], number)
            # The severity of a rule may differ between its objects' sources only; here there is one source.
            failing = {(found.rule, found.contract, found.severity) for found in current.broken}
            for rule, contract, severity in sorted(failing):
                number = sum(found.rule == rule for found in current.broken)
                broken.add_metric([rule, contract, severity], number)
        yield from (results, broken)


def _by_status(current: Verification) -> dict[str, int]:
    found = {
        answer.value: sum(number for (_, state), number in current.counts.items() if state is answer)
        for answer in Answer
    }
    return {status: number for status, number in found.items() if number}
