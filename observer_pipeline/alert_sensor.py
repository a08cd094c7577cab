"""Failed checks and failed runs on their way to the webhook.

Invariant: a failed check fails no run, so alerts follow the evaluations and not the runs. An event is read
once; what could not be delivered stays unread, so that a webhook that was away gets one message with
everything that still holds. Nothing but the webhook keeps an alert back: neither a missing mount nor a cursor
of another making. The address of the webhook is a secret: it is in no error.
"""

# Dagster compares the annotation of `context` itself, so annotations are not postponed here.

import json
import socket
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import dagster as dg
import httpx
from dagster import DagsterEvent, DagsterEventType, EventLogRecord, EventRecordsFilter

from observer_core.errors import NetworkError
from observer_core.logs import hide, redact
from observer_pipeline.alerting import (
    Finding,
    Level,
    News,
    Problem,
    message_of,
    news_of,
    problems_as_json,
    problems_of,
    without_forgotten,
)
from observer_pipeline.failures import cause_named
from observer_pipeline.resources import Deployment

if TYPE_CHECKING:
    from dagster_shared.error import SerializableErrorInfo

NAME = "alerts"
_INTERVAL = timedelta(seconds=30)
_SECONDS = 10.0
# A tick is bounded; what is left comes with the next one.
_MOST_EVENTS = 500
_PARTITION_TAG = "dagster/partition"
_RETRIED_TAG = "dagster/will_retry"
# An error may carry a statement with all its rows.
_LONGEST_TEXT = 1000

_LEVELS = {dg.AssetCheckSeverity.WARN: Level.WARNING, dg.AssetCheckSeverity.ERROR: Level.ERROR}
_READ = (
    DagsterEventType.ASSET_CHECK_EVALUATION,
    DagsterEventType.RUN_FAILURE,
    DagsterEventType.RUN_SUCCESS,
)
_KINDS = tuple(kind.value for kind in _READ)


def alert_sensor(*, running: bool) -> dg.SensorDefinition:
    """Returns the sensor.

    Args:
        running: Whether it is on by default.
    """
    made = dg.sensor(
        name=NAME,
        minimum_interval_seconds=int(_INTERVAL.total_seconds()),
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        description="Tells the webhook (OBSERVER_ALERT_WEBHOOK_URL, Slack's JSON) of each check that fails "
        "and each run that fails, once, with a link to this UI, and once more when it is over. Starts with "
        "what happens after it was first switched on.",
    )
    return made(alerts)


def alerts(context: dg.SensorEvaluationContext, alerting: Deployment) -> dg.SkipReason:
    """Tells what has begun and what is over since the last tick.

    Raises:
        NetworkError: The webhook did not take it; the next tick tries again.
    """
    settings = alerting.settings.alerts
    if not settings.webhook_url.get_secret_value():
        context.update_cursor("")
        return dg.SkipReason("OBSERVER_ALERT_WEBHOOK_URL is not set: failures are shown in Dagster only.")
    if not context.cursor:
        context.update_cursor(_cursor(_newest(context.instance), {}))
        return dg.SkipReason("Alerts begin with what happens from now on.")
    kept = _kept(context.cursor)
    if kept is None:
        return _begin_anew(context, alerting)
    read_to, told = kept
    # A kind of event that the release before did not read is read from now on.
    after = {**(_newest(context.instance) if set(_KINDS) - set(read_to) else {}), **read_to}
    problems = without_forgotten(told, alerting.clock.now().timestamp())
    read = _unread(context.instance, after)
    news = news_of(problems, _findings(context.instance, read, problems))
    if news.begun or news.over:
        _tell(news, alerting)
    newest = {name: _storage_id(records[-1]) for name, records in read.items() if records}
    context.update_cursor(_cursor({**after, **newest}, news.problems))
    return dg.SkipReason(
        f"{len(news.begun)} problems told, {len(news.over)} resolved; {len(news.problems)} hold on."
    )


def _kept(cursor: str) -> tuple[dict[str, int], dict[str, Problem]] | None:
    """Returns up to where each kind of event was read, and what was told; None where it is not ours."""
    try:
        content = json.loads(cursor)
        after = {name: int(content["after"][name]) for name in _KINDS if name in content["after"]}
        return after, problems_of(content["problems"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _begin_anew(context: dg.SensorEvaluationContext, alerting: Deployment) -> dg.SkipReason:
    """Tells once that a cursor was lost, and with it what was told and not over."""
    shown = (context.cursor or "")[:80]
    text = f"The cursor {shown!r} is none of this sensor: alerts begin anew with what happens from now on."
    context.log.warning(text)
    lost = Finding(
        key="the cursor",
        title=f"the cursor of the sensor {NAME} cannot be read",
        level=Level.WARNING,
        text=f"{text} What failed before stands in Dagster; nobody is told when it is over.",
        cause="",
        path="/automation",
        at_seconds=alerting.clock.now().timestamp(),
    )
    # Before the message: what happens meanwhile is read by the next tick.
    newest = _newest(context.instance)
    _tell(News((lost,), (), {}), alerting)
    context.update_cursor(_cursor(newest, {}))
    return dg.SkipReason(text)


def _tell(news: News, alerting: Deployment) -> None:
    settings = alerting.settings.alerts
    hide([settings.webhook_url])
    message = message_of(news, address=settings.dagster_url, place=_place(alerting))
    _deliver(settings.webhook_url.get_secret_value(), message)


def _findings(
    instance: dg.DagsterInstance,
    read: Mapping[str, Sequence[EventLogRecord]],
    problems: Mapping[str, Problem],
) -> list[Finding]:
    """Returns what the events say, in their order."""
    found: list[Finding] = []
    # A success is news only where a failure of the job was told, or is about to be.
    failed_jobs = {key.split(" ")[1] for key in problems if key.startswith("run ")}
    for record in sorted((one for records in read.values() for one in records), key=_storage_id):
        event = record.event_log_entry.dagster_event
        if event is None:
            continue
        at = record.event_log_entry.timestamp
        if event.event_type is DagsterEventType.ASSET_CHECK_EVALUATION:
            found.append(_of_check(event.asset_check_evaluation_data, at))
            continue
        failed = event.event_type is DagsterEventType.RUN_FAILURE
        if failed:
            failed_jobs.add(event.job_name or "")
        if event.job_name in failed_jobs:
            found.append(_of_run(instance, record.run_id, at, event if failed else None))
    return found


def _of_check(evaluation: dg.AssetCheckEvaluation, at: float) -> Finding:
    shown = {name: value.value for name, value in evaluation.metadata.items()}
    # What belongs to no day is one problem, whatever day it is seen on.
    day = shown.get("trading_day", "")
    asset = evaluation.asset_key.to_user_string()
    parts = [evaluation.description or "", *(f"{n}: {shown[n]}" for n in ("bound", "observed") if n in shown)]
    path = "/".join(quote(part) for part in evaluation.asset_key.path)
    return Finding(
        key=f"check {asset} {evaluation.check_name} {day}",
        title=f"{asset}: {evaluation.check_name} {day}".rstrip(),
        level=None if evaluation.passed else _LEVELS[evaluation.severity],
        text=" · ".join(filter(None, parts)),
        cause=str(shown.get("cause", "")),
        path=f"/assets/{path}?view=checks&checkDetail={quote(evaluation.check_name)}",
        at_seconds=at,
    )


def _of_run(instance: dg.DagsterInstance, run_id: str, at: float, failure: DagsterEvent | None) -> Finding:
    run = instance.get_run_by_id(run_id)
    job = run.job_name if run else "?"
    partition = run.tags.get(_PARTITION_TAG, "") if run else ""
    retried = run is not None and run.tags.get(_RETRIED_TAG) == "true"
    reason, cause = ("", "") if failure is None else _reason(instance, run_id, failure)
    said = ("The job has succeeded.",) if failure is None else (reason, failure.message)
    if failure is not None and retried:
        said = (*said, "Dagster runs it once more.")
    return Finding(
        key=f"run {job} {partition}",
        title=f"run of {job} {partition}".rstrip(),
        level=None if failure is None else Level.WARNING if retried else Level.ERROR,
        text=redact(" · ".join(filter(None, said))),
        cause=cause,
        path=f"/runs/{run_id}",
        at_seconds=at,
    )


def _reason(instance: dg.DagsterInstance, run_id: str, failure: DagsterEvent) -> tuple[str, str]:
    """Returns what the first failed step of a run says, with its remedy, and whose fault it is.

    A run that ends before its first step, for want of a mount or a setting, says it itself. Both are empty
    where nothing says anything: a process that was lost.
    """
    events = instance.get_records_for_run(run_id, of_type=DagsterEventType.STEP_FAILURE, limit=1)
    for record in events.records:
        event = record.event_log_entry.dagster_event
        told = event.step_failure_data.user_failure_data if event is not None else None
        if event is not None and told is not None:
            shown = {name: str(value.value) for name, value in told.metadata.items()}
            text = f"{event.step_key}: {told.description or ''} {shown.get('remedy', '')}"
            return text.strip(), shown.get("cause", "")
        if event is not None and event.step_failure_data.error is not None:
            text, cause = _root(event.step_failure_data.error)
            return f"{event.step_key}: {text}", cause
    whole = failure.job_failure_data.error
    return ("", "") if whole is None else _root(whole)


def _root(error: "SerializableErrorInfo") -> tuple[str, str]:
    """Returns the error that all others follow from, and whose fault it is where it is one of the kernel."""
    while error.cause is not None:
        error = error.cause
    name = error.cls_name or ""
    # The message begins with the module of the class.
    text = error.message.strip()
    return text[max(text.find(name), 0) :][:_LONGEST_TEXT], cause_named(name) or ""


def _unread(instance: dg.DagsterInstance, after: Mapping[str, int]) -> dict[str, list[EventLogRecord]]:
    return {
        kind.value: list(_records(instance)(
            EventRecordsFilter(event_type=kind, after_cursor=after[kind.value]), _MOST_EVENTS, True
        ))
        for kind in _READ
    }  # fmt: skip


def _newest(instance: dg.DagsterInstance) -> dict[str, int]:
    found = {kind.value: list(_records(instance)(EventRecordsFilter(kind), 1, False)) for kind in _READ}
    return {name: _storage_id(records[0]) if records else 0 for name, records in found.items()}


def _records(instance: dg.DagsterInstance) -> Callable[..., Any]:
    """Returns the query that the instance offers as `get_event_records`, without its warning.

    Dagster 1.13 has no other one that gives the evaluations of all checks in their order.
    """
    return instance.event_log_storage.get_event_records


def _storage_id(record: EventLogRecord) -> int:
    return int(record.storage_id)


def _cursor(after: Mapping[str, int], problems: Mapping[str, Problem]) -> str:
    return json.dumps({"after": dict(after), "problems": problems_as_json(problems)})


def _place(alerting: Deployment) -> str:
    pod = alerting.settings.pod
    name = pod.pod_name or socket.gethostname()
    return f"{pod.pod_namespace}/{name}" if pod.pod_namespace else name


def _deliver(address: str, message: dict[str, Any]) -> None:
    try:
        # A redirect would carry the notice elsewhere.
        answer = httpx.post(address, json=message, timeout=_SECONDS, follow_redirects=False)
    except httpx.HTTPError as error:
        # The message of the error may hold the address.
        raise _undelivered(type(error).__name__) from None
    if not 200 <= answer.status_code < 300:
        raise _undelivered(f"HTTP {answer.status_code}")


def _undelivered(reason: str) -> NetworkError:
    return NetworkError(
        f"The webhook did not take an alert: {reason}.",
        remedy="Check OBSERVER_ALERT_WEBHOOK_URL and the egress rules; the next tick tries again.",
    )
