"""Trading days as partitions: KRX closures, whatever the machine's date says."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from observer_pipeline.partitions import trading_days

# Korea Exchange, closures of 2026: New Year, Lunar New Year, Independence Movement Day (substitute), Labour
# Day, Children's Day, Buddha's Birthday (substitute), local elections, Constitution Day, Liberation Day
# (substitute), Chuseok, National Foundation Day (substitute), Hangeul Day, Christmas, year end.
CLOSED = (
    "2026-01-01", "2026-02-16", "2026-02-17", "2026-02-18", "2026-03-02", "2026-05-01", "2026-05-05",
    "2026-05-25", "2026-06-03", "2026-07-17", "2026-08-17", "2026-09-24", "2026-09-25", "2026-10-05",
    "2026-10-09", "2026-12-25", "2026-12-31",
)  # fmt: skip
SEOUL = ZoneInfo("Asia/Seoul")
BEFORE = datetime(2026, 1, 5, tzinfo=SEOUL)
DURING = datetime(2026, 11, 23, 9, tzinfo=SEOUL)
AFTER = datetime(2031, 1, 1, tzinfo=SEOUL)


@pytest.mark.parametrize("machine_date", [BEFORE, DURING, AFTER])
def test_on_a_virtual_clock_the_machines_date_does_not_decide(machine_date):
    keys = trading_days(clock_is_virtual=True).get_partition_keys(current_time=machine_date)
    assert keys[0] == "2026-01-02"
    assert {"2026-09-15", "2026-11-19", "2026-11-23", "2027-01-04"} <= set(keys)


@pytest.mark.parametrize(
    ("now", "last"),
    [
        ((2026, 11, 20, 0, 0), "2026-11-20"),
        ((2026, 11, 20, 23, 59), "2026-11-20"),
        ((2026, 11, 22, 12, 0), "2026-11-23"),
        ((2026, 9, 24, 12, 0), "2026-09-28"),
    ],
)
def test_on_the_real_clock_the_last_key_is_todays_or_the_next_sessions(now, last):
    keys = trading_days(clock_is_virtual=False).get_partition_keys(current_time=datetime(*now, tzinfo=SEOUL))
    assert keys[-1] == last


@pytest.mark.parametrize("virtual", [True, False])
def test_weekends_and_holidays_are_no_keys(virtual):
    keys = set(trading_days(clock_is_virtual=virtual).get_partition_keys(current_time=AFTER))
    assert keys.isdisjoint(CLOSED)
    assert all(datetime.fromisoformat(key).weekday() < 5 for key in keys)


def test_sessions_of_2026_are_complete():
    keys = trading_days(clock_is_virtual=True).get_partition_keys(current_time=DURING)
    weekdays_of_2026 = 261
    assert sum(key.startswith("2026") for key in keys) == weekdays_of_2026 - len(CLOSED)
