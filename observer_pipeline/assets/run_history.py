"""What Dagster remembers of its own work, and for how long.

Invariant: nothing that the pages show of a day goes (see `run_history`); a rehearsal shows what would go and
deletes nothing.
"""

# Dagster compares the annotation of `context` itself, so annotations are not postponed here.

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg

from observer_core.clock import RealClock
from observer_pipeline import keys
from observer_pipeline.checks.results import check_result
from observer_pipeline.checks.verdict import Severity
from observer_pipeline.declaration import declare
from observer_pipeline.resources import Deployment
from observer_pipeline.run_history import MOST_A_NIGHT, Purge, purge_runs
from observer_pipeline.vocabulary import Group

NOTHING_LEFT = dg.AssetCheckSpec(
    name="history_is_bounded",
    asset=keys.RUN_HISTORY,
    description="After the purge no old run is left that holds nothing: Dagster's database grows by what "
    "is shown and not by what was ever run. A warning: a large backlog takes several nights.",
)


class PurgeConfig(dg.Config):
    """How a purge is run.

    Attributes:
        dry_run: Whether to look only: the materialization then tells what would go.
    """

    dry_run: bool = False


def run_history_assets() -> list[dg.AssetsDefinition]:
    """Returns the asset of Dagster's own history, with its check."""
    made = dg.multi_asset(name="run_history", specs=[_spec()], check_specs=[NOTHING_LEFT], can_subset=True)
    return [made(_purge)]


def _spec() -> dg.AssetSpec:
    return declare(
        keys.RUN_HISTORY,
        Group.OPERATIONS,
        "The last purge of Dagster's own database: runs and events that are old and tell of nothing that a "
        "later run does not tell too went; runs that hold the last materialization of a day stay for ever. "
        "With `dry_run` in the run's config it only shows what would go. Right when nothing old and idle is "
        "left.",
        kinds=("dagster", "postgres"),
        code_version="1",
        fresh_within=timedelta(hours=26),
    )


def _purge(
    context: dg.AssetExecutionContext, config: PurgeConfig, deployment: Deployment
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    # Dagster dates its runs by the machine's clock, whatever clock the market follows.
    before = RealClock().now() - timedelta(days=deployment.retention.runs_days)
    done = purge_runs(context.instance, before=before, rehearse=config.dry_run, most=MOST_A_NIGHT)
    verb = "would go" if config.dry_run else "went"
    context.log.info(f"Of {done.in_all:,} runs {len(done.runs):,} are old, and {done.due:,} {verb}.")
    yield dg.MaterializeResult(asset_key=keys.RUN_HISTORY, metadata=_metadata(done, dry_run=config.dry_run))
    left = done.due - len(done.gone)
    yield check_result(
        NOTHING_LEFT.key,
        passed=config.dry_run or left == 0,
        severity=Severity.WARN,
        reason="A rehearsal judges nothing."
        if config.dry_run
        else f"{left:,} runs are left for the next nights."
        if left
        else "No old run is left that holds nothing.",
        bound=0,
        observed=0 if config.dry_run else left,
    )


def _metadata(done: Purge, *, dry_run: bool) -> dict[str, dg.MetadataValue]:
    rows = [
        dg.TableRecord({"job": job, "old": old, "holding nothing": due})
        for job, (old, due) in done.jobs.items()
    ]
    columns = {"job": "text", "old": "int", "holding nothing": "int"}
    return {
        "runs_before": dg.MetadataValue.int(done.in_all),
        "old_runs": dg.MetadataValue.int(len(done.runs)),
        "due": dg.MetadataValue.int(done.due),
        "deleted": dg.MetadataValue.int(len(done.gone)),
        "dry_run": dg.MetadataValue.bool(dry_run),
        "jobs": dg.MetadataValue.table(rows, schema=dg.TableSchema.from_name_type_dict(columns)),
    }
