"""PostgreSQL is ready before the day begins: versions applied, rights given, partitions made ahead.

Invariant: this step does nothing that a load would not do for itself; it does it earlier, under the rights of
the tables' owner, so that a load needs no more than a writer may.
"""

# Dagster compares the annotation of `context` itself, so annotations are not postponed here.

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from observer_pipeline import keys
from observer_pipeline.checks.warehouse_schema import CHECKS, judge
from observer_pipeline.declaration import declare
from observer_pipeline.failures import DATABASE_RETRIES, retried, typed_failures
from observer_pipeline.resources import Deployment
from observer_pipeline.vocabulary import Group

if TYPE_CHECKING:
    from observer_core.warehouse import Prepared, Readiness


def warehouse_schema_assets() -> list[dg.AssetsDefinition]:
    """Returns the asset of the schema, with its checks."""
    made = dg.multi_asset(
        name="warehouse_schema",
        specs=[_spec()],
        check_specs=CHECKS,
        can_subset=True,
    )
    return [made(_prepare)]


def _spec() -> dg.AssetSpec:
    return declare(
        keys.WAREHOUSE_SCHEMA,
        Group.WAREHOUSE,
        "The schema `observer` of PostgreSQL: its versions, the groups that may write and read it, and a "
        "partition of every table for today and the next trading days. A version that would remove "
        "something stops here. Right when no version is missing, every table is readable by its readers, "
        "and no partition is missing.",
        kinds=("postgres",),
        code_version="1",
        skippable=True,
        fresh_within=timedelta(hours=26),
    )


def _prepare(
    context: dg.AssetExecutionContext, deployment: Deployment
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    from observer_core import warehouse  # noqa: PLC0415 - loads polars and SQLAlchemy

    today = deployment.instant.date()
    engine = warehouse.connect(deployment.settings.database)
    with retried(context, DATABASE_RETRIES), typed_failures():
        done = warehouse.prepare(engine, today)
        found = warehouse.readiness(engine, today)
    context.log.info(
        f"Versions applied: {', '.join(done.versions) or 'none, all were there'}; "
        f"{len(done.partitions)} partitions made, up to {found.days[-1]}."
    )
    yield dg.MaterializeResult(asset_key=keys.WAREHOUSE_SCHEMA, metadata=_metadata(done, found))
    yield from judge(found)


def _metadata(done: "Prepared", found: "Readiness") -> dict[str, dg.MetadataValue]:
    return {
        "versions_applied": dg.MetadataValue.text(", ".join(done.versions) or "none"),
        "partitions_made": dg.MetadataValue.int(len(done.partitions)),
        "partitions_missing": dg.MetadataValue.int(len(found.missing_partitions)),
        "last_day": dg.MetadataValue.text(found.days[-1].isoformat()),
        "roles_missing": dg.MetadataValue.int(len(found.access.missing)),
        "rights_missing": dg.MetadataValue.int(len(found.access.unreadable)),
    }
