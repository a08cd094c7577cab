"""What has done its duty on the node goes.

Invariant: this step decides nothing; what goes and why the rest stays is the kernel's plan, shown here whole.
"""

# Dagster compares the annotation of `context` itself, so annotations are not postponed here.

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from observer_core import logs
from observer_pipeline import keys
from observer_pipeline.checks.backup import RETENTION_CHECKS, retention_checks
from observer_pipeline.declaration import declare
from observer_pipeline.failures import typed_failures
from observer_pipeline.resources import Deployment
from observer_pipeline.vocabulary import Group

if TYPE_CHECKING:
    from observer_core.retention.applying import Applied

_MOST_ROWS = 200


def retention_assets() -> list[dg.AssetsDefinition]:
    """Returns the asset of retention, with its checks."""
    retention = dg.multi_asset(
        name="retention", specs=[_retention_spec()], check_specs=RETENTION_CHECKS, can_subset=True
    )
    return [retention(_apply)]


def _retention_spec() -> dg.AssetSpec:
    return declare(
        keys.RETENTION,
        Group.OPERATIONS,
        "The last run of retention: journal of days whose close is verified and which have left the node, "
        "lake by policy, old trades of PostgreSQL by their partitions, rotated logs; and what stays, with "
        "the reason. Right when nothing that is old enough is held back by a doubt.",
        kinds=("python",),
        deps=(keys.DAY_CLOSE, keys.SHIPMENT),
        code_version="1",
        skippable=True,
        fresh_within=timedelta(hours=26),
    )


def _apply(
    context: dg.AssetExecutionContext, deployment: Deployment
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    from observer_core import warehouse  # noqa: PLC0415 - loads polars and SQLAlchemy
    from observer_core.backup.opening import open_target  # noqa: PLC0415 - loads pyarrow for a bucket
    from observer_core.retention.applying import apply  # noqa: PLC0415 - loads polars
    from observer_core.retention.departures import Departures  # noqa: PLC0415 - as above
    from observer_core.retention.facts import Node  # noqa: PLC0415 - as above

    paths = deployment.paths
    with typed_failures(), logs.also_in(paths.settings.maintenance_log_dir, program="retention"):
        node = Node(
            paths=paths,
            policy=deployment.retention,
            departures=Departures.look(paths, open_target(deployment.backup)),
            engine=warehouse.connect(deployment.settings.database),
            today=deployment.instant.date(),
        )
        applied = apply(node)
    context.log.info(f"{len(applied.gone)} holdings went, {applied.bytes:,} bytes.")
    for problem in applied.problems:
        context.log.warning(problem)
    yield dg.MaterializeResult(asset_key=keys.RETENTION, metadata=_metadata(applied))
    yield from retention_checks(applied)


def _metadata(applied: "Applied") -> dict[str, dg.MetadataValue]:
    gone = {decision.holding for decision in applied.gone}
    rows = [
        dg.TableRecord(
            {
                "subject": decision.holding.subject.value,
                "name": decision.holding.name,
                "bytes": decision.holding.bytes,
                "went": decision.holding in gone,
                "why": "; ".join(decision.reasons),
            }
        )
        for decision in sorted(applied.plan.decisions, key=lambda decision: decision.holding not in gone)
    ]
    columns = {"subject": "text", "name": "text", "bytes": "int", "went": "bool", "why": "text"}
    return {
        "holdings": dg.MetadataValue.table(
            rows[:_MOST_ROWS], schema=dg.TableSchema.from_name_type_dict(columns)
        ),
        "went": dg.MetadataValue.int(len(gone)),
        "bytes": dg.MetadataValue.int(applied.bytes),
        "held_back": dg.MetadataValue.int(len(applied.plan.held_back)),
    }
