"""The trading calendar reaches far enough, and no data came on a day that it does not know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from observer_pipeline.checks.verdict import Severity, Verdict

# The exchange announces a year's closures late in the year before; a release needs some weeks.
EARLY_WARNING = timedelta(days=60)
LAST_WARNING = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class StrayDay:
    """A day of the journal that is no trading day of the calendar.

    Attributes:
        day: Receive day, Korean time.
        why: Why it is none.
        segments: Sealed segments of it.
        records: Records in them, without control records.
    """

    day: date
    why: str
    segments: int
    records: int


def no_stray_days(stray: Sequence[StrayDay]) -> Verdict:
    """Judges that every day on which records came is a trading day, so that it is compacted and closed.

    Args:
        stray: The days that are none, and have records.
    """
    records = sum(one.records for one in stray)
    named = ", ".join(f"{one.day} ({one.why}) {one.records:,}" for one in stray)
    return Verdict(
        passed=not stray,
        severity=Severity.WARN,
        bound=0,
        observed=records,
        offenders=[
            {"day": one.day.isoformat(), "why": one.why, "segments": one.segments, "records": one.records}
            for one in stray
        ],
        reason=f"{records:,} records were received on days without a session: {named}. Nothing is lost: "
        "they stay in the journal, and retention keeps them. If the exchange was open, correct the calendar "
        "(CORRECTIONS in observer_core/market/calendar.py) and run close_day for the day; if not, look at "
        "them and move the day's folder away."
        if stray
        else "Every day with records is a trading day.",
    )


def calendar_reaches_ahead(today: date, known_through: date) -> Verdict:
    """Judges that the closures and special hours of the days to come are known.

    Args:
        today: The present day.
        known_through: The last day whose closures have been entered.
    """
    left = known_through - today
    ended = left < timedelta(0)
    told = f"ended on {known_through}" if ended else f"ends on {known_through}, in {left.days} days"
    return Verdict(
        passed=left > EARLY_WARNING,
        severity=Severity.WARN if left > LAST_WARNING else Severity.ERROR,
        bound=f"more than {EARLY_WARNING.days} days ahead",
        observed=f"{left.days} days ahead",
        offenders=[{"known_through": known_through.isoformat(), "days_left": left.days}]
        if left <= EARLY_WARNING
        else (),
        reason=f"The trading calendar {told}: later days are no partitions, and nothing runs on them. "
        "Deploy a release that knows more, or enter the closures that the exchange has announced "
        "(KNOWN_THROUGH, EXAM_DAYS, CORRECTIONS in observer_core/market/calendar.py)."
        if left <= EARLY_WARNING
        else f"The trading calendar {told}.",
    )
