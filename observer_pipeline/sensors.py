"""What happens to a day that is not finished when its close has run, and after a deployment.

Invariant: a sensor reads names of files, versions and run records only; it asks once for each state, and
again at most a few times, far apart, where the run has failed. It never asks because something is failing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import dagster as dg

from observer_core.market.calendar import KNOWN_THROUGH, MarketCalendar
from observer_pipeline.alert_sensor import alert_sensor
from observer_pipeline.contract_evidence import ContractEvidence
from observer_pipeline.jobs import CLOSE_DAY, VERIFY_CONTRACTS
from observer_pipeline.partitions import FIRST_DAY, key_of
from observer_pipeline.resources import Deployment
from observer_pipeline.sealed import state_of
from observer_pipeline.vocabulary import Tag

_INTERVAL = timedelta(minutes=15)
# Pods of a deployment need a minute or two.
_AFTER_DEPLOYMENT = timedelta(minutes=2)
_DAYS_BACK = timedelta(days=10)
_MOST_ATTEMPTS = 4
# The last lines of a day come on the stroke of its last hour, into a segment that is sealed an hour later.
_AFTER_LAST_DATA = timedelta(minutes=65)


def sensors(*, running: bool) -> list[dg.SensorDefinition]:
    """Returns the sensors.

    Args:
        running: Whether they are on by default.
    """
    unfinished = dg.sensor(
        name="unfinished_days",
        job_name=CLOSE_DAY,
        minimum_interval_seconds=int(_INTERVAL.total_seconds()),
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        description="Closes a day of the last ten once more when a segment of it was sealed after its "
        "close (the last hour's, or one recovered after a crash), and when the close has failed, at most "
        f"{_MOST_ATTEMPTS} times. On the real clock only.",
    )
    deployed = dg.sensor(
        name="deployment_changed",
        job_name=VERIFY_CONTRACTS,
        minimum_interval_seconds=int(_AFTER_DEPLOYMENT.total_seconds()),
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        description="Verifies the execution contracts once after each deployment of the pipeline. On the "
        "real clock only.",
    )
    return [unfinished(unfinished_days), deployed(deployment_changed), alert_sensor(running=running)]


def deployment_changed(
    context: dg.SensorEvaluationContext, contract_evidence: ContractEvidence
) -> dg.RunRequest | dg.SkipReason:
    """Asks for a verification when another version runs than the last time."""
    version = contract_evidence.deployed_version()
    if context.cursor == version:
        return dg.SkipReason(f"{version} has been verified since it was deployed.")
    context.update_cursor(version)
    return dg.RunRequest(run_key=f"{VERIFY_CONTRACTS} {version}", tags={Tag.TRIGGER: "deployment"})


def unfinished_days(
    context: dg.SensorEvaluationContext, deployment: Deployment
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Asks for the close of days whose journal has changed, or whose close has failed."""
    asked = _cursor(context)
    states: dict[str, str] = {}
    requested = False
    for day in _days_to_watch(deployment.instant):
        state = state_of(deployment.paths, day)
        if not state:
            continue
        failures = _failures(context.instance, day, state)
        states[key_of(day)] = f"{state} {failures}"
        if asked.get(key_of(day)) != states[key_of(day)] and failures < _MOST_ATTEMPTS:
            requested = True
            yield _request(day, state, failures)
    context.update_cursor(json.dumps(states))
    if not requested:
        yield dg.SkipReason(f"{len(states)} days are as they were when they were closed.")


def _cursor(context: dg.SensorEvaluationContext) -> dict[str, str]:
    """Returns what was asked for, by day; nothing where another version or a person left something else."""
    try:
        found = json.loads(context.cursor or "{}")
    except ValueError:
        found = None
    if isinstance(found, dict):
        return found
    context.log.warning(f"The cursor {(context.cursor or '')[:80]!r} is none of this sensor: it begins anew.")
    return {}


def _days_to_watch(now: datetime) -> list[date]:
    """Returns the last days whose last segment is sealed by now."""
    calendar = MarketCalendar()
    first = max(now.date() - _DAYS_BACK, FIRST_DAY)
    last = min(now.date(), KNOWN_THROUGH)
    sessions = [calendar.session(day) for day in calendar.trading_days(first, last)]
    return [hours.day for hours in sessions if hours.at(hours.data_ends) + _AFTER_LAST_DATA <= now]


def _failures(instance: dg.DagsterInstance, day: date, state: str) -> int:
    """Returns how many closes of a day in its present state have failed."""
    return instance.get_runs_count(
        dg.RunsFilter(
            job_name=CLOSE_DAY,
            statuses=[dg.DagsterRunStatus.FAILURE],
            tags={Tag.TRADING_DAY: key_of(day), Tag.JOURNAL_STATE: state},
        )
    )


def _request(day: date, state: str, failures: int) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"{CLOSE_DAY} {key_of(day)} {state} {failures}",
        partition_key=key_of(day),
        tags={Tag.TRADING_DAY: key_of(day), Tag.JOURNAL_STATE: state, Tag.TRIGGER: "sensor"},
    )
