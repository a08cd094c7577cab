"""What a day traded before the first and after the last trade that is there.

Invariant: shares come from the market's own figures: the cumulative volume of the first trade, and the
broker's official volume of the day where it was asked for; a hole that is accounted for is not counted a
second time. Whether it was for us to record them is told by the journal, as for the comparison with the
broker's figures (see `reconciliation`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from observer_core.accounting.compared import CapturedDay, Evidence, Reason, Span
from observer_core.accounting.reconciliation import reason_at_begin, reason_at_end
from observer_core.clock.base import kst_datetime
from observer_core.lake.official import read_official
from observer_core.lake.reconciling import captured_with_evidence
from observer_core.market.calendar import Session
from observer_core.settings.paths import Paths

# Not for us to record, or not to be told: no longer, or not before the next close of the day.
_APART = frozenset(
    {Reason.BEFORE_WATCH, Reason.AFTER_WATCH, Reason.UNWATCHED, Reason.UNSEALED, Reason.JOURNAL_DEPARTED}
)


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """Shares that were for us to record at an end of a symbol's day, and that are not there.

    Attributes:
        symbol: The symbol.
        venue: The venue.
        began: From when, Korean time.
        ended: Up to when.
        volume: Shares.
        reason: Why; None where nothing recorded explains it.
    """

    symbol: str
    venue: str
    began: datetime
    ended: datetime
    volume: int
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class DayEnds:
    """The begin and the end of a day, of all symbols and venues with a trade.

    Attributes:
        lost: What was for us to record.
        apart: Reason -> shares that were not, or of which the journal does not tell.
        measured: Whether the broker has stated the day's volume of each of them.
    """

    lost: tuple[Unrecorded, ...] = ()
    apart: Mapping[Reason, int] = field(default_factory=dict)
    measured: bool = False


def day_ends(paths: Paths, day: date, session: Session) -> DayEnds:
    """Returns what is not there at the begin and the end of a day.

    Args:
        paths: The layout.
        day: The trading day, as far as it is compacted.
        session: The exchanges' hours.

    Raises:
        StorageError: A segment of the journal is damaged.
    """
    stated = {
        (row.symbol, row.venue.value): row.figures.volume
        for row in read_official(paths, day)
        if row.figures is not None
    }
    lost: list[Unrecorded] = []
    apart: Counter[Reason] = Counter()
    asked, answered = 0, 0
    for ours, evidence in captured_with_evidence(paths, day, session):
        official = stated.get((ours.symbol, ours.venue))
        asked, answered = asked + 1, answered + (official is not None)
        apart[Reason.UNWATCHED] += sum(span.shares for span in evidence.unwatched)
        for found in _ends(ours, official, evidence):
            if found.reason is not None and found.reason in _APART:
                apart[found.reason] += found.volume
            else:
                lost.append(found)
    return DayEnds(
        tuple(lost), {why: count for why, count in sorted(apart.items()) if count}, asked == answered > 0
    )


def _ends(ours: CapturedDay, official: int | None, evidence: Evidence) -> Iterator[Unrecorded]:
    opens, ends = kst_datetime(evidence.opens_ns), kst_datetime(evidence.ends_ns)
    first, last = kst_datetime(ours.first_ns), kst_datetime(ours.last_ns)
    if ours.first is not None:
        shares = ours.first.shares - sum(_common(ours.first, hole) for hole in evidence.holes)
        if shares > 0:
            reason = reason_at_begin(ours, evidence)
            yield Unrecorded(ours.symbol, ours.venue, min(opens, first), first, shares, reason)
    if official is not None and official > ours.total:
        reason = reason_at_end(ours, evidence)
        yield Unrecorded(ours.symbol, ours.venue, last, max(ends, last), official - ours.total, reason)


def _common(one: Span, other: Span) -> int:
    return max(0, min(one.high, other.high) - max(one.low, other.low))
