"""The jobs, named by intent; each run of the first three belongs to one trading day.

Invariant: every asset that is computed belongs to one of them, and every check of it, so that nothing is
refreshed by hand only. Schedules, the sensor and the conductor of the local stack ask for the same jobs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import dagster as dg

from observer_core.lake.schemas import JOURNAL_TABLES
from observer_pipeline import keys
from observer_pipeline.checks.freshness import WATCHED
from observer_pipeline.step_pods import RUN_POD, pod_for_each_step
from observer_pipeline.vocabulary import OWNER, Group, Tag

REFRESH_REFERENCE = "refresh_reference"
COMPACT_HOURS = "compact_hours"
CLOSE_DAY = "close_day"
BACKFILL_DAYS = "backfill_days"
VERIFY_CONTRACTS = "verify_contracts"
SHIP_BACKUP = "ship_backup"
DUMP_DATABASES = "dump_databases"
APPLY_RETENTION = "apply_retention"
PREPARE_WAREHOUSE = "prepare_warehouse"
PURGE_RUNS = "purge_runs"
WATCH_FRESHNESS = "watch_freshness"

_REFERENCE = (
    keys.ACCESS_TOKEN,
    keys.APPROVAL_KEY,
    keys.KIWOOM_TOKEN,
    keys.INSTRUMENT_MASTER,
    keys.SYMBOLS,
    keys.INSTRUMENTS,
    keys.UNIVERSE,
    keys.warehouse(keys.UNIVERSE_TABLE),
)
_OBSERVED = (keys.COLLECTOR, keys.SCALP_JOURNAL, keys.SWING_JOURNAL)
_COMPACTED = (
    *(keys.LAKE[table] for table in JOURNAL_TABLES),
    keys.BARS,
    keys.COMPLETENESS,
    *(keys.warehouse(table) for table in keys.WAREHOUSE_TABLES),
)
_OF_A_DAY = (*_COMPACTED, keys.CORPORATE_ACTIONS, keys.DAILY_OFFICIAL, keys.DAY_CLOSE)


@dataclass(frozen=True, slots=True)
class _Memory:
    """Memory of a run's pod, in place of that of `runLauncher` in helm-values/dagster.yaml."""

    expected: str
    most: str


# Compaction takes 0.5 GB for a million records, and polars as much again while it sorts.
_SOME_HOURS = _Memory("1Gi", "2Gi")
_WHOLE_DAY = _Memory("1536Mi", "4Gi")


def jobs(*, wide_backfills: bool) -> list[dg.UnresolvedAssetJobDefinition]:
    """Returns the jobs.

    Args:
        wide_backfills: Whether the job is among them of which each step is a pod.
    """
    return [
        *([_backfill_days()] if wide_backfills else []),
        _job(
            REFRESH_REFERENCE,
            _with_checks(_REFERENCE),
            "Before the session: tokens, raw master files, symbols, instruments and universe of "
            "the day. Files of a date are written once, so a rerun shows the same.",
            # Nine minutes of waiting for the broker's files, and what follows.
            timedelta(minutes=25),
        ),
        _job(
            COMPACT_HOURS,
            _with_checks(_COMPACTED, _OBSERVED),
            "During the day: observes the journal, compacts the hours that are over, renews "
            "the bars and loads what PostgreSQL does not hold yet.",
            timedelta(minutes=30),
            _SOME_HOURS,
        ),
        _job(
            CLOSE_DAY,
            _with_checks(_OF_A_DAY, _OBSERVED),
            "After the last data: compacts everything that is sealed, loads it, makes the "
            "day's files and judges the whole day. Run again, it takes late segments in.",
            timedelta(hours=1),
            _WHOLE_DAY,
        ),
        _job(
            VERIFY_CONTRACTS,
            dg.AssetSelection.groups(Group.CONTRACTS.value),
            "Each hour and after a deployment: looks at manifests, repository, container and "
            "cluster, as far as this deployment has them, and judges the execution contracts.",
            timedelta(minutes=15),
        ),
        _job(
            SHIP_BACKUP,
            _with_checks((keys.SHIPMENT,)),
            "Each hour of a trading day and each night: brings everything sealed to the "
            "backup target that has not left yet, where one is configured.",
            timedelta(hours=2),
        ),
        _job(
            DUMP_DATABASES,
            _with_checks((keys.DUMPS,)),
            "Each night: dumps the warehouse and Dagster's own database to the backup target, "
            "and lets old dumps go.",
            timedelta(hours=2),
        ),
        _job(
            APPLY_RETENTION,
            _with_checks((keys.RETENTION,)),
            "Each evening after the day's close: lets go what is verified, shipped and old. "
            "`observer retention plan` shows it beforehand.",
            timedelta(hours=1),
        ),
        _job(
            WATCH_FRESHNESS,
            dg.AssetSelection.checks(*(dg.AssetCheckKey(key, name) for key, name in WATCHED)),
            "Within each hour of a trading day: judges whether everything that is due by now is "
            "there, also where nothing has run. Computes nothing.",
            timedelta(minutes=10),
        ),
        _job(
            PURGE_RUNS,
            _with_checks((keys.RUN_HISTORY,)),
            "Each night: Dagster forgets runs and events that are old and hold nothing that is "
            "still shown. With `dry_run: true` in the config of `run_history` it only tells.",
            timedelta(hours=1),
        ),
        _job(
            PREPARE_WAREHOUSE,
            _with_checks((keys.WAREHOUSE_SCHEMA,)),
            "Each morning before the session: applies what the schema of PostgreSQL lacks, gives "
            "readers and writers their rights, and makes the partitions of the days to come.",
            timedelta(minutes=15),
        ),
    ]


def _backfill_days() -> dg.UnresolvedAssetJobDefinition:
    """Returns the close of a day for many days on a larger cluster; of its runs nothing asks by itself."""
    return dg.define_asset_job(
        BACKFILL_DAYS,
        _with_checks(_OF_A_DAY, _OBSERVED),
        description="For a backfill of many past days on a cluster with room: the same as `close_day`, but "
        "each step is a pod of its own, with its own memory. What a lost pod leaves undone is done again "
        "without the steps before it (re-execute from failure).",
        metadata={"owner": OWNER},
        tags={**_limits(timedelta(hours=2)), Tag.KUBERNETES: RUN_POD},
        executor_def=pod_for_each_step,
    )


def _job(
    name: str,
    selection: dg.AssetSelection,
    description: str,
    longest: timedelta,
    memory: _Memory | None = None,
) -> dg.UnresolvedAssetJobDefinition:
    """Returns a job that is ended after its longest time."""
    return dg.define_asset_job(
        name,
        selection,
        description=description,
        # Not the parameter `owners`, which is beta.
        metadata={"owner": OWNER},
        tags=_limits(longest, memory),
    )


def _with_checks(computed: Sequence[dg.AssetKey], observed: Sequence[dg.AssetKey] = ()) -> dg.AssetSelection:
    """Returns assets with their checks, and the checks alone of what others make."""
    return dg.AssetSelection.assets(*computed) | dg.AssetSelection.checks_for_assets(*observed)


def _limits(longest: timedelta, memory: _Memory | None = None) -> dict[str, Any]:
    """Returns tags of runs: longest time, and the memory of the run's pod where a run launcher makes one."""
    tags: dict[str, Any] = {Tag.MAX_RUNTIME: str(int(longest.total_seconds()))}
    if memory is not None:
        resources = {"requests": {"memory": memory.expected}, "limits": {"memory": memory.most}}
        tags[Tag.KUBERNETES] = {"container_config": {"resources": resources}}
    return tags
