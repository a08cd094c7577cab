"""What Dagster shows of an evaluation.

Invariant: every evaluation of every check, whatever made it and also where nothing could be evaluated, is
made here and says what was promised (`bound`), what was seen (`observed`) and, where single things break the
promise, which (`offenders`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dagster as dg

from observer_pipeline.checks.verdict import Offender, Scalar, Severity
from observer_pipeline.failures import describe

# An evaluation is stored with each run.
_MOST_SHOWN = 50
_SEVERITIES = {Severity.WARN: dg.AssetCheckSeverity.WARN, Severity.ERROR: dg.AssetCheckSeverity.ERROR}

_Shown = dg.MetadataValue | Scalar


def check_result(
    key: dg.AssetCheckKey,
    *,
    passed: bool,
    severity: Severity,
    reason: str,
    bound: Scalar,
    observed: Scalar,
    offenders: Sequence[Offender] = (),
    more: Mapping[str, _Shown] | None = None,
) -> dg.AssetCheckResult:
    """Returns an evaluation as Dagster stores it.

    Args:
        key: The check.
        passed: Whether the promise holds.
        severity: How bad it is where it does not.
        reason: One sentence for the operator.
        bound: What was promised, in words or as a number.
        observed: What was seen, in the same unit.
        offenders: The rows that break the promise, the worst first; some of them are shown.
        more: What else is worth knowing, such as the cause of a failure.
    """
    metadata: dict[str, _Shown] = {"bound": bound, "observed": observed}
    if offenders:
        metadata["offenders"] = _table(offenders[:_MOST_SHOWN])
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=passed,
        severity=_SEVERITIES[severity],
        description=reason,
        metadata={**metadata, **(more or {})},
    )


def failed_by(
    key: dg.AssetCheckKey,
    error: BaseException,
    *,
    severity: Severity,
    reason: str,
    bound: Scalar,
    observed: Scalar,
    more: Mapping[str, _Shown] | None = None,
) -> dg.AssetCheckResult:
    """Returns an evaluation that failed because of an error: the error is the one that offends.

    Args:
        key: The check.
        error: What went wrong.
        severity: How bad it is.
        reason: One sentence for the operator.
        bound: What was promised.
        observed: What there was instead.
        more: What else is worth knowing.
    """
    told = describe(error)
    offender = {name: str(value.value) for name, value in told.items()}
    return check_result(
        key,
        passed=False,
        severity=severity,
        reason=reason,
        bound=bound,
        observed=observed,
        offenders=[offender],
        more={**told, **(more or {})},
    )


def _table(rows: Sequence[Offender]) -> dg.MetadataValue:
    """Returns rows of one or of several kinds as a table that has the columns of all."""
    columns = {name: "" for row in rows for name in row}
    return dg.MetadataValue.table([dg.TableRecord({**columns, **row}) for row in rows])
