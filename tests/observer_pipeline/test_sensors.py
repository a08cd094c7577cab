"""A day that changed after its close is closed again; one that cannot be is not asked for without end."""

from datetime import date, datetime, timedelta

import dagster as dg
import pytest
from dagster import DagsterRunStatus

from observer_core.clock import KST
from observer_pipeline.resources import Deployment
from observer_pipeline.sensors import _days_to_watch, unfinished_days


@pytest.fixture
def sealed(mounts):
    """The day's journal: two sealed segments."""
    seal(mounts, "0_09_000001")
    seal(mounts, "0-swing_09_000001")
    return mounts


def seal(deployment, stem: str) -> None:
    folder = deployment.paths.data / "assets" / "scalp" / "20260915"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{stem}.manifest.json").write_text("{}")


def evaluate(deployment, cursor: str | None = None):
    context = dg.build_sensor_context(instance=deployment.instance, cursor=cursor)
    resource = Deployment(time_source=deployment.environment["OBSERVER_CLOCK"])
    results = list(unfinished_days(context, resource))
    return [one for one in results if isinstance(one, dg.RunRequest)], results, context.cursor


def test_no_day_beyond_the_calendar_is_asked_for():
    """It has no partition, so that a run for it could only fail."""
    evening = datetime(2028, 1, 4, 21, 30, tzinfo=KST)
    assert _days_to_watch(evening) == [date(2027, 12, day) for day in (28, 29, 30)]
    assert _days_to_watch(evening + timedelta(days=30)) == []


def test_a_day_is_left_alone_until_its_last_segment_is_sealed(sealed):
    sealed.set_clock(sealed.at(20, 30))
    requests, results, _ = evaluate(sealed)
    assert requests == []
    assert isinstance(results[0], dg.SkipReason)


def test_a_day_is_asked_for_once_for_each_state_of_its_journal(sealed):
    sealed.set_clock(sealed.at(21, 10))
    first, _, cursor = evaluate(sealed)
    assert [(one.partition_key, one.tags["observer/trigger"]) for one in first] == [("2026-09-15", "sensor")]
    assert evaluate(sealed, cursor)[0] == []

    seal(sealed, "0_20_000002")
    late, _, cursor = evaluate(sealed, cursor)
    assert late[0].run_key != first[0].run_key
    assert evaluate(sealed, cursor)[0] == []


def test_a_close_that_fails_is_asked_for_four_times_at_most(sealed):
    sealed.set_clock(sealed.at(21, 10))
    cursor, asked = None, []
    for _ in range(8):
        requests, _, cursor = evaluate(sealed, cursor)
        for request in requests:
            asked.append(request.run_key)
            sealed.instance.add_run(failed_run(sealed, request))
    assert len(asked) == len(set(asked)) == 4


def failed_run(deployment, request: dg.RunRequest) -> dg.DagsterRun:
    made = deployment.instance.create_run_for_job(
        deployment.defs.resolve_job_def("close_day"), tags=request.tags, status=DagsterRunStatus.FAILURE
    )
    deployment.instance.delete_run(made.run_id)
    return made


@pytest.mark.parametrize("cursor", ["{", "[]", "2026-09-15"])
def test_a_cursor_of_another_making_is_begun_anew(sealed, cursor):
    """The day is asked for again, which changes nothing where it was closed."""
    assert evaluate(sealed, cursor)[0] == evaluate(sealed)[0]
