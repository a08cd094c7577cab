"""Nothing that was traded is lost for good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from observer_pipeline.checks.verdict import Offender, Severity, Verdict

_SHOWN = 50


def nothing_missing(missing: Mapping[str, int], *, traded: int, silent_hours: Sequence[int]) -> Verdict:
    """Judges that every share traded in a hole was filled in, and that no hour is without any record.

    Args:
        missing: Symbol -> shares that nobody has.
        traded: Shares that were traded, of all symbols, as far as records tell.
        silent_hours: Trading hours that are over and of which nothing was recorded: a hole is known by the
            trade after it, so that their shares are in no account.
    """
    total = sum(missing.values())
    worst = sorted(missing.items(), key=lambda one: (-one[1], one[0]))[:_SHOWN]
    hours = [f"{hour:02d}:00" for hour in silent_hours]
    offenders: list[Offender] = [{"symbol": "every", "hour": hour, "missing_volume": -1} for hour in hours]
    offenders += [{"symbol": symbol, "hour": "", "missing_volume": shares} for symbol, shares in worst]
    told = (
        f"{total:,} of {traded:,} shares of {len(missing)} symbols are missing."
        if missing
        else f"All {traded:,} shares that were traded are there."
    )
    if hours:
        lost = ", ".join(hours)
        told = f"Nothing was recorded in {lost}: what was traded then is not known. Of the rest: {told}"
    return Verdict(
        passed=not missing and not silent_hours,
        severity=Severity.WARN,
        bound="0 shares missing, 0 hours silent",
        observed=f"{total:,} shares missing, {len(hours)} hours silent",
        offenders=offenders,
        reason=told,
    )
