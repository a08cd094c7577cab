"""A promise about data, and how a table of promises becomes asset checks.

Invariant: a check's body never raises: what cannot be evaluated is a failed evaluation that shows the
error (Dagster stores nothing for a check that raises, and the page would keep its last green). The
step that evaluates a table is one step, because each step of a run costs the database a dozen writes.
"""

# Dagster compares the annotation of `context` itself, so annotations are not postponed here.

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import dagster as dg

from observer_core.errors import ExternalError
from observer_pipeline.checks.results import check_result, failed_by
from observer_pipeline.checks.verdict import Severity, Verdict
from observer_pipeline.failures import Cause, cause_of
from observer_pipeline.partitions import day_of, key_of
from observer_pipeline.resources import Deployment

if TYPE_CHECKING:
    from observer_pipeline.checks.evidence import DayEvidence


@dataclass(frozen=True, slots=True)
class Contract:
    """One promise about one asset.

    Attributes:
        name: What is promised, as a name.
        asset: The asset that keeps the promise.
        promise: The bound and the reason for it, for the UI.
        judge: Evaluates it for a trading day; pure but for reading its evidence.
        blocking: Whether a breach keeps downstream assets of the same run from being computed.
        after: Assets that the evaluation reads beside its own.
        of_the_day: Whether it judges the trading day; else it judges the present, and a problem that a later
            evaluation no longer sees is over, of whatever day that one is.
    """

    name: str
    asset: dg.AssetKey
    promise: str
    judge: Callable[["DayEvidence"], Verdict]
    blocking: bool = False
    after: tuple[dg.AssetKey, ...] = ()
    of_the_day: bool = True

    @property
    def spec(self) -> dg.AssetCheckSpec:
        return dg.AssetCheckSpec(
            name=self.name,
            asset=self.asset,
            description=self.promise,
            blocking=self.blocking,
            additional_deps=self.after or None,
        )


def contract_checks(name: str, contracts: Sequence[Contract]) -> dg.AssetChecksDefinition:
    """Returns one step that evaluates a table of contracts for the run's trading day.

    Args:
        name: Name of the step.
        contracts: The table; each check of it can also be run alone.
    """
    by_key = {contract.spec.key: contract for contract in contracts}

    def evaluate(
        context: dg.AssetCheckExecutionContext, deployment: Deployment
    ) -> Iterator[dg.AssetCheckResult]:
        from observer_pipeline.checks.evidence import DayEvidence  # noqa: PLC0415 - loads polars

        day = _trading_day(context, deployment)
        evidence = DayEvidence(deployment, day)
        for key in sorted(context.selected_asset_check_keys, key=lambda key: key.to_user_string()):
            yield evaluated(by_key[key], evidence)

    return dg.multi_asset_check(name=name, specs=[contract.spec for contract in contracts], can_subset=True)(
        evaluate
    )


def evaluated(contract: Contract, evidence: "DayEvidence") -> dg.AssetCheckResult:
    """Evaluates a contract; an error while doing so is a failed evaluation."""
    day = evidence.day if contract.of_the_day else None
    try:
        return result_of(contract.judge(evidence), contract.spec.key, day)
    except Exception as error:  # noqa: BLE001 - see the invariant of this module
        return failed_by(
            contract.spec.key,
            error,
            severity=Severity.WARN if isinstance(error, ExternalError) else Severity.ERROR,
            reason="The contract could not be evaluated.",
            bound=contract.promise,
            observed=f"not evaluated: {cause_of(error).value}",
            more=_judged(day),
        )


def result_of(verdict: Verdict, key: dg.AssetCheckKey, day: date | None) -> dg.AssetCheckResult:
    """Returns what Dagster shows of a verdict on a trading day; None where it is on the present."""
    return check_result(
        key,
        passed=verdict.passed,
        severity=verdict.severity,
        reason=verdict.reason,
        bound=verdict.bound,
        observed=verdict.observed,
        offenders=verdict.offenders,
        more={**_judged(day), **({"cause": Cause.EXTERNAL.value} if verdict.external else {})},
    )


def _judged(day: date | None) -> dict[str, str]:
    return {} if day is None else {"trading_day": key_of(day)}


def _trading_day(context: dg.AssetCheckExecutionContext, deployment: Deployment) -> date:
    """Returns the run's partition; the last trading day where a check is run alone, without one."""
    if context.has_partition_key:
        return day_of(context.partition_key)
    return deployment.last_trading_day()
