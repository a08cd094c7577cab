"""What a day traded before the first and after the last trade that is there, or where none is.

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
from observer_core.accounting.reconciliation import reason_at_begin, reason_at_end, silent_shares
from observer_core.brokers.kis.catalogue import Venue
from observer_core.clock.base import kst_datetime
from observer_core.lake.official import read_official
from observer_core.lake.reconciling import recorded_day
from observer_core.market.calendar import Session
from observer_core.settings.paths import Paths

# Not for us to record, or not to be told: no longer, or not before the next close of the day.
_APART = frozenset(
    {Reason.BEFORE_WATCH, Reason.AFTER_WATCH, Reason.UNWATCHED, Reason.UNSEALED, Reason.JOURNAL_DEPARTED}
)


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """Shares that were for us to record at an end of a symbol's day, or all day, and that are not there.

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
    """The begin and the end of a day, of all symbols and venues that have a trade or were in the selection.

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
    answers = read_official(paths, day)
    figures = {(row.symbol, row.venue.value): row.figures for row in answers}
    traded = {(row.symbol, row.venue): row.traded for row in answers}
    recorded = recorded_day(paths, day, session)
    found: list[Unrecorded] = []
    apart: Counter[Reason] = Counter()
    stated: list[int | None] = []
    for ours, evidence in recorded.captured:
        known = figures.get((ours.symbol, ours.venue))
        stated.append(official := None if known is None else known.volume)
        apart[Reason.UNWATCHED] += sum(span.shares for span in evidence.unwatched)
        found += _ends(ours, official, evidence)
    for symbol, venue, evidence in recorded.silent:
        stated.append(shares := traded.get((symbol, venue)))
        found += _all_day(symbol, venue, shares or 0, evidence)
    lost = tuple(one for one in found if one.reason not in _APART)
    for one in found:
        if one.reason is not None and one.reason in _APART:
            apart[one.reason] += one.volume
    measured = bool(stated) and None not in stated
    return DayEnds(lost, {why: count for why, count in sorted(apart.items()) if count}, measured)


def _all_day(symbol: str, venue: Venue, official: int, evidence: Evidence) -> Iterator[Unrecorded]:
    opens, ends = kst_datetime(evidence.opens_ns), kst_datetime(evidence.ends_ns)
    for reason, shares in silent_shares(official, evidence).items():
        # What is in a recorded hole has its account already.
        if reason is not Reason.HOLE:
            yield Unrecorded(symbol, venue.value, opens, ends, shares, reason)


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
