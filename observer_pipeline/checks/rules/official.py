"""A day agrees with the broker's own figures, or every difference has a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from observer_core.accounting.compared import Outcome, Reason, Reconciled
from observer_core.accounting.reconciliation import share_explained
from observer_pipeline.checks.verdict import Offender, Severity, Verdict

_SHOWN = 50
# As for `nothing_missing`.
_ERROR_PERCENT = 1.0


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
        external=bool(unanswered),
    )


def official_figures_agree(compared: Sequence[Reconciled]) -> Verdict:
    """Judges that each symbol's day is the broker's, or differs for a recorded reason that is not ours.

    Args:
        compared: The comparisons of a day.
    """
    faults = [one for one in compared if one.outcome is Outcome.UNEXPLAINED]
    waiting = [one for one in compared if one.outcome is Outcome.NOT_ANSWERED]
    out = sorted(
        (one for one in compared if _lost(one)), key=lambda one: (-_lost(one), one.symbol, one.venue)
    )
    lost, traded = sum(map(_lost, out)), sum(one.official or 0 for one in compared)
    percent = 100 * lost / traded if traded else 0.0
    bad = bool(faults) or percent > _ERROR_PERCENT
    ours = [*faults, *(one for one in out if one not in faults)]
    observed = f"{len(faults)} differ without a reason, of {len(compared) - len(waiting)} compared"
    return Verdict(
        # What nobody has compared is never green.
        passed=bool(compared) and not faults and not waiting and not out,
        severity=Severity.ERROR if bad else Severity.WARN,
        bound=f"0 differ without a reason, 0 shares in an outage; an error above {_ERROR_PERCENT:g} %",
        observed=f"{observed}; {lost:,} shares in an outage ({percent:.4f} %)" if lost else observed,
        offenders=[_offender(one) for one in (ours or waiting)[:_SHOWN]],
        reason=_reason(compared, faults=len(faults), waiting=len(waiting), lost=lost),
        external=bool(waiting) and not ours,
    )


def _lost(one: Reconciled) -> int:
    """Returns the shares of the begin or the end of the day that were traded in an outage of ours."""
    return one.reasons.get(Reason.OUTAGE, 0)


def _reason(compared: Sequence[Reconciled], *, faults: int, waiting: int, lost: int) -> str:
    if not compared:
        return "Nothing was compared: no trade of the day is in the lake, and no symbol was selected."
    if waiting == len(compared):
        return (
            f"external: nothing was compared: the broker stated no figures for {waiting} symbols and venues."
        )
    explained = sum(one.outcome is Outcome.EXPLAINED for one in compared)
    agreeing = len(compared) - faults - waiting - explained
    told = (
        f"{agreeing} agree, {explained} differ for recorded reasons, "
        f"{share_explained(compared):.4%} of the shares compared are captured or explained"
    )
    if faults:
        return f"{faults} symbols and venues differ from the broker's figures without a reason; {told}."
    if lost:
        return (
            f"{lost:,} shares were traded at the begin or the end of the day while the collector or its line "
            f"was down: the reason is known, and ours; {told}."
        )
    if waiting:
        return (
            f"external: the broker stated no figures for {waiting} symbols and venues; of the others {told}."
        )
    return f"Every figure is the broker's or has its reason: {told}."


def _offender(one: Reconciled) -> Offender:
    differing = [two for two in one.differences if two.reason is None]
    return {
        "symbol": one.symbol,
        "venue": one.venue,
        "official_volume": -1 if one.official is None else one.official,
        "captured_volume": one.captured,
        "unexplained_volume": one.unexplained,
        "outage_volume": _lost(one),
        "differs": ", ".join(f"{two.figure} {two.ours} for {two.official}" for two in differing),
    }
