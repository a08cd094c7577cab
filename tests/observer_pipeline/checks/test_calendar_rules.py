"""The calendar warns before it ends, and names what came on a day that it does not know."""

from datetime import date

import pytest

from observer_pipeline.checks.rules.calendar import StrayDay, calendar_reaches_ahead, no_stray_days
from observer_pipeline.checks.verdict import Severity
from observer_pipeline.partitions import no_partition

END = date(2027, 12, 31)


@pytest.mark.parametrize(
    ("today", "passed", "severity", "told"),
    [
        (date(2027, 10, 31), True, None, "ends on 2027-12-31, in 61 days."),
        (date(2027, 11, 1), False, Severity.WARN, "ends on 2027-12-31, in 60 days: later days"),
        (date(2027, 12, 16), False, Severity.WARN, "in 15 days"),
        (date(2027, 12, 17), False, Severity.ERROR, "in 14 days"),
        (date(2030, 1, 7), False, Severity.ERROR, "ended on 2027-12-31: later days"),
    ],
)
def test_the_end_of_the_calendar_is_told_two_months_before(today, passed, severity, told):
    verdict = calendar_reaches_ahead(today, END)
    assert verdict.passed is passed
    assert told in verdict.reason
    if not passed:
        assert verdict.severity is severity
        assert "KNOWN_THROUGH" in verdict.reason


def test_days_with_records_that_are_no_trading_days_are_named_with_their_counts():
    assert no_stray_days([]).passed
    stray = [StrayDay(date(2026, 9, 19), "weekend", 1, 5), StrayDay(date(2026, 9, 25), "Chuseok", 2, 27)]
    verdict = no_stray_days(stray)
    assert (verdict.passed, verdict.severity, verdict.observed) == (False, Severity.WARN, 32)
    assert "2026-09-19 (weekend) 5, 2026-09-25 (Chuseok) 27" in verdict.reason
    assert "retention keeps them" in verdict.reason
    assert [row["records"] for row in verdict.offenders] == [5, 27]


@pytest.mark.parametrize(
    ("day", "told"),
    [
        (date(2026, 9, 15), ""),
        (date(2026, 9, 19), "weekend"),
        (date(2026, 9, 25), "Chuseok"),
        (date(2025, 12, 30), "before 2026-01-02"),
        (date(2028, 1, 3), "after 2027-12-31"),
    ],
)
def test_a_day_that_is_no_partition_has_a_reason(day, told):
    assert (told in no_partition(day)) if told else no_partition(day) == ""
