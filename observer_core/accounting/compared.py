"""What is compared of a day, and the words for what comes out.

Invariant: a reason is one of a closed list; plain figures only, in shares, KRW and nanoseconds.

What is open in the broker's documents (reference, 4.7, 8.1 and 11) is in the list as such: whether a day of
the KRX has its after-market in it, and which price of the day is its close.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Reason(StrEnum):
    """Why a figure differs.

    Members:
        BEFORE_WATCH: Traded before the symbol entered the selection of that day.
        UNWATCHED: Traded while the symbol held no slot, between two registrations.
        AFTER_WATCH: Traded after its registration was released.
        OUTAGE: Traded before its first or after its last trade received, while it was for us to watch it and
            the line or the process was down, or began too late.
        HOLE: In a hole that the collector has recorded, and that the broker's lists did not fill.
        QUARANTINED: Received, and not understood by compaction.
        UNSEALED: At the end of the day, in a segment that is still written: another close takes it in.
        JOURNAL_DEPARTED: The segments that would tell have left the node: a day compared again much later.
        AFTER_MARKET_LEFT_OUT: The broker's figure ends before the after-market.
        REGULAR_SESSION_ONLY: The broker's open is that of the regular session.
        LAST_PRICE: The broker's close is the last price of the evening.
        IN_MISSING_SHARES: The price was made by shares that are missing for one of the reasons above.
    """

    BEFORE_WATCH = "before_watch"
    UNWATCHED = "unwatched"
    AFTER_WATCH = "after_watch"
    OUTAGE = "outage"
    HOLE = "hole"
    QUARANTINED = "quarantined"
    UNSEALED = "unsealed"
    JOURNAL_DEPARTED = "journal_departed"
    AFTER_MARKET_LEFT_OUT = "after_market_left_out"
    REGULAR_SESSION_ONLY = "regular_session_only"
    LAST_PRICE = "last_price"
    IN_MISSING_SHARES = "in_missing_shares"


class Outcome(StrEnum):
    """What became of one symbol's comparison.

    Members:
        AGREES: Every figure is the broker's.
        EXPLAINED: Every difference has a reason.
        UNEXPLAINED: One has none: a fault of ours until somebody has looked.
        NOT_ANSWERED: The broker gave no figures to compare with.
    """

    AGREES = "agrees"
    EXPLAINED = "explained"
    UNEXPLAINED = "unexplained"
    NOT_ANSWERED = "not_answered"


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of cumulative volume: more than `low`, up to and including `high`."""

    low: int
    high: int

    def holds(self, other: Span) -> bool:
        """Returns whether another stretch lies within."""
        return self.low <= other.low and other.high <= self.high

    @property
    def shares(self) -> int:
        return self.high - self.low


@dataclass(frozen=True, slots=True)
class Watch:
    """An interval in which a symbol was registered on a channel.

    Attributes:
        from_ns: When the broker confirmed it; 0 where it was registered since an earlier day.
        to_ns: When it ended; None where it lasted.
        released: Whether it ended by our release, and not with the connection.
    """

    from_ns: int
    to_ns: int | None = None
    released: bool = False


@dataclass(frozen=True, slots=True)
class CapturedDay:
    """What is there of one symbol's day on one venue, live and filled in, each trade once.

    Attributes:
        symbol: The symbol.
        venue: KRX, NXT or UNIFIED.
        captured: Shares.
        value: KRW.
        total: Cumulative volume after the last trade, over all restarts; shares.
        before_evening: The same after the last trade before the after-market.
        first: What was traded before the first trade; None where nothing was.
        breaks: What is missing between two trades.
        overlapping: Shares by which cumulative volumes contradict each other.
        first_ns: Time of the first trade.
        last_ns: Time of the last one.
        open_price: Price of the first trade, KRW.
        regular_open: That of the first trade of the regular session; None without one.
        high_price: Highest price.
        low_price: Lowest price.
        high_before_evening: Highest price before the after-market; None without a trade then.
        low_before_evening: Lowest price then.
        close_price: Last price before the after-market; None without a trade then.
        last_price: Last price of the day.
    """

    symbol: str
    venue: str
    captured: int
    value: int
    total: int
    before_evening: int
    first: Span | None
    breaks: Sequence[Span]
    overlapping: int
    first_ns: int
    last_ns: int
    open_price: int
    regular_open: int | None
    high_price: int
    low_price: int
    high_before_evening: int | None
    low_before_evening: int | None
    close_price: int | None
    last_price: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the collector and compaction have recorded about one symbol's day on one venue.

    Attributes:
        opens_ns: When the venue's first session began.
        ends_ns: When its last one ended.
        watches: When the symbol was registered for trades, in order.
        undertaken_ns: Since when it was for us to watch it; 0 where since an earlier day.
        holes: Holes that the collector has recorded.
        unwatched: What it recorded as traded without a slot.
        quarantined: Trades that compaction set aside.
        unsealed: Whether a segment of the day is still written.
        departed: Whether segments of the day's journal have left the node, and what they tell with them.
    """

    opens_ns: int
    ends_ns: int
    watches: Sequence[Watch] = ()
    undertaken_ns: int = 0
    holes: Sequence[Span] = ()
    unwatched: Sequence[Span] = ()
    quarantined: int = 0
    unsealed: bool = False
    departed: bool = False

    def covers(self, from_ns: int, to_ns: int) -> bool:
        """Returns whether the symbol was registered from one instant to another without a break."""
        at_ns = from_ns
        for watch in self.watches:
            if watch.from_ns <= at_ns:
                if watch.to_ns is None or watch.to_ns >= to_ns:
                    return True
                at_ns = max(at_ns, watch.to_ns)
        return at_ns >= to_ns

    @property
    def covered(self) -> float:
        """What share of the venue's day the symbol was registered, 0 to 1."""
        at_ns, covered_ns = self.opens_ns, 0
        for watch in self.watches:
            to_ns = self.ends_ns if watch.to_ns is None else min(watch.to_ns, self.ends_ns)
            covered_ns += max(0, to_ns - max(at_ns, watch.from_ns))
            at_ns = max(at_ns, to_ns)
        return covered_ns / (self.ends_ns - self.opens_ns)


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure that is not the broker's.

    Attributes:
        figure: `open`, `high`, `low`, `close`, `volume` or `value`.
        official: The broker's, KRW or shares.
        ours: Ours.
        reason: Why; None where nothing recorded explains it.
    """

    figure: str
    official: int
    ours: int
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class Reconciled:
    """One symbol's day on one venue, compared.

    Attributes:
        symbol: The symbol.
        venue: KRX, NXT or UNIFIED.
        official: The broker's volume; None where it did not answer.
        captured: Ours, live and filled in.
        reasons: Reason -> shares.
        unexplained: Shares without a reason.
        differences: The figures that differ.
    """

    symbol: str
    venue: str
    official: int | None
    captured: int
    reasons: Mapping[Reason, int] = field(default_factory=dict)
    unexplained: int = 0
    differences: Sequence[Difference] = ()

    @property
    def outcome(self) -> Outcome:
        if self.official is None:
            return Outcome.NOT_ANSWERED
        if self.unexplained or any(one.reason is None for one in self.differences):
            return Outcome.UNEXPLAINED
        return Outcome.EXPLAINED if self.differences or self.reasons else Outcome.AGREES
