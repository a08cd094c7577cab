"""Trading days and session hours of the Korean exchanges.

Invariant: a day is a trading day by the closures of the `holidays` library, corrected by
`CORRECTIONS`; its hours come from the dated tables of this module (broker reference, section 8).
A day beyond `KNOWN_THROUGH` is answered, but its special hours may not be published yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import cache, lru_cache

import holidays

from observer_core.clock.base import KST

# University entrance exam: the exchanges open and close an hour later. Announced by the Ministry of
# Education a year ahead, and not part of the broker's holiday answer (broker reference, 8.2).
EXAM_DAYS = frozenset(
    {date(2023, 11, 16), date(2024, 11, 14), date(2025, 11, 13), date(2026, 11, 19), date(2027, 11, 18)}
)

# From this day the KRX trades from 16:00 to 20:00 instead of the off-hours single price market.
AFTER_MARKET_SINCE = date(2026, 9, 14)
NXT_SINCE = date(2025, 3, 4)

# Days on which the library is known to be wrong; the value says whether the exchange is open.
CORRECTIONS: dict[date, bool] = {}

# The last day whose closures and special hours have been published.
KNOWN_THROUGH = date(2027, 12, 31)


class Phase(StrEnum):
    """What the KRX does at an instant."""

    CLOSED = "closed"
    PRE_OPEN = "pre_open"
    OPENING_AUCTION = "opening_auction"
    CONTINUOUS = "continuous"
    CLOSING_AUCTION = "closing_auction"
    AFTER_CLOSE = "after_close"
    OFF_HOURS_CLOSE = "off_hours_close"
    AFTER_MARKET = "after_market"

    @property
    def delivers_trades(self) -> bool:
        """Whether a liquid symbol is expected to trade continuously."""
        return self in (Phase.CONTINUOUS, Phase.AFTER_MARKET)


@dataclass(frozen=True, slots=True)
class NxtHours:
    """The sessions of NXT on one trading day, Korean time (broker reference, 8.1 and 8.2).

    Attributes:
        pre_from: The pre-market begins; None on a day with shifted hours, which has none.
        pre_to: It ends.
        main_from: The main market begins, half a minute after the KRX.
        main_to: It ends: NXT has no closing auction.
        after_from: Trades of the after-market begin; its orders are taken in from the close on.
        after_to: It ends.
    """

    pre_from: time | None
    pre_to: time | None
    main_from: time
    main_to: time
    after_from: time
    after_to: time


@dataclass(frozen=True, slots=True)
class Session:
    """The hours of one trading day, Korean time.

    Attributes:
        day: The trading day.
        auction_from: Order intake of the opening auction begins; expected prices flow.
        opens: Continuous trading begins.
        closing_auction_from: The closing auction begins.
        closes: The official close.
        off_hours_from: Trades at the closing price begin.
        off_hours_to: They end.
        after_market_from: The KRX after-market begins; None before 2026-09-14.
        after_market_to: It ends.
        nxt: The sessions of NXT; None before NXT existed.
        remark: Why the hours are special; empty on a normal day.
    """

    day: date
    auction_from: time
    opens: time
    closing_auction_from: time
    closes: time
    off_hours_from: time
    off_hours_to: time
    after_market_from: time | None
    after_market_to: time | None
    nxt: NxtHours | None
    remark: str = ""

    @property
    def nxt_from(self) -> time | None:
        """When the first session of NXT begins; None before NXT existed."""
        return None if self.nxt is None else self.nxt.pre_from or self.nxt.main_from

    @property
    def nxt_to(self) -> time | None:
        """When the last session of NXT ends; None before NXT existed."""
        return None if self.nxt is None else self.nxt.after_to

    def at(self, moment: time) -> datetime:
        """Returns a time of this day as an instant."""
        return datetime.combine(self.day, moment, KST)

    @property
    def data_ends(self) -> time:
        """When the last data of the day is due."""
        return max(moment for moment in (self.off_hours_to, self.after_market_to, self.nxt_to) if moment)

    def phase(self, moment: time) -> Phase:
        """Returns what the KRX does at a time of this day."""
        bounds = (
            (self.auction_from, Phase.PRE_OPEN),
            (self.opens, Phase.OPENING_AUCTION),
            (self.closing_auction_from, Phase.CONTINUOUS),
            (self.closes, Phase.CLOSING_AUCTION),
            (self.off_hours_from, Phase.AFTER_CLOSE),
            (self.off_hours_to, Phase.OFF_HOURS_CLOSE),
        )
        for end, phase in bounds:
            if moment < end:
                return phase
        if self.after_market_from and self.after_market_to:
            if moment < self.after_market_from:
                return Phase.AFTER_CLOSE
            if moment < self.after_market_to:
                return Phase.AFTER_MARKET
        return Phase.CLOSED


_NORMAL_NXT = NxtHours(time(8), time(8, 50), time(9, 0, 30), time(15, 20), time(15, 40), time(20))
_LATE_NXT = NxtHours(None, None, time(10, 0, 30), time(15, 20), time(15, 40), time(20))
# One source has the after-market from 16:30, another its trades from 16:40: ten minutes of order intake, as
# on other days.
_EXAM_DAY_NXT = NxtHours(None, None, time(10), time(16, 20), time(16, 40), time(20))


class NotATradingDayError(ValueError):
    """A session was asked for a day on which the exchange is closed."""


class MarketCalendar:
    """The KRX calendar; it holds no state and reads nothing."""

    def closure(self, day: date) -> str | None:
        """Returns why the exchange is closed on a day, or None on a trading day."""
        if day in CORRECTIONS:
            return None if CORRECTIONS[day] else "closed by announcement of the exchange"
        if day.weekday() >= 5:
            return "weekend"
        return _closures(day.year).get(day)

    def is_trading_day(self, day: date) -> bool:
        """Returns whether the exchange opens on a day."""
        return self.closure(day) is None

    def session(self, day: date) -> Session:
        """Returns the hours of a trading day.

        Raises:
            NotATradingDayError: The exchange is closed that day.
        """
        reason = self.closure(day)
        if reason is not None:
            raise NotATradingDayError(f"{day} is not a trading day of the KRX: {reason}.")
        return _session(day, first_of_year=self.previous_trading_day(day).year < day.year)

    def previous_trading_day(self, day: date) -> date:
        """Returns the last trading day before a day."""
        return self._step(day, -1)

    def next_trading_day(self, day: date) -> date:
        """Returns the first trading day after a day."""
        return self._step(day, 1)

    def trading_days(self, first: date, last: date) -> list[date]:
        """Returns the trading days from `first` to `last`, both included."""
        days = (first + timedelta(days=offset) for offset in range((last - first).days + 1))
        return [day for day in days if self.is_trading_day(day)]

    def phase(self, instant: datetime) -> Phase:
        """Returns what the KRX does at an instant."""
        local = instant.astimezone(KST)
        if not self.is_trading_day(local.date()):
            return Phase.CLOSED
        return self.session(local.date()).phase(local.time())

    def _step(self, day: date, days: int) -> date:
        day += timedelta(days=days)
        while not self.is_trading_day(day):
            day += timedelta(days=days)
        return day


@cache
def _closures(year: int) -> dict[date, str]:
    return dict(holidays.financial_holidays("XKRX", years=year).items())


@lru_cache(maxsize=1024)
def _session(day: date, *, first_of_year: bool) -> Session:
    after_market = day >= AFTER_MARKET_SINCE
    nxt = day >= NXT_SINCE
    if day in EXAM_DAYS:
        # The after-market of an exam day was not published in any source read: the reference has
        # off-hours trades to 17:00, and it follows them as on other days.
        return Session(
            day, time(9, 30), time(10), time(16, 20), time(16, 30), time(16, 40), time(17),
            time(17) if after_market else None, time(20) if after_market else None,
            _EXAM_DAY_NXT if nxt else None, "university entrance exam",
        )  # fmt: skip
    if first_of_year:
        return Session(
            day, time(9, 30), time(10), time(15, 20), time(15, 30), time(15, 40), time(16),
            time(16) if after_market else None, time(20) if after_market else None,
            _LATE_NXT if nxt else None, "first trading day of the year",
        )  # fmt: skip
    return Session(
        day, time(8, 30), time(9), time(15, 20), time(15, 30), time(15, 40), time(16),
        time(16) if after_market else None, time(20) if after_market else None,
        _NORMAL_NXT if nxt else None,
    )  # fmt: skip
