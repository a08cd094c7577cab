"""Nothing that was traded is lost for good."""

from __future__ import annotations

from collections.abc import Mapping

from observer_pipeline.checks.verdict import Severity, Verdict

_SHOWN = 50


def nothing_missing(missing: Mapping[str, int], *, traded: int) -> Verdict:
    """Judges that every share traded in a hole was filled in.

    Args:
        missing: Symbol -> shares that nobody has.
        traded: Shares that were traded, of all symbols.
    """
    total = sum(missing.values())
    worst = sorted(missing.items(), key=lambda one: (-one[1], one[0]))[:_SHOWN]
    return Verdict(
        passed=not missing,
        severity=Severity.WARN,
        bound=0,
        observed=total,
        offenders=[{"symbol": symbol, "missing_volume": shares} for symbol, shares in worst],
        reason=f"{total:,} of {traded:,} shares of {len(missing)} symbols are missing."
        if missing
        else f"All {traded:,} shares that were traded are there.",
    )
