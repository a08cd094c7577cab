"""What the market's hours mean for the intake.

Invariant: all questions of the form "could there be data now?" are answered here, from the
exchange's calendar, so that sweeps, gaps, watchdog and readiness never disagree.
"""

from __future__ import annotations

from datetime import date, datetime

from observer_core.brokers.kis.catalogue import CHANNELS, Kind
from observer_core.clock import kst_datetime
from observer_core.clock.base import NANOSECONDS
from observer_core.market.calendar import MarketCalendar, Phase, Session

# Phases of the KRX in which a channel of a kind is expected to deliver. Market operations come when
# something happens; program figures and members are not known to be steady.
_STEADY = {
    Kind.TRADE: frozenset({Phase.CONTINUOUS}),
    Kind.BOOK: frozenset({Phase.CONTINUOUS}),
    Kind.INDEX: frozenset({Phase.CONTINUOUS}),
}


class MarketHours:
    """The hours of the registered channels: those of the KRX, and of NXT where it is recorded.

    Args:
        calendar: The exchanges' calendar.
        nxt: Whether a channel of NXT or of both exchanges is registered; it changes with the registrations.
    """

    def __init__(self, calendar: MarketCalendar, *, nxt: bool = False) -> None:
        self._calendar = calendar
        self.nxt = nxt

    def phase(self, instant_ns: int) -> Phase:
        """Returns what the exchange does at an instant."""
        return self._calendar.phase(kst_datetime(instant_ns))

    def expects(self, channel: str, phase: Phase) -> bool:
        """Returns whether a traded symbol's channel is never silent for minutes in a phase."""
        known = CHANNELS.get(channel)
        return known is not None and phase in _STEADY.get(known.kind, ())

    def has_data(self, instant_ns: int) -> bool:
        """Returns whether the broker may have something new: first session to the end of the last."""
        now = kst_datetime(instant_ns)
        if not self._calendar.is_trading_day(now.date()):
            return False
        starts, ends = self._span(self._calendar.session(now.date()))
        return starts <= now < ends

    def before_session(self, instant_ns: int) -> tuple[int, int] | None:
        """Returns when today's data begin and end, before they end; None afterwards and without a session."""
        now = kst_datetime(instant_ns)
        if not self._calendar.is_trading_day(now.date()):
            return None
        starts, ends = self._span(self._calendar.session(now.date()))
        if now >= ends:
            return None
        return int(starts.timestamp()) * NANOSECONDS, int(ends.timestamp()) * NANOSECONDS

    def had_data(self, from_ns: int, to_ns: int) -> bool:
        """Returns whether there was such a time between two instants."""
        first, last = kst_datetime(from_ns), kst_datetime(to_ns)
        for day in self._calendar.trading_days(first.date(), last.date()):
            starts, ends = self._span(self._calendar.session(day))
            if max(starts, first) < min(ends, last):
                return True
        return False

    def plan_day(self, instant_ns: int) -> date:
        """Returns the trading day whose universe is in force: today's until its data end, then the next."""
        now = kst_datetime(instant_ns)
        today = now.date()
        if self._calendar.is_trading_day(today) and now < self._span(self._calendar.session(today))[1]:
            return today
        return self._calendar.next_trading_day(today)

    def window(self, instant_ns: int) -> tuple[datetime, datetime]:
        """Returns from when to when data are due: the window that lasts, or the next one."""
        return self._span(self._calendar.session(self.plan_day(instant_ns)))

    def universe_due(self, day: date) -> datetime:
        """Returns from when on a missing universe of a day is replaced by an earlier one."""
        session = self._calendar.session(day)
        return session.at(session.auction_from)

    def _span(self, session: Session) -> tuple[datetime, datetime]:
        starts, ends = session.auction_from, session.after_market_to or session.off_hours_to
        if self.nxt and session.nxt_from and session.nxt_to:
            starts, ends = min(starts, session.nxt_from), max(ends, session.nxt_to)
        return session.at(starts), session.at(ends)
