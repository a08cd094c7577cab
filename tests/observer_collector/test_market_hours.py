"""When data may come."""

from datetime import date, datetime

import pytest

from observer_collector.market_hours import MarketHours
from observer_core.clock import KST


def ns(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=KST).timestamp()) * 1_000_000_000


@pytest.fixture
def hours(calendar):
    return MarketHours(calendar)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-09-15T08:29:59", False),
        ("2026-09-15T08:30:00", True),
        ("2026-09-15T15:35:00", True),
        ("2026-09-15T19:59:59", True),
        ("2026-09-15T20:00:00", False),
        ("2026-09-19T10:00:00", False),
        ("2026-06-03T10:00:00", False),
        ("2026-01-02T09:29:00", False),
        ("2026-01-02T09:31:00", True),
    ],
)
def test_data_flow_from_the_opening_auction_to_the_end_of_the_after_market(hours, moment, expected):
    """On trading days only; an hour later on the first day of the year (broker reference, 8)."""
    assert hours.has_data(ns(moment)) is expected


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026-09-15T10:00:00", "2026-09-15T10:00:05", True),
        ("2026-09-15T07:00:00", "2026-09-15T08:00:00", False),
        ("2026-09-15T07:00:00", "2026-09-15T08:30:01", True),
        ("2026-09-15T20:00:00", "2026-09-16T08:29:00", False),
        ("2026-09-18T20:30:00", "2026-09-21T08:00:00", False),
        ("2026-09-18T19:59:00", "2026-09-21T08:00:00", True),
        ("2026-09-18T20:30:00", "2026-09-22T08:00:00", True),
    ],
)
def test_an_outage_matters_where_it_meets_such_hours(hours, start, end, expected):
    assert hours.had_data(ns(start), ns(end)) is expected


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2026-09-15T00:10:00", date(2026, 9, 15)),
        ("2026-09-15T19:59:00", date(2026, 9, 15)),
        ("2026-09-15T20:00:00", date(2026, 9, 16)),
        ("2026-09-18T21:00:00", date(2026, 9, 21)),
        ("2026-09-20T12:00:00", date(2026, 9, 21)),
    ],
)
def test_the_next_day_is_planned_when_this_one_has_ended(hours, moment, day):
    assert hours.plan_day(ns(moment)) == day
