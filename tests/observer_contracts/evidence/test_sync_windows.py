"""Sync windows: cron's fields, Go's durations and zones, as minutes of a week in Korea."""

from datetime import datetime

import pytest

from observer_contracts.evidence.sync_windows import WEEK_MINUTES, open_minutes, read_window
from observer_core.clock import KST

WINTER, SUMMER = datetime(2026, 1, 12, tzinfo=KST), datetime(2026, 7, 13, tzinfo=KST)


def closed(
    schedule: str, duration: str, zone: str = "Asia/Seoul", *, kind: str = "deny", monday: datetime = WINTER
) -> set[int]:
    window = read_window(kind, schedule, duration, zone, by_hand=False)
    return set(range(WEEK_MINUTES)) - open_minutes([window], monday)


def minutes(day: int, begin: str, end: str) -> set[int]:
    """The minutes of a day of the week, 0 for Monday, from one time to before another."""
    first, last = (int(text[:2]) * 60 + int(text[3:]) for text in (begin, end))
    return set(range(day * 1440 + first, day * 1440 + last))


SESSION = {minute for day in range(5) for minute in minutes(day, "07:30", "20:40")}


@pytest.mark.parametrize(
    ("schedule", "duration", "zone", "expected"),
    [
        ("30 7 * * 1-5", "13h10m", "Asia/Seoul", SESSION),
        ("30 7 * * MON-FRI", "790m", "Asia/Seoul", SESSION),
        ("30 7 * * 1,2,3,4,5", "13h9m60s", "Asia/Seoul", SESSION),
        # Korea is nine hours before UTC, where 22:30 is still the day before.
        ("30 22 * * 0-4", "13h10m", "", SESSION),
        ("0 9 * * 7", "30m", "Asia/Seoul", minutes(6, "09:00", "09:30")),
        ("0,30 9-10/1 * * 1", "15m", "Asia/Seoul",
         minutes(0, "09:00", "09:15") | minutes(0, "09:30", "09:45") | minutes(0, "10:00", "10:15")
         | minutes(0, "10:30", "10:45")),
        # What began in the week before reaches into this one.
        ("0 23 * * 0", "2h", "Asia/Seoul", minutes(0, "00:00", "01:00") | minutes(6, "23:00", "24:00")),
        ("*/1 * * * *", "1m", "Asia/Seoul", set(range(WEEK_MINUTES))),
        # Not every week, so that it closes nothing for certain.
        ("30 7 * 1-11 1-5", "13h10m", "Asia/Seoul", set()),
        ("30 7 1 * *", "13h10m", "Asia/Seoul", set()),
    ],
)  # fmt: skip
def test_a_window_closes_its_minutes(schedule: str, duration: str, zone: str, expected: set[int]) -> None:
    assert closed(schedule, duration, zone) == expected


def test_a_zone_with_summer_time_moves() -> None:
    """08:30 in Berlin is 16:30 in Korea in winter, and 15:30 in summer."""
    assert closed("30 8 * * 1", "1h", "Europe/Berlin") == minutes(0, "16:30", "17:30")
    assert closed("30 8 * * 1", "1h", "Europe/Berlin", monday=SUMMER) == minutes(0, "15:30", "16:30")


def test_an_opening_window_closes_the_rest() -> None:
    """Argo CD takes any opening window as: only then."""
    opened = set(range(WEEK_MINUTES)) - closed("40 20 * * *", "10h50m", kind="allow")
    assert opened.isdisjoint(SESSION)
    assert opened == {m for m in range(WEEK_MINUTES) if not 450 <= m % 1440 < 1240}


def test_closing_is_stronger_than_opening() -> None:
    always = read_window("allow", "* * * * *", "1h", "", by_hand=False)
    session = read_window("deny", "30 7 * * 1-5", "13h10m", "Asia/Seoul", by_hand=False)
    assert open_minutes([always, session], WINTER) == set(range(WEEK_MINUTES)) - SESSION


@pytest.mark.parametrize(
    ("kind", "schedule", "duration", "zone", "word"),
    [
        ("block", "30 7 * * 1-5", "1h", "", "kind"),
        ("deny", "30 7 * *", "1h", "", "schedule"),
        ("deny", "30 25 * * 1-5", "1h", "", "schedule"),
        ("deny", "30 7 * * 5-1", "1h", "", "schedule"),
        ("deny", "*/0 7 * * *", "1h", "", "schedule"),
        ("deny", "30 7 * * mo", "1h", "", "schedule"),
        ("deny", "30 7 * * 1-5", "13:10", "", "duration"),
        ("deny", "30 7 * * 1-5", "", "", "duration"),
        ("deny", "30 7 * * 1-5", "1h", "Asia/Soul", "timeZone"),
        ("deny", "30 7 * * 1-5", "1h", "../etc", "timeZone"),
    ],
)
def test_what_cannot_be_read_is_named(
    kind: str, schedule: str, duration: str, *, zone: str, word: str
) -> None:
    with pytest.raises(ValueError, match=word):
        read_window(kind, schedule, duration, zone, by_hand=False)
