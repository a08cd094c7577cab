"""A day agrees with the broker's own figures, or every difference has a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from observer_core.accounting.compared import Outcome, Reconciled
from observer_core.accounting.reconciliation import share_explained
from observer_pipeline.checks.verdict import Offender, Severity, Verdict

_SHOWN = 50


def figures_stated(unanswered: Mapping[str, str], *, asked: int) -> Verdict:
    """Judges that the broker answered.

    Args:
        unanswered: Symbol and venue -> why there are no figures.
        asked: Symbols and venues that were asked for.
    """
    return Verdict(
        passed=not unanswered,
        severity=Severity.WARN,
        bound=asked,
        observed=asked - len(unanswered),
        offenders=[
            {"symbol_and_venue": pair, "why": why} for pair, why in sorted(unanswered.items())[:_SHOWN]
        ],
        reason=f"external: the broker stated no figures for {len(unanswered)} of {asked} symbols and venues."
        if unanswered
        else f"The broker stated its figures for all {asked} symbols and venues.",
    )


def official_figures_agree(compared: Sequence[Reconciled]) -> Verdict:
    """Judges that each symbol's day is the broker's, or differs for a recorded reason.

    Args:
        compared: The comparisons of a day.
    """
    faults = [one for one in compared if one.outcome is Outcome.UNEXPLAINED]
    waiting = [one for one in compared if one.outcome is Outcome.NOT_ANSWERED]
    explained = sum(one.outcome is Outcome.EXPLAINED for one in compared)
    agreeing = len(compared) - len(faults) - len(waiting) - explained
    told = f"{agreeing} agree, {explained} differ for recorded reasons"
    if len(waiting) < len(compared):
        told += f", {share_explained(compared):.4%} of the shares explained"
    return Verdict(
        passed=not faults and not waiting,
        severity=Severity.ERROR if faults else Severity.WARN,
        bound=0,
        observed=len(faults),
        offenders=[_offender(one) for one in (faults or waiting)[:_SHOWN]],
        reason=_reason(len(faults), len(waiting), told),
    )


def _reason(faults: int, waiting: int, told: str) -> str:
    if faults:
        return f"{faults} symbols and venues differ from the broker's figures without a reason; {told}."
    if waiting:
        return f"external: nothing to compare {waiting} symbols and venues with; {told}."
    return f"Every figure is the broker's or has its reason: {told}."


def _offender(one: Reconciled) -> Offender:
    differing = [two for two in one.differences if two.reason is None]
    return {
        "symbol": one.symbol,
        "venue": one.venue,
        "official_volume": -1 if one.official is None else one.official,
        "captured_volume": one.captured,
        "unexplained_volume": one.unexplained,
        "differs": ", ".join(f"{two.figure} {two.ours} for {two.official}" for two in differing),
    }
