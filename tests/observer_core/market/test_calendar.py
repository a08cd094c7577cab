"""The calendar against the exchange's published closures and hours, not against the library."""

from datetime import date, datetime, time, timedelta

import pytest

from observer_core.clock import KST
from observer_core.market.calendar import (
    EXAM_DAYS,
    KNOWN_THROUGH,
    MarketCalendar,
    NotATradingDayError,
    Phase,
)

# KRX closures of 2026 on weekdays: public and substitute holidays, 3 June local elections, 17 July
# Constitution Day (a holiday again), 1 May by custom, 31 December year-end.
CLOSED_2026 = {
    date(2026, 1, 1),
    date(2026, 2, 16),
    date(2026, 2, 17),
    date(2026, 2, 18),
    date(2026, 3, 2),
    date(2026, 5, 1),
    date(2026, 5, 5),
    date(2026, 5, 25),
    date(2026, 6, 3),
    date(2026, 7, 17),
    date(2026, 8, 17),
    date(2026, 9, 24),
    date(2026, 9, 25),
    date(2026, 10, 5),
    date(2026, 10, 9),
    date(2026, 12, 25),
    date(2026, 12, 31),
}

CALENDAR = MarketCalendar()


def days_of(year: int) -> list[date]:
    first = date(year, 1, 1)
    return [first + timedelta(days=n) for n in range((date(year + 1, 1, 1) - first).days)]


def test_every_day_of_2026_is_open_exactly_when_the_exchange_is() -> None:
    """Weekends and the published closures are closed, every other day is open."""
    expected = {day for day in days_of(2026) if day.weekday() < 5} - CLOSED_2026
    assert {day for day in days_of(2026) if CALENDAR.is_trading_day(day)} == expected
    assert CALENDAR.trading_days(date(2026, 1, 1), date(2026, 12, 31)) == sorted(expected)


@pytest.mark.parametrize("day", [date(2027, 5, 3), date(2027, 7, 19)])
def test_substitute_holidays_of_2027_are_closed(day: date) -> None:
    """The two days that a popular calendar library misses."""
    assert not CALENDAR.is_trading_day(day)


def test_a_normal_day_has_an_after_market_since_september_2026() -> None:
    """The KRX after-market runs 16:00-20:00 from 2026-09-14 on, and did not exist before."""
    session = CALENDAR.session(date(2026, 9, 15))
    assert (session.opens, session.closes) == (time(9), time(15, 30))
    assert (session.after_market_from, session.after_market_to) == (time(16), time(20))
    assert CALENDAR.session(date(2026, 9, 11)).after_market_from is None


def test_the_first_session_of_the_year_opens_at_ten_and_closes_as_usual() -> None:
    """Broker reference 8.2: opens 10:00, closes 15:30, no NXT pre-market."""
    session = CALENDAR.session(date(2026, 1, 2))
    assert (session.opens, session.closes) == (time(10), time(15, 30))
    assert session.nxt_from is not None
    assert session.nxt_from >= time(10)
    assert CALENDAR.session(date(2026, 1, 5)).opens == time(9)


@pytest.mark.parametrize("day", [date(2025, 11, 13), date(2026, 11, 19)])
def test_the_exam_day_is_shifted_by_an_hour(day: date) -> None:
    """Broker reference 8.2: 10:00-16:30, off-hours 16:40-17:00."""
    session = CALENDAR.session(day)
    assert (session.opens, session.closes) == (time(10), time(16, 30))
    assert (session.off_hours_from, session.off_hours_to) == (time(16, 40), time(17))
    assert CALENDAR.phase(datetime.combine(day, time(9, 15), KST)) is Phase.PRE_OPEN
    assert CALENDAR.phase(datetime.combine(day, time(16), KST)) is Phase.CONTINUOUS


def test_exam_days_are_thursdays_in_november_and_trading_days() -> None:
    """A typing error in the dated table would land on another weekday."""
    for day in EXAM_DAYS:
        assert (day.weekday(), day.month) == (3, 11)
        assert CALENDAR.is_trading_day(day)


def test_the_dated_table_is_ahead_of_today() -> None:
    """Fails in December of the last known year: extend EXAM_DAYS and KNOWN_THROUGH then."""
    today = datetime.now(KST).date()
    assert today + timedelta(days=30) <= KNOWN_THROUGH
    assert any(day.year == today.year for day in EXAM_DAYS)


@pytest.mark.parametrize(
    ("moment", "phase"),
    [
        (time(7, 0), Phase.PRE_OPEN),
        (time(8, 29, 59), Phase.PRE_OPEN),
        (time(8, 30), Phase.OPENING_AUCTION),
        (time(9, 0), Phase.CONTINUOUS),
        (time(15, 19, 59), Phase.CONTINUOUS),
        (time(15, 20), Phase.CLOSING_AUCTION),
        (time(15, 30), Phase.AFTER_CLOSE),
        (time(15, 40), Phase.OFF_HOURS_CLOSE),
        (time(16, 0), Phase.AFTER_MARKET),
        (time(19, 59, 59), Phase.AFTER_MARKET),
        (time(20, 0), Phase.CLOSED),
    ],
)
def test_phases_of_a_normal_day(moment: time, phase: Phase) -> None:
    """The table of section 8.1 of the broker reference."""
    assert CALENDAR.phase(datetime.combine(date(2026, 9, 15), moment, KST)) is phase


def test_a_closed_day_has_no_session_and_no_phase() -> None:
    """The reason is part of the error."""
    with pytest.raises(NotATradingDayError, match="weekend"):
        CALENDAR.session(date(2026, 9, 12))
    assert CALENDAR.phase(datetime(2026, 9, 24, 10, tzinfo=KST)) is Phase.CLOSED


def test_neighbouring_days_skip_holidays() -> None:
    """Chuseok 2026 closes Thursday and Friday."""
    assert CALENDAR.next_trading_day(date(2026, 9, 23)) == date(2026, 9, 28)
    assert CALENDAR.previous_trading_day(date(2026, 9, 28)) == date(2026, 9, 23)
