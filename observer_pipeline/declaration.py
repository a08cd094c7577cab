"""How an asset is declared.

Invariant: an asset cannot be declared without what a reader of the graph needs: what a row is, where
it comes from and when it is right; group, owner, kinds, and columns where it is a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import dagster as dg

from observer_core.lake.columns import TableSchema
from observer_pipeline.lineage import column_lineage
from observer_pipeline.metadata import column_schema
from observer_pipeline.vocabulary import COLUMN_LINEAGE, COLUMN_SCHEMA, OWNER, TABLE_NAME, Group, Tag


def declare(
    key: dg.AssetKey,
    group: Group,
    description: str,
    *,
    kinds: Sequence[str],
    deps: Sequence[dg.AssetKey] = (),
    days: dg.PartitionsDefinition[str] | None = None,
    schema: TableSchema | None = None,
    code_version: str | None = None,
    skippable: bool = False,
    relation: str = "",
    fresh_within: timedelta | None = None,
) -> dg.AssetSpec:
    """Returns the declaration of an asset.

    Args:
        key: Its key.
        group: Its part of the way from the broker to the day's close.
        description: What a row or file is, where it comes from, when it is right.
        kinds: What it is made of or with; Dagster shows three.
        deps: What it is made from.
        days: Its partitions; None where it does not belong to a trading day.
        schema: Its columns, where it is a table.
        code_version: Raised by hand when the same input gives another result; None where we do not make it.
        skippable: Whether a successful run may leave it out.
        relation: Schema and name of its table in PostgreSQL, where it has one.
        fresh_within: How often it must be made at the least, of what is made on days of rest too. Dagster's
            freshness knows no holidays: what belongs to a trading day has a check of its own instead.
    """
    metadata: dict[str, dg.TableSchema | dg.TableColumnLineage | str] = {}
    if schema is not None:
        metadata[COLUMN_SCHEMA] = column_schema(schema)
        lineage = column_lineage(key, schema)
        if lineage is not None:
            metadata[COLUMN_LINEAGE] = lineage
    if relation:
        metadata[TABLE_NAME] = relation
    return dg.AssetSpec(
        key,
        deps=list(deps),
        description=description,
        group_name=group.value,
        owners=[OWNER],
        kinds=set(kinds),
        tags={Tag.LAYER: group.value},
        metadata=metadata,
        partitions_def=days,
        code_version=code_version,
        skippable=skippable,
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=fresh_within) if fresh_within else None,
    )
