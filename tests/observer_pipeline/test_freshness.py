"""What is due is asked for by the exchange's hours, and also where nothing has run."""

from datetime import date, datetime, timedelta, timezone

import dagster as dg
import pytest

from observer_core.market.calendar import MarketCalendar
from observer_pipeline.checks.rules.sessions import fresh, ready
from observer_pipeline.schedules import watch_freshness_hourly

KST = timezone(timedelta(hours=9))
DAY = date(2026, 9, 15)
GRACE = timedelta(minutes=30)
MORNING = {9: 100, 10: 100}


def at(hour, minute=0, day=DAY):
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=KST)


@pytest.mark.parametrize(
    ("now", "rows", "passed", "severity"),
    [
        (at(8, 45), {}, True, "WARN"),
        (at(10, 29), {}, True, "WARN"),
        (at(10, 30), {}, False, "ERROR"),
        (at(10, 30), {9: 1}, True, "WARN"),
        (at(11, 45), {9: 1}, False, "ERROR"),
        (at(18, 0), dict.fromkeys(range(9, 17), 1), True, "WARN"),
        (at(18, 45), dict.fromkeys(range(9, 17), 1), False, "WARN"),
    ],
    ids=["before the session", "within the grace", "after it", "first hour there", "second hour missing",
         "evening not due", "silent evening"],
)  # fmt: skip
def test_an_hour_is_due_half_an_hour_after_its_end(now, rows, passed, severity):
    verdict = fresh(MarketCalendar().session(DAY), now, rows, grace=GRACE)
    assert verdict.passed is passed
    if not passed:
        assert verdict.severity.value.upper() == severity


def test_a_shifted_day_is_not_late():
    """On the exam day trading begins at 10:00: no hour before is asked for."""
    exam = date(2026, 11, 19)
    session = MarketCalendar().session(exam)
    assert fresh(session, at(10, 45, exam), {}, grace=GRACE).passed
    assert not fresh(session, at(11, 45, exam), {}, grace=GRACE).passed


def test_reference_files_are_due_when_the_auction_begins(tmp_path):
    path = tmp_path / "universe.json"
    assert ready(path, at(8, 29), deadline=at(8, 30)).passed
    missing = ready(path, at(8, 30), deadline=at(8, 30))
    assert (missing.passed, missing.observed) == (False, "missing")
    assert "since 08:30" in missing.reason
    path.write_text("{}")
    assert ready(path, at(8, 30), deadline=at(8, 30)).passed


def test_a_morning_on_which_nothing_ran_is_red(mounts):
    """Neither symbols nor journal nor lake: the checks say so, and the run itself succeeds."""
    mounts.set_clock(mounts.at(11, 45))
    job = mounts.defs.resolve_job_def("watch_freshness")
    run = job.execute_in_process(instance=mounts.instance)
    assert run.success
    failed = {
        f"{one.asset_key.to_user_string()}:{one.check_name}"
        for one in run.get_asset_check_evaluations()
        if not one.passed
    }
    assert failed == {
        "symbols:ready_before_session", "universe:ready_before_session", "instruments:ready_before_session",
        "scalp_trades:fresh_by_phase", "swing_snapshots:fresh_by_phase", "bars_1m:fresh_by_phase",
        "scalp_journal:trading_hours_recorded", "swing_journal:trading_hours_recorded",
    }  # fmt: skip


def test_a_morning_that_ran_is_green(refreshed):
    refreshed.journalist().write(9, 10)
    refreshed.set_clock(refreshed.at(11, 5))
    assert refreshed.run("compact_hours").success
    refreshed.set_clock(refreshed.at(11, 45))
    run = refreshed.defs.resolve_job_def("watch_freshness").execute_in_process(instance=refreshed.instance)
    failed = [one.check_name for one in run.get_asset_check_evaluations() if not one.passed]
    # The fixture has symbols and universe only.
    assert failed == ["ready_before_session"]


def test_nothing_is_asked_of_a_closed_day():
    def tick(day):
        context = dg.build_schedule_context(scheduled_execution_time=at(9, 45, day))
        return watch_freshness_hourly(context)

    assert isinstance(tick(date(2026, 9, 24)), dg.SkipReason)
    assert isinstance(tick(DAY), dg.RunRequest)
