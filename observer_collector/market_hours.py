"""What the market's hours mean for the intake.

Invariant: all questions of the form "could there be data now?" are answered here, from the
exchange's calendar, so that sweeps, gaps, watchdog and readiness never disagree.
"""

from __future__ import annotations

from datetime import date, datetime

from observer_core.clock import kst_datetime
from observer_core.market.calendar import MarketCalendar, Phase, Session


class MarketHours:
    """The hours of the registered channels: those of the KRX.

    Args:
        calendar: The exchange's calendar.
    """

    def __init__(self, calendar: MarketCalendar) -> None:
        self._calendar = calendar

    def phase(self, instant_ns: int) -> Phase:
        """Returns what the exchange does at an instant."""
        return self._calendar.phase(kst_datetime(instant_ns))

    def has_data(self, instant_ns: int) -> bool:
        """Returns whether the broker may have something new: opening auction to the end of the day."""
        return self.phase(instant_ns) not in (Phase.CLOSED, Phase.PRE_OPEN)

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

    def universe_due(self, day: date) -> datetime:
        """Returns from when on a missing universe of a day is replaced by an earlier one."""
        return self._span(self._calendar.session(day))[0]

    @staticmethod
    def _span(session: Session) -> tuple[datetime, datetime]:
        ends = session.after_market_to or session.off_hours_to
        return session.at(session.auction_from), session.at(ends)
