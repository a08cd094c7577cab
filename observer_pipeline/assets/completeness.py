"""Whether a day's trades are all there, at a glance.

Invariant: the figures stand in the materialization; nothing is computed from them. The picture shows the
same numbers as the table beside it.
"""

# Dagster compares the annotation of `context` itself, so annotations are not postponed here.

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from observer_core.lake.columns import Column, ColumnType, TableSchema
from observer_core.lake.schemas import Table
from observer_pipeline import keys
from observer_pipeline.charts import completeness_picture
from observer_pipeline.checks.contract import result_of
from observer_pipeline.checks.rules.completeness import nothing_missing
from observer_pipeline.declaration import declare
from observer_pipeline.failures import typed_failures
from observer_pipeline.partitions import day_of
from observer_pipeline.resources import Deployment
from observer_pipeline.vocabulary import ROW_COUNT, Group

if TYPE_CHECKING:
    from observer_pipeline.completeness import SymbolCompleteness

_SHOWN = 50
_DRAWN = 40

_SCHEMA = TableSchema(
    "completeness",
    "One symbol's trades of the day: what was received, filled in and lost.",
    (
        Column("symbol", ColumnType.TEXT, "Short code.", required=True),
        Column("captured", ColumnType.INTEGER, "Shares of the trades received.", "shares", required=True),
        Column("holes", ColumnType.INTEGER, "Breaks of the cumulative volume.", required=True),
        Column("missed", ColumnType.INTEGER, "Shares traded in holes.", "shares", required=True),
        Column("filled", ColumnType.INTEGER, "Of these, asked for later.", "shares", required=True),
        Column("missing", ColumnType.INTEGER, "Of these, lost.", "shares", required=True),
        Column("complete", ColumnType.DECIMAL, "Share of what was traded that is there.", "%", required=True),
        Column("since", ColumnType.TEXT, "Korean time at which the first hole began."),
        Column("until", ColumnType.TEXT, "Korean time at which the last hole ended."),
        Column("reasons", ColumnType.TEXT, "Reason and number of its holes."),
    ),
    sort_key=("symbol",),
    unique_key=("symbol",),
)

NOTHING_MISSING = dg.AssetCheckSpec(
    name="nothing_missing",
    asset=keys.COMPLETENESS,
    description="No share traded in a hole is still missing after what was asked for later. A warning: the "
    "hole itself is judged by `no_holes`, and what the broker no longer serves cannot be had.",
)


def completeness_assets(days: dg.PartitionsDefinition[str]) -> list[dg.AssetsDefinition]:
    """Returns the asset that tells whether a day is complete."""
    made = dg.multi_asset(name="completeness", specs=[_spec(days)], check_specs=[NOTHING_MISSING])
    return [made(_judge_day)]


def _spec(days: dg.PartitionsDefinition[str]) -> dg.AssetSpec:
    return declare(
        keys.COMPLETENESS,
        Group.OPERATIONS,
        "A row is one symbol's day: shares captured, missed in holes, filled in later, and missing, with "
        "since when, until when and why. From trades, holes and executions in the lake; the figures stand in "
        "the materialization, the worst symbols first, with a picture. Right when nothing is missing.",
        kinds=("polars", "matplotlib"),
        deps=(
            keys.LAKE[Table.SCALP_TRADES],
            keys.LAKE[Table.BACKFILL_TRADES],
            keys.LAKE[Table.GAPS],
            keys.BARS,
        ),
        days=days,
        schema=_SCHEMA,
        code_version="1",
    )


def _judge_day(
    context: dg.AssetExecutionContext, deployment: Deployment
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[None]]:
    from observer_core.lake.readers import scan  # noqa: PLC0415 - loads polars
    from observer_pipeline.checks.figures import minutes_traded  # noqa: PLC0415 - as above
    from observer_pipeline.completeness import completeness_of  # noqa: PLC0415 - as above

    day, paths = day_of(context.partition_key), deployment.paths
    with typed_failures():
        found = completeness_of(paths, day)
        traded = minutes_traded(scan(paths, Table.BARS_1M, day), most=_DRAWN)
    missing = {one.symbol: one.missing for one in found if one.missing}
    total = sum(one.captured + one.missed for one in found)
    context.log.info(
        f"{day}: {sum(missing.values()):,} of {total:,} shares of {len(found)} symbols are missing."
    )
    yield result_of(nothing_missing(missing, traded=total), NOTHING_MISSING.key, day)
    yield dg.MaterializeResult(
        asset_key=keys.COMPLETENESS,
        metadata={
            ROW_COUNT: dg.MetadataValue.int(len(found)),
            "captured_shares": dg.MetadataValue.int(sum(one.captured for one in found)),
            "missed_shares": dg.MetadataValue.int(sum(one.missed for one in found)),
            "filled_shares": dg.MetadataValue.int(sum(min(one.filled, one.missed) for one in found)),
            "missing_shares": dg.MetadataValue.int(sum(missing.values())),
            "complete_percent": dg.MetadataValue.float(
                100 * (1 - sum(missing.values()) / total) if total else 100.0
            ),
            "symbols": dg.MetadataValue.table(_records(found[:_SHOWN])),
            "picture": dg.MetadataValue.md(completeness_picture(found[:_DRAWN], traded)),
        },
    )


def _records(found: "Sequence[SymbolCompleteness]") -> list[dg.TableRecord]:
    return [
        dg.TableRecord(
            {
                "symbol": one.symbol,
                "captured": one.captured,
                "holes": one.holes,
                "missed": one.missed,
                "filled": one.filled,
                "missing": one.missing,
                "complete": round(100 * one.share, 3),
                "since": one.first_hole,
                "until": one.last_hole,
                "reasons": ", ".join(f"{why} {n}" for why, n in sorted((one.reasons or {}).items())),
            }
        )
        for one in found
    ]
