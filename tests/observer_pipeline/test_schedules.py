"""Schedules ask the exchange's calendar, and say in words why they do nothing."""

from datetime import date, datetime, timedelta, timezone

import dagster as dg
import pytest

from observer_pipeline.definitions import build_defs
from observer_pipeline.resources import Deployment
from observer_pipeline.schedules import (
    apply_retention_daily,
    close_after_session,
    compact_closed_hours,
    dump_databases_nightly,
    refresh_before_session,
    ship_sealed_files,
)

KST = timezone(timedelta(hours=9))


def at(hour: int, minute: int, *, day: date = date(2026, 9, 15)) -> datetime:
    """Returns a Korean time."""
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=KST)


def tick(evaluate, moment: datetime, deployment=None):
    context = dg.build_schedule_context(scheduled_execution_time=moment)
    return evaluate(context) if deployment is None else evaluate(context, deployment)


@pytest.fixture
def resource(mounts) -> Deployment:
    return Deployment(time_source=mounts.environment["OBSERVER_CLOCK"])


@pytest.mark.parametrize(
    ("day", "words"),
    [
        (date(2026, 1, 1), "New Year"),
        (date(2026, 2, 17), "Korean New Year"),
        (date(2026, 9, 20), "weekend"),
        (date(2026, 6, 3), "Local Election"),
    ],
)
def test_nothing_is_refreshed_while_the_exchange_is_closed(day, words):
    skipped = tick(refresh_before_session, at(7, 30, day=day))
    assert isinstance(skipped, dg.SkipReason)
    assert skipped.skip_message.startswith(f"KRX closed on {day:%A}, {day}: ")
    assert words.lower() in skipped.skip_message.lower()


@pytest.mark.parametrize("day", [date(2026, 1, 2), date(2026, 9, 15), date(2026, 11, 19)])
def test_each_trading_day_is_refreshed_once(day):
    """The first session of the year and the exam day begin late, but they are trading days."""
    asked = tick(refresh_before_session, at(7, 30, day=day))
    again = tick(refresh_before_session, at(7, 30, day=day))
    assert asked.partition_key == day.isoformat()
    assert asked.run_key == again.run_key
    assert asked.tags["observer/trading_day"] == day.isoformat()


def test_compaction_waits_for_sealed_segments(resource):
    now = at(10, 5)
    skipped = tick(compact_closed_hours, now, resource)
    assert "sealed no segment of 2026-09-15" in skipped.skip_message


def test_compaction_and_close_run_once_something_is_sealed(mounts, resource):
    seal(mounts, "0_09_000001")
    hourly = tick(compact_closed_hours, at(10, 5), resource)
    assert (hourly.partition_key, hourly.run_key) == ("2026-09-15", "compact_hours 2026-09-15 10:00")
    close = tick(close_after_session, at(20, 10), resource)
    assert close.partition_key == "2026-09-15"


def test_an_hour_that_is_not_over_is_not_compacted(mounts, resource):
    """A segment that was sealed for its size belongs to an hour that still grows."""
    seal(mounts, "0_10_000001")
    assert isinstance(tick(compact_closed_hours, at(10, 5), resource), dg.SkipReason)


def test_a_day_without_a_journal_is_not_closed(resource):
    skipped = tick(close_after_session, at(20, 10), resource)
    assert "nothing to close" in skipped.skip_message


def test_holidays_are_not_closed(resource):
    assert "KRX closed" in tick(close_after_session, at(20, 10, day=date(2026, 9, 25)), resource).skip_message
    assert "KRX closed" in tick(compact_closed_hours, at(10, 5, day=date(2026, 9, 25)), resource).skip_message


@pytest.mark.parametrize("day", [date(2028, 1, 3), date(2030, 1, 7)])
def test_after_the_calendars_end_nothing_is_asked_for_that_has_no_partition(mounts, resource, day):
    """Whether the exchange is open is not known: a reason to read, and no run that fails."""
    seal(mounts, "0_09_000001")
    for evaluate, moment, deployment in (
        (refresh_before_session, at(8, 5, day=day), None),
        (compact_closed_hours, at(10, 5, day=day), resource),
        (close_after_session, at(20, 10, day=day), resource),
    ):
        skipped = tick(evaluate, moment, deployment)
        assert isinstance(skipped, dg.SkipReason)
        assert skipped.skip_message.startswith(
            f"{day} is after 2027-12-31, the end of the trading calendar. Deploy a release"
        )


def test_on_the_calendars_last_day_everything_runs():
    """The last session of 2027 is 2027-12-30: KRX is closed on the last day of the year."""
    assert tick(refresh_before_session, at(8, 5, day=date(2027, 12, 30))).partition_key == "2027-12-30"
    assert "KRX closed" in tick(refresh_before_session, at(8, 5, day=date(2027, 12, 31))).skip_message


@pytest.mark.parametrize(("clock", "expected"), [("real", True), ("shared:/tmp/clock", False)])
def test_everything_runs_by_itself_on_the_real_clock_only(clock, expected):
    repository = build_defs(clock=clock).get_repository_def()
    schedules = [one.default_status is dg.DefaultScheduleStatus.RUNNING for one in repository.schedule_defs]
    sensors = [one.default_status is dg.DefaultSensorStatus.RUNNING for one in repository.sensor_defs]
    assert schedules == [expected] * 10
    assert sensors == [expected] * 3


def test_schedules_tick_on_korean_time():
    repository = build_defs(clock="real").get_repository_def()
    crons = {one.name: (one.cron_schedule, one.execution_timezone) for one in repository.schedule_defs}
    assert crons == {
        "refresh_before_session": ("5 8 * * *", "Asia/Seoul"),
        "compact_closed_hours": ("5 8-19 * * *", "Asia/Seoul"),
        "close_after_session": ("10 20 * * *", "Asia/Seoul"),
        "verify_contracts_hourly": ("25 * * * *", "Asia/Seoul"),
        "ship_sealed_files": (["15 8-21 * * *", "30 20 * * *", "15 2 * * *"], "Asia/Seoul"),
        "dump_databases_nightly": ("5 22 * * *", "Asia/Seoul"),
        "apply_retention_daily": ("40 20 * * *", "Asia/Seoul"),
        "prepare_warehouse_daily": ("45 7 * * *", "Asia/Seoul"),
        "watch_freshness_hourly": (["35 8 * * *", "45 9-20 * * *"], "Asia/Seoul"),
        "purge_runs_nightly": ("35 3 * * *", "Asia/Seoul"),
    }


def test_backups_wait_for_a_target(resource):
    for evaluate in (ship_sealed_files, dump_databases_nightly):
        skipped = tick(evaluate, at(10, 15), resource)
        assert "No backup target is configured (OBSERVER_BACKUP_TARGET)" in skipped.skip_message


def test_sealed_files_leave_each_hour_of_a_trading_day_and_each_night(mounts, resource):
    mounts.set_environment(OBSERVER_BACKUP_TARGET="/backup")
    assert tick(ship_sealed_files, at(10, 15), resource).run_key == "ship_backup 2026-09-15 10:15"
    holiday = date(2026, 9, 25)
    assert "KRX closed" in tick(ship_sealed_files, at(10, 15, day=holiday), resource).skip_message
    assert tick(ship_sealed_files, at(2, 15, day=holiday), resource).run_key == "ship_backup 2026-09-25 02:15"
    assert tick(dump_databases_nightly, at(22, 5, day=holiday), resource).run_key.startswith("dump_databases")


def test_retention_runs_on_closed_days_too():
    assert tick(apply_retention_daily, at(20, 40, day=date(2026, 9, 25))).run_key == (
        "apply_retention 2026-09-25 20:40"
    )


def seal(deployment, stem: str) -> None:
    folder = deployment.paths.data / "assets" / "scalp" / "20260915"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{stem}.manifest.json").write_text("{}")
