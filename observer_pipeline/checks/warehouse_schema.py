"""What is promised of the schema of PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from observer_pipeline import keys

if TYPE_CHECKING:
    from observer_core.warehouse import Readiness

_MOST_SHOWN = 50

PARTITIONS_AHEAD = dg.AssetCheckSpec(
    name="partitions_ahead",
    asset=keys.WAREHOUSE_SCHEMA,
    description="Every table has a partition for today and for each of the next ten trading days: a load of "
    "a day needs the right to write rows only, and no load waits for a table to be made.",
)
ROLES_HAVE_RIGHTS = dg.AssetCheckSpec(
    name="roles_have_rights",
    asset=keys.WAREHOUSE_SCHEMA,
    description="The groups of writers and readers exist and have their rights on every table, partitions "
    "of days to come included. A warning: the pipeline works as the owner; people who read are kept out.",
)

CHECKS = [PARTITIONS_AHEAD, ROLES_HAVE_RIGHTS]


def judge(found: Readiness) -> Iterator[dg.AssetCheckResult]:
    """Yields the verdicts on what the database has."""
    wanted = f"partitions of {len(found.days)} days"
    missing = found.missing_partitions
    yield dg.AssetCheckResult(
        asset_key=keys.WAREHOUSE_SCHEMA,
        check_name=PARTITIONS_AHEAD.name,
        passed=not missing,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{len(missing)} partitions up to {found.days[-1]} are missing."
        if missing
        else f"All {wanted} are there, up to {found.days[-1]}.",
        metadata={"bound": wanted, "observed": f"{len(missing)} missing", "offenders": _listed(missing)},
    )
    access = found.access
    offenders = (*access.missing, *access.unreadable)
    yield dg.AssetCheckResult(
        asset_key=keys.WAREHOUSE_SCHEMA,
        check_name=ROLES_HAVE_RIGHTS.name,
        passed=access.complete,
        severity=dg.AssetCheckSeverity.WARN,
        description=access.remedy or "Writers and readers have their rights on every table.",
        metadata={
            "bound": "2 groups",
            "observed": f"{len(offenders)} missing",
            "offenders": _listed(offenders),
        },
    )


def _listed(names: tuple[str, ...]) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        [dg.TableRecord({"missing": str(name)}) for name in names[:_MOST_SHOWN]],
        schema=dg.TableSchema.from_name_type_dict({"missing": "text"}),
    )
