"""When the jobs run by themselves, on the real clock.

Invariant: every schedule asks the exchange's calendar and says in words why it does nothing; a tick that
is repeated asks for the same run (`run_key`) and not for a second one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from functools import partial

import dagster as dg

from observer_core.market.calendar import MarketCalendar
from observer_core.market.programme import (
    CLOSE_DAY_AT,
    REFRESH_REFERENCE_AT,
    RETENTION_AT,
    SHIP_CLOSED_DAY_AT,
)
from observer_pipeline.assets.backup import skip_reason
from observer_pipeline.jobs import (
    APPLY_RETENTION,
    CLOSE_DAY,
    COMPACT_HOURS,
    DUMP_DATABASES,
    PREPARE_WAREHOUSE,
    PURGE_RUNS,
    REFRESH_REFERENCE,
    SHIP_BACKUP,
    VERIFY_CONTRACTS,
    WATCH_FRESHNESS,
)
from observer_pipeline.partitions import TIME_ZONE, key_of, no_partition
from observer_pipeline.resources import Deployment
from observer_pipeline.sealed import sealed_hours
from observer_pipeline.vocabulary import Tag

# The shipment of the night is none of a trading day's.
_FIRST_SHIPMENT = 8
_ONLY_REAL = (
    " Runs by itself on the real clock only; on a virtual clock the conductor of the local stack asks for "
    "the job."
)

_REMEDY = "Deploy a release whose calendar knows the day: see calendar_reaches_ahead of the collector."

_Decorator = Callable[[Callable[..., dg.RunRequest | dg.SkipReason]], dg.ScheduleDefinition]
_Every = Callable[[str, str | Sequence[str], str, str], _Decorator]


def schedules(*, running: bool) -> list[dg.ScheduleDefinition]:
    """Returns the schedules.

    Args:
        running: Whether they are on by default.
    """
    every = partial(
        _schedule, dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED
    )
    refresh = every(
        "refresh_before_session",
        _daily(REFRESH_REFERENCE_AT),
        REFRESH_REFERENCE,
        f"{REFRESH_REFERENCE_AT:%H:%M} on trading days: by then the broker has packed the day's "
        "master files (07:35 and 07:55), and the opening auction begins at 08:30.",
    )
    compact = every(
        "compact_closed_hours",
        "5 8-19 * * *",
        COMPACT_HOURS,
        "Five minutes after each hour of a trading day, if the collector has sealed segments "
        "of an hour that is over.",
    )
    close = every(
        "close_after_session",
        _daily(CLOSE_DAY_AT),
        CLOSE_DAY,
        f"{CLOSE_DAY_AT:%H:%M} on trading days: the last data came at 20:00, on shifted days as well.",
    )
    # After the compaction of the hour, and once before the opening auction.
    watch = every(
        "watch_freshness_hourly",
        ["35 8 * * *", "45 9-20 * * *"],
        WATCH_FRESHNESS,
        "08:35 and then 45 minutes past each hour of a trading day: is everything there that is due by now?",
    )
    # Beside the compaction of the hour, which the same small node runs.
    contracts = every(
        "verify_contracts_hourly",
        "25 * * * *",
        VERIFY_CONTRACTS,
        "At 25 past each hour of every day: contracts break on weekends too.",
    )
    return [
        refresh(refresh_before_session),
        compact(compact_closed_hours),
        close(close_after_session),
        watch(watch_freshness_hourly),
        contracts(verify_contracts_hourly),
        *_maintenance(every),
    ]


def _schedule(
    status: dg.DefaultScheduleStatus, name: str, cron: str | Sequence[str], job: str, description: str
) -> _Decorator:
    """Returns what makes a schedule of a function: in Korean time, and only on the real clock by itself."""
    return dg.schedule(
        name=name,
        cron_schedule=cron,
        execution_timezone=TIME_ZONE,
        job_name=job,
        default_status=status,
        description=description + _ONLY_REAL,
    )


def _maintenance(every: _Every) -> list[dg.ScheduleDefinition]:
    """Returns the schedules of the deployment: they belong to no trading day."""
    # Ten minutes after the compaction of the hour; after the close; and once a night for what failed.
    ship = every(
        "ship_sealed_files",
        ["15 8-21 * * *", _daily(SHIP_CLOSED_DAY_AT), "15 2 * * *"],
        SHIP_BACKUP,
        "A quarter past each hour of a trading day, after its close, and each night, if a backup "
        "target is configured: sealed data leave the node within the hour.",
    )
    dump = every(
        "dump_databases_nightly",
        "5 22 * * *",
        DUMP_DATABASES,
        "22:05 each day, if a backup target is configured: the day is loaded, and retention has "
        "dropped what is old.",
    )
    retain = every(
        "apply_retention_daily",
        _daily(RETENTION_AT),
        APPLY_RETENTION,
        f"{RETENTION_AT:%H:%M} each day, after the close of a trading day: logs and days grow "
        "old on weekends too.",
    )
    prepare = every(
        "prepare_warehouse_daily",
        "45 7 * * *",
        PREPARE_WAREHOUSE,
        "07:45 each day: ahead of the first load, and on days of rest too, so that a long "
        "holiday leaves no day without its partition.",
    )
    purge = every(
        "purge_runs_nightly",
        "35 3 * * *",
        PURGE_RUNS,
        "03:35 each night, when nothing else runs: deleting events is work for the database.",
    )
    return [
        ship(ship_sealed_files),
        dump(dump_databases_nightly),
        retain(apply_retention_daily),
        prepare(prepare_warehouse_daily),
        purge(purge_runs_nightly),
    ]


def ship_sealed_files(
    context: dg.ScheduleEvaluationContext, deployment: Deployment
) -> dg.RunRequest | dg.SkipReason:
    """Asks for a shipment."""
    now = context.scheduled_execution_time
    missing = skip_reason(deployment)
    if missing:
        return dg.SkipReason(missing)
    by_day = now.hour >= _FIRST_SHIPMENT
    closed = _closed(now.date()) if by_day else None
    return closed or _unpartitioned(SHIP_BACKUP, now)


def dump_databases_nightly(
    context: dg.ScheduleEvaluationContext, deployment: Deployment
) -> dg.RunRequest | dg.SkipReason:
    """Asks for the night's dumps."""
    missing = skip_reason(deployment)
    if missing:
        return dg.SkipReason(missing)
    return _unpartitioned(DUMP_DATABASES, context.scheduled_execution_time)


def apply_retention_daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Asks for retention."""
    return _unpartitioned(APPLY_RETENTION, context.scheduled_execution_time)


def prepare_warehouse_daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Asks for the preparation of PostgreSQL."""
    return _unpartitioned(PREPARE_WAREHOUSE, context.scheduled_execution_time)


def purge_runs_nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Asks Dagster to forget old runs."""
    return _unpartitioned(PURGE_RUNS, context.scheduled_execution_time)


def _unpartitioned(job: str, now: datetime) -> dg.RunRequest:
    return dg.RunRequest(run_key=f"{job} {now:%Y-%m-%d %H:%M}", tags={Tag.TRIGGER: "schedule"})


def verify_contracts_hourly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Asks for a verification of the execution contracts."""
    return _unpartitioned(VERIFY_CONTRACTS, context.scheduled_execution_time)


def refresh_before_session(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Asks for the reference data of a trading day."""
    day = context.scheduled_execution_time.date()
    return _no_day(day) or _request(day, REFRESH_REFERENCE, key_of(day))


def compact_closed_hours(
    context: dg.ScheduleEvaluationContext, deployment: Deployment
) -> dg.RunRequest | dg.SkipReason:
    """Asks for the compaction of what was sealed."""
    now = context.scheduled_execution_time
    day = now.date()
    closed = _no_day(day)
    if closed is not None:
        return closed
    hours = {hour for hour in sealed_hours(deployment.paths, day) if hour < now.hour}
    if not hours:
        return dg.SkipReason(f"The collector has sealed no segment of {key_of(day)} before {now:%H}:00.")
    return _request(day, COMPACT_HOURS, f"{key_of(day)} {now:%H}:00")


def watch_freshness_hourly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Asks whether everything is there that is due."""
    now = context.scheduled_execution_time
    # Checks have no partitions: they judge the day of their run.
    return _closed(now.date()) or _unpartitioned(WATCH_FRESHNESS, now)


def close_after_session(
    context: dg.ScheduleEvaluationContext, deployment: Deployment
) -> dg.RunRequest | dg.SkipReason:
    """Asks for the close of a trading day."""
    day = context.scheduled_execution_time.date()
    closed = _no_day(day)
    if closed is not None:
        return closed
    if not sealed_hours(deployment.paths, day):
        return dg.SkipReason(
            f"The collector has sealed no segment of {key_of(day)}: there is nothing to close."
        )
    return _request(day, CLOSE_DAY, key_of(day))


def _daily(moment: time) -> str:
    """Returns the cron expression of a time of day."""
    return f"{moment.minute} {moment.hour} * * *"


def _closed(day: date) -> dg.SkipReason | None:
    reason = MarketCalendar().closure(day)
    return None if reason is None else dg.SkipReason(f"KRX closed on {day:%A}, {key_of(day)}: {reason}.")


def _no_day(day: date) -> dg.SkipReason | None:
    """Returns why no run belongs to a day; None where it is a partition."""
    reason = no_partition(day)
    return _closed(day) or (dg.SkipReason(f"{key_of(day)} is {reason}. {_REMEDY}") if reason else None)


def _request(day: date, job: str, run_key: str) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"{job} {run_key}",
        partition_key=key_of(day),
        tags={Tag.TRADING_DAY: key_of(day), Tag.TRIGGER: "schedule"},
    )
