"""What is promised of the schema of PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from observer_pipeline import keys
from observer_pipeline.checks.results import check_result
from observer_pipeline.checks.verdict import Severity

if TYPE_CHECKING:
    from observer_core.warehouse import Readiness

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
    yield check_result(
        PARTITIONS_AHEAD.key,
        passed=not missing,
        severity=Severity.ERROR,
        reason=f"{len(missing)} partitions up to {found.days[-1]} are missing."
        if missing
        else f"All {wanted} are there, up to {found.days[-1]}.",
        bound=wanted,
        observed=f"{len(missing)} missing",
        offenders=[{"missing": str(name)} for name in missing],
    )
    access = found.access
    offenders = (*access.missing, *access.unreadable)
    yield check_result(
        ROLES_HAVE_RIGHTS.key,
        passed=access.complete,
        severity=Severity.WARN,
        reason=access.remedy or "Writers and readers have their rights on every table.",
        bound="2 groups",
        observed=f"{len(offenders)} missing",
        offenders=[{"missing": str(name)} for name in offenders],
    )
