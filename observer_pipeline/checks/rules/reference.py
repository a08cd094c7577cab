"""Tokens, symbols and the universe are what a trading day needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta

from observer_core.reference.choosing import MAXIMUM_COUNT, MINIMUM_COUNT
from observer_pipeline.checks.verdict import Scalar, Severity, Verdict

# The predecessor ran whole days with 0 to 30 symbols and nobody saw it (incident I-09). Both markets
# list about 2,700 shares; the default filter keeps about 1,600 of them.
FEWEST_SYMBOLS = MINIMUM_COUNT
MOST_SYMBOLS = MAXIMUM_COUNT
FEWEST_IN_UNIVERSE = 300
MOST_IN_UNIVERSE = 3_000
LARGEST_CHANGE = 0.20
# On the busiest day of a year some dozen of 2,700 issues are re-based; a shifted column re-bases all of them.
LARGEST_REBASED_SHARE = 0.05


def token_valid(expires: datetime | None, now: datetime, *, needed_for: timedelta) -> Verdict:
    """Judges that an access token is there and stays valid long enough.

    Args:
        expires: When it ends; None where there is no token.
        now: The present.
        needed_for: How long it must last.
    """
    left = expires - now if expires else timedelta(0)
    return Verdict(
        passed=left >= needed_for,
        severity=Severity.WARN if left > timedelta(0) else Severity.ERROR,
        bound=f"{needed_for.total_seconds() / 3600:.1f} h left",
        observed=f"{max(left, timedelta(0)).total_seconds() / 3600:.1f} h left" if expires else "no token",
        reason="The token lasts long enough."
        if left >= needed_for
        else "The token ends too early; the broker issues a new one on the next refresh.",
    )


def count_plausible(count: int, *, fewest: int, most: int, what: str) -> Verdict:
    """Judges that a count lies between two bounds that a real market does not leave."""
    return Verdict(
        passed=fewest <= count <= most,
        severity=Severity.ERROR,
        bound=f"{fewest:,} to {most:,} {what}",
        observed=count,
        reason=f"{count:,} {what}.",
    )


def change_plausible(count: int, previous: int | None, *, largest: float, what: str) -> Verdict:
    """Judges that a count changed by no more than a share of the day before.

    Args:
        count: Today's count.
        previous: The last earlier count; None on the first day of a deployment.
        largest: Largest change as a share of the earlier count.
        what: What is counted.
    """
    change = abs(count - previous) / previous if previous else 0.0
    return Verdict(
        passed=change <= largest,
        severity=Severity.WARN,
        bound=f"{largest:.0%}",
        observed=f"{change:.1%}",
        reason=f"{count:,} {what} after {previous:,}." if previous else f"{count:,} {what}, the first day.",
    )


def preferred_source(
    source: str, as_of: date, *, preferred: str, day: date, failed_stages: Mapping[str, str]
) -> Verdict:
    """Judges that the first stage of the fallback order has won with a list of the day itself.

    Args:
        source: The stage that won.
        as_of: The day that its list is of.
        preferred: The first stage.
        day: The trading day.
        failed_stages: Stage -> why it gave no list of the day.
    """
    preferred_won, of_the_day = source == preferred, as_of == day
    if not preferred_won:
        reason = f"The symbols come from {source} of {as_of}, because {preferred} gave none: see its reason."
    elif not of_the_day:
        reason = (
            f"The broker's master files were those of {as_of} and not of {day}, and nothing fresher was had: "
            "prices, halts and listings are of that day."
        )
    else:
        reason = "The symbols come from the broker's master files."
    return Verdict(
        passed=preferred_won and of_the_day,
        severity=Severity.WARN,
        bound=f"{preferred} of {day}",
        observed=f"{source} of {as_of}",
        offenders=[{"stage": stage, "reason": reason} for stage, reason in failed_stages.items()],
        reason=reason,
    )


def dated_for(day: date, found: date, *, severity: Severity) -> Verdict:
    """Judges that a file speaks of the day it is used for."""
    return Verdict(
        passed=found == day,
        severity=severity,
        bound=day.isoformat(),
        observed=found.isoformat(),
        reason="It is of the day itself." if found == day else "It is of another day.",
    )


def files_kept(faults: Mapping[str, str]) -> Verdict:
    """Judges that every file is there and can be read.

    Args:
        faults: File -> what is wrong with it; empty where it is as it should be.
    """
    wrong = {name: fault for name, fault in faults.items() if fault}
    return Verdict(
        passed=not wrong,
        severity=Severity.ERROR,
        bound=len(faults),
        observed=len(faults) - len(wrong),
        offenders=[{"file": name, "fault": fault} for name, fault in wrong.items()],
        reason=f"Missing, empty or damaged: {', '.join(wrong)}. Bring the file back from the backup; symbols "
        "and universe of the day stay as they are."
        if wrong
        else "All files are kept.",
    )


def adds_up(total: int, parts: Mapping[str, int]) -> Verdict:
    """Judges that counted parts are a whole, so that nothing was dropped without a reason."""
    return Verdict(
        passed=sum(parts.values()) == total,
        severity=Severity.ERROR,
        bound=total,
        observed=sum(parts.values()),
        offenders=[{"part": name, "count": count} for name, count in parts.items()]
        if sum(parts.values()) != total
        else (),
        reason=f"{total:,} = " + " + ".join(f"{count:,} {name}" for name, count in parts.items() if count),
    )


def same_symbols(listed: Collection[str], rows: Sequence[str]) -> Verdict:
    """Judges that a table has each listed symbol once, and no other.

    Args:
        listed: The symbols that there are.
        rows: The symbol of each row.
    """
    counts = Counter(rows)
    wrong: dict[str, str] = {
        **dict.fromkeys(set(listed) - counts.keys(), "missing"),
        **dict.fromkeys(counts.keys() - set(listed), "not listed"),
        **{symbol: f"{count} rows" for symbol, count in counts.items() if count > 1},
    }
    return Verdict(
        passed=not wrong,
        severity=Severity.ERROR,
        bound=len(listed),
        observed=len(rows),
        offenders=[{"symbol": symbol, "problem": wrong[symbol]} for symbol in sorted(wrong)][:50],
        reason=f"{len(wrong)} symbols differ." if wrong else f"{len(listed):,} symbols, each once.",
    )


def rebased_explained(unexplained: Mapping[str, float], *, rebased: int) -> Verdict:
    """Judges that the broker flags a reason for each base price that the exchange has set.

    Args:
        unexplained: Symbol -> factor of its base price, of those without a flag on the day.
        rebased: All symbols whose base price was set.
    """
    worst: list[Mapping[str, Scalar]] = [
        {"symbol": name, "factor": unexplained[name]} for name in sorted(unexplained)
    ]
    return Verdict(
        passed=not unexplained,
        severity=Severity.WARN,
        bound=0,
        observed=len(unexplained),
        offenders=worst[:50],
        reason=f"{len(unexplained)} of {rebased} base prices were set without a flag that says why."
        if unexplained
        else f"Each of the {rebased} base prices that were set has its flag.",
    )


def few_rebased(rebased: int, *, instruments: int) -> Verdict:
    """Judges that base prices were set of a few instruments only."""
    share = rebased / instruments if instruments else 0.0
    return Verdict(
        passed=share <= LARGEST_REBASED_SHARE,
        severity=Severity.ERROR,
        bound=f"{LARGEST_REBASED_SHARE:.0%}",
        observed=f"{share:.1%}",
        reason=f"{rebased:,} base prices of {instruments:,} instruments were set by the exchange.",
    )
