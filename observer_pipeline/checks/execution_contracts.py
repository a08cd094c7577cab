"""The execution contracts as asset checks: one check for each contract and kind of evidence.

Invariant: a verdict is a pure function of results. FAIL fails the check; no evidence fails it as a warning,
for it is never green; a broker or network that failed is shown as a state of its own and breaks nothing,
but the check about the broker itself. The checks are made from the catalogue, so that no rule is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import dagster as dg

from observer_contracts.catalogue import RULES
from observer_contracts.model import Contract, Result, Source, Status
from observer_contracts.model import Severity as RuleSeverity
from observer_pipeline import keys
from observer_pipeline.checks.results import check_result
from observer_pipeline.checks.verdict import Severity

Since = Mapping[Result, datetime]

_SEVERE = frozenset({RuleSeverity.CRITICAL, RuleSeverity.HIGH})
_BOUND = "no rule fails, and each has its evidence"
_MOST_ROWS = 50
REPORT_CHECK = dg.AssetCheckSpec(
    name="no_contract_broken",
    asset=keys.CONTRACT_REPORT,
    description="No rule of the catalogue fails, whatever kind of evidence it looked at; what nobody could "
    "look at is left to the checks of that evidence.",
)
_WHAT = {
    Source.MANIFESTS: "the rendered manifests",
    Source.REPOSITORY: "the repository and its history",
    Source.RUNTIME: "the running container",
    Source.LIVE: "the cluster's API",
}
_COLUMNS = ("state", "rule", "severity", "object", "expected", "observed", "since", "remedy")


def contracts_of(source: Source) -> list[Contract]:
    """Returns the contracts about which a kind of evidence says something."""
    present = {rule.contract for rule in RULES if source in rule.checks}
    return [contract for contract in Contract if contract in present]


def check_name(contract: Contract) -> str:
    """Returns the name of a contract's check."""
    return contract.value.replace("-", "_")


def check_specs(source: Source) -> Iterator[dg.AssetCheckSpec]:
    """Yields the checks of a kind of evidence."""
    for contract in contracts_of(source):
        rules = [rule for rule in RULES if rule.contract is contract and source in rule.checks]
        titles = "; ".join(f"{rule.id} {rule.title}" for rule in rules)
        yield dg.AssetCheckSpec(
            name=check_name(contract),
            asset=keys.evidence(source),
            description=f"The contract `{contract.value}`, by {_WHAT[source]}: {titles}.",
        )


def judged(
    source: Source, results: Sequence[Result], since: Since, *, obstacle: str = ""
) -> Iterator[dg.AssetCheckResult]:
    """Yields the verdict on each contract.

    Args:
        source: The kind of evidence.
        results: Its results.
        since: Since when a result has held, where that is known.
        obstacle: Why the evidence could not be looked at; empty where it could.
    """
    for contract in contracts_of(source):
        own = [result for result in results if result.rule.contract is contract]
        if obstacle:
            yield _unevaluated(source, contract, obstacle)
        else:
            yield _verdict(source, contract, own, since)


def _unevaluated(source: Source, contract: Contract, obstacle: str) -> dg.AssetCheckResult:
    return check_result(
        dg.AssetCheckKey(keys.evidence(source), check_name(contract)),
        passed=False,
        severity=Severity.WARN,
        reason=f"The contract could not be evaluated: {obstacle}",
        bound=_BOUND,
        observed="not evaluated",
        offenders=[{"evidence": source.value, "obstacle": obstacle}],
    )


def _verdict(
    source: Source, contract: Contract, results: Sequence[Result], since: Since
) -> dg.AssetCheckResult:
    counts = Counter(result.status for result in results)
    return _result(
        dg.AssetCheckKey(keys.evidence(source), check_name(contract)),
        results,
        [result for result in results if result.status is not Status.PASS],
        since,
        passed=not counts[Status.FAIL] and not _without_evidence(contract, counts),
    )


def overall(results: Sequence[Result], since: Since) -> dg.AssetCheckResult:
    """Returns the verdict on all contracts together."""
    failing = [result for result in results if result.status is Status.FAIL]
    return _result(REPORT_CHECK.key, results, failing, since, passed=bool(results) and not failing)


def _result(
    key: dg.AssetCheckKey, results: Sequence[Result], shown: Sequence[Result], since: Since, *, passed: bool
) -> dg.AssetCheckResult:
    counts = Counter(result.status for result in results)
    failing = [result for result in results if result.status is Status.FAIL]
    severe = any(result.severity in _SEVERE for result in failing)
    states = {state.value.lower(): counts[state] for state in Status if counts[state]}
    return check_result(
        key,
        passed=passed,
        severity=Severity.ERROR if severe else Severity.WARN,
        reason=_sentence(counts, failing),
        bound=_BOUND,
        observed=", ".join(f"{count} {state}" for state, count in states.items()) or "no evidence",
        offenders=[_row(result, since) for result in shown],
        more=states,
    )


def _without_evidence(contract: Contract, counts: Counter[Status]) -> bool:
    external = contract is Contract.EXTERNAL and counts[Status.EXTERNAL] > 0
    return counts[Status.UNKNOWN] > 0 or not counts or external


def _sentence(counts: Counter[Status], failing: Sequence[Result]) -> str:
    if failing:
        worst = failing[0]
        more = f" and {len(failing) - 1} more" if len(failing) > 1 else ""
        return f"{worst.rule.id} at {worst.finding.object}: {worst.finding.observed}{more}."
    if counts[Status.UNKNOWN] or not counts:
        return "There is no evidence for a part of the contract."
    if counts[Status.EXTERNAL]:
        return "The contract holds; something outside of it failed."
    warnings = counts[Status.WARN]
    return f"The contract holds, with {warnings} warnings." if warnings else "The contract holds."


def table(results: Sequence[Result], since: Since) -> dg.TableMetadataValue:
    """Returns results as a table, the worst first."""
    rows = [dg.TableRecord(_row(result, since)) for result in results[:_MOST_ROWS]]
    return dg.MetadataValue.table(rows, schema=dg.TableSchema([dg.TableColumn(name) for name in _COLUMNS]))


def _row(result: Result, since: Since) -> dict[str, str]:
    told = (
        result.status.value,
        result.rule.id,
        result.severity.value,
        result.finding.object,
        result.finding.expected,
        result.finding.observed,
        _shown(since.get(result)),
        result.remedy,
    )
    return dict(zip(_COLUMNS, told, strict=True))


def _shown(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M} {moment.tzname()}"
