"""Nothing that was traded, and was for us to record, is lost for good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from observer_pipeline.checks.verdict import Offender, Severity, Verdict

_SHOWN = 50
# A dropped line costs tens of seconds of some symbols. A hundredth of a day's shares is minutes of all of
# them at the opening or the close: research on that day has to know.
_ERROR_PERCENT = 1.0


def nothing_missing(
    missing: Mapping[str, int],
    *,
    traded: int,
    silent_hours: Sequence[int],
    reasons: Mapping[str, int],
    known: bool = False,
) -> Verdict:
    """Judges that every share that was for us to record is there, and that no hour is without any record.

    Args:
        missing: Symbol -> shares that nobody has.
        traded: Shares that were for us to record, of all symbols, as far as records and the broker tell.
        silent_hours: Trading hours that are over and of which nothing was recorded: a hole is known by the
            trade after it, so that their shares are in no account until the broker has stated the day's.
        reasons: Reason -> missing shares: a reason says whom to ask, and takes nothing back.
        known: Whether the broker has stated the day's volume of every symbol.
    """
    total = sum(missing.values())
    percent = 100 * total / traded if traded else 0.0
    worst = sorted(missing.items(), key=lambda one: (-one[1], one[0]))[:_SHOWN]
    hours = [f"{hour:02d}:00" for hour in silent_hours]
    offenders: list[Offender] = [{"symbol": "every", "hour": hour, "missing_volume": -1} for hour in hours]
    offenders += [{"symbol": symbol, "hour": "", "missing_volume": shares} for symbol, shares in worst]
    told = _told(missing, traded, reasons)
    if hours:
        rest = "" if known else " What was traded then is not known. Of the rest:"
        told = f"Nothing was recorded in {', '.join(hours)}.{rest} {told}"
    return Verdict(
        passed=not missing and not silent_hours,
        severity=Severity.ERROR if percent > _ERROR_PERCENT else Severity.WARN,
        bound=f"0 shares missing, 0 hours silent; an error above {_ERROR_PERCENT:g} % missing",
        observed=f"{total:,} shares missing ({percent:.4f} %), {len(hours)} hours silent",
        offenders=offenders,
        reason=told,
    )


def _told(missing: Mapping[str, int], traded: int, reasons: Mapping[str, int]) -> str:
    if not traded:
        return "Nothing was traded yet, as far as records tell."
    if not missing:
        return f"All {traded:,} shares that were for us to record are there."
    why = ", ".join(f"{reason} {shares:,}" for reason, shares in reasons.items())
    return f"{sum(missing.values()):,} of {traded:,} shares of {len(missing)} symbols are missing ({why})."
