"""What is listed, day by day, and what happened to it.

Invariant: both tables are made from files that are kept, so that a backfill of any day gives the same rows; a
day without them is left out and not filled with a neighbour's.
"""

# Dagster compares the annotation of `context` itself, so annotations are not postponed here.

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from observer_core.lake.schemas import SCHEMAS, Table
from observer_pipeline import keys
from observer_pipeline.assets.lake import data_version, table_metadata
from observer_pipeline.declaration import declare
from observer_pipeline.failures import typed_failures
from observer_pipeline.partitions import ONE_DAY_A_RUN, day_of
from observer_pipeline.resources import Deployment
from observer_pipeline.vocabulary import Group

if TYPE_CHECKING:
    from observer_core.lake.instruments import ActionsResult


def instrument_assets(days: dg.PartitionsDefinition[str]) -> list[dg.AssetsDefinition]:
    """Returns the dated tables of the group `reference`."""
    instruments = dg.multi_asset(
        backfill_policy=ONE_DAY_A_RUN, name="instruments", specs=[_instruments_spec(days)]
    )
    actions = dg.multi_asset(
        backfill_policy=ONE_DAY_A_RUN, name="corporate_actions", specs=[_actions_spec(days)]
    )
    return [instruments(_build_instruments), actions(_build_actions)]


def _instruments_spec(days: dg.PartitionsDefinition[str]) -> dg.AssetSpec:
    return declare(
        keys.INSTRUMENTS,
        Group.REFERENCE,
        f"{SCHEMAS[Table.INSTRUMENTS].description} From the day's symbols, with what the kept master files "
        "tell beyond them: flags, face value, capital, day of listing. A Parquet file a day, so that a "
        "question about a past day gets that day's answer. Right when it has the day's symbols, each once.",
        kinds=("parquet", "polars"),
        # Not from the master files: where those are left out, Dagster would leave this one out too.
        deps=(keys.SYMBOLS,),
        days=days,
        schema=SCHEMAS[Table.INSTRUMENTS],
        code_version="1",
    )


def _actions_spec(days: dg.PartitionsDefinition[str]) -> dg.AssetSpec:
    return declare(
        keys.CORPORATE_ACTIONS,
        Group.REFERENCE,
        f"{SCHEMAS[Table.CORPORATE_ACTIONS].description} From the flags of the master files; from base "
        "prices that are not the previous close of the day's sweep, or moved further than a limit allows; "
        "and from what differs from the trading day before. Made at the day's close; left out where the day "
        "has no instruments. Right when few prices were set anew, and each has its flag.",
        kinds=("parquet", "polars"),
        deps=(keys.INSTRUMENTS, keys.LAKE[Table.SWING_SNAPSHOTS]),
        days=days,
        schema=SCHEMAS[Table.CORPORATE_ACTIONS],
        code_version="1",
        skippable=True,
    )


def _build_instruments(
    context: dg.AssetExecutionContext, deployment: Deployment
) -> Iterator[dg.MaterializeResult[None]]:
    from observer_core.lake.instruments import build_instruments  # noqa: PLC0415 - loads polars

    day, paths = day_of(context.partition_key), deployment.paths
    with typed_failures():
        built = build_instruments(paths, day)
        metadata = table_metadata(paths, Table.INSTRUMENTS, day)
    context.log.info(f"{built.rows:,} instruments of {day} from {built.source}.")
    yield dg.MaterializeResult(
        asset_key=keys.INSTRUMENTS,
        metadata={**metadata, "source": built.source, "from_master_files": built.from_master},
        data_version=data_version(paths, Table.INSTRUMENTS, day),
    )


def _build_actions(
    context: dg.AssetExecutionContext, deployment: Deployment
) -> Iterator[dg.MaterializeResult[None]]:
    from observer_core.lake.instruments import build_corporate_actions  # noqa: PLC0415 - loads polars

    day, paths = day_of(context.partition_key), deployment.paths
    with typed_failures():
        built = build_corporate_actions(paths, day)
        if built is None:
            context.log.warning(f"The lake has no instruments of {day}: run refresh_reference for it.")
            return
        metadata = table_metadata(paths, Table.CORPORATE_ACTIONS, day)
    before = built.compared_with or "no day: the one before has no instruments"
    context.log.info(f"{len(built.actions):,} corporate actions of {day}, compared with {before}.")
    yield dg.MaterializeResult(
        asset_key=keys.CORPORATE_ACTIONS,
        metadata={**metadata, **_actions_metadata(built)},
        data_version=data_version(paths, Table.CORPORATE_ACTIONS, day),
    )


def _actions_metadata(built: "ActionsResult") -> dict[str, dg.MetadataValue]:
    kinds = Counter(action.kind.value for action in built.actions)
    return {
        "compared_with": dg.MetadataValue.text(str(built.compared_with or "none")),
        "previous_closes": dg.MetadataValue.int(built.closes),
        "kinds": dg.MetadataValue.table(
            [dg.TableRecord({"kind": kind, "actions": count}) for kind, count in sorted(kinds.items())],
            schema=dg.TableSchema.from_name_type_dict({"kind": "text", "actions": "int"}),
        ),
    }
