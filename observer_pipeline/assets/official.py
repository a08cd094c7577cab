"""The broker's official daily figures, and what comparing with them gives.

Invariant: a broker that does not answer fails no step and leaves no day open: it is told as what it is, and
another close of the day asks again.
"""

# Dagster compares the annotation of `context` itself, so annotations are not postponed here.

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from observer_core.accounting.compared import Outcome
from observer_core.accounting.reconciliation import share_explained
from observer_core.brokers.kis.rest import KisRestClient
from observer_core.clock.running import RunningClock
from observer_core.lake.schemas import SCHEMAS, Table
from observer_pipeline import keys
from observer_pipeline.assets.credentials import BROKER_POOL
from observer_pipeline.assets.lake import table_metadata
from observer_pipeline.assets.operations import require_end_of_data
from observer_pipeline.checks.contract import result_of
from observer_pipeline.checks.rules.official import figures_stated
from observer_pipeline.declaration import declare
from observer_pipeline.failures import typed_failures
from observer_pipeline.partitions import ONE_DAY_A_RUN, day_of
from observer_pipeline.resources import Deployment
from observer_pipeline.vocabulary import Group

if TYPE_CHECKING:
    from observer_core.accounting.compared import Reconciled
    from observer_core.lake.official import OfficialRow

_SHOWN = 60

FIGURES_STATED = dg.AssetCheckSpec(
    name="figures_stated",
    asset=keys.DAILY_OFFICIAL,
    description="The broker stated its figures for every symbol and venue that was recorded, and answered "
    "for those of the selection without a trade. A warning, for it is no fault of ours: "
    "`official_figures_agree` compares what there is.",
)


def official_assets(days: dg.PartitionsDefinition[str]) -> list[dg.AssetsDefinition]:
    """Returns the asset of the official figures."""
    made = dg.multi_asset(
        backfill_policy=ONE_DAY_A_RUN,
        name="daily_official",
        specs=[_spec(days)],
        check_specs=[FIGURES_STATED],
        pool=BROKER_POOL,
    )
    return [made(_ask)]


def _spec(days: dg.PartitionsDefinition[str]) -> dg.AssetSpec:
    return declare(
        keys.DAILY_OFFICIAL,
        Group.LAKE,
        f"{SCHEMAS[Table.DAILY_OFFICIAL].description} One request for each symbol and venue that has a trade "
        "or was in the day's selection, after the last data. With it stands how captured and filled-in "
        "shares compare with the broker's: each difference has a reason out of a closed list, or it is "
        "unexplained. Right when the broker has stated every figure.",
        kinds=("http", "parquet"),
        deps=(
            keys.KIS_REST,
            keys.LAKE[Table.SCALP_TRADES],
            keys.LAKE[Table.BACKFILL_TRADES],
            keys.LAKE[Table.GAPS],
        ),
        days=days,
        schema=SCHEMAS[Table.DAILY_OFFICIAL],
        code_version="2",
    )


def _ask(
    context: dg.AssetExecutionContext, deployment: Deployment
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[None]]:
    from observer_core.lake.official import write_official  # noqa: PLC0415 - loads polars
    from observer_core.lake.reconciling import pairs_to_compare, reconcile_day  # noqa: PLC0415 - as above
    from observer_core.reference.daily_official import ask_official  # noqa: PLC0415 - as above

    day, paths = day_of(context.partition_key), deployment.paths
    require_end_of_data(day, deployment.instant)
    with typed_failures():
        pairs = pairs_to_compare(paths, day)

        async def ask() -> "list[OfficialRow]":
            # A conductor may have stopped time for this very run; the broker's pace goes on.
            clock = RunningClock(deployment.clock)
            async with KisRestClient.connect(deployment.settings.kis, paths.token_cache, clock) as charts:
                return await ask_official(charts, pairs, day, clock)

        rows = write_official(paths, day, asyncio.run(ask()) if pairs else [])
        compared = reconcile_day(paths, day)
    why = {(row.symbol, row.venue.value): row.error or row.answer.value for row in rows}
    unanswered = {
        f"{one.symbol} {one.venue}": why[one.symbol, one.venue]
        for one in compared
        if one.outcome is Outcome.NOT_ANSWERED
    }
    asked = len(compared)
    context.log.info(
        f"{day}: {asked - len(unanswered)} of {asked} official figures stated; {_told(compared)}."
    )
    yield result_of(figures_stated(unanswered, asked=asked), FIGURES_STATED.key, day)
    yield dg.MaterializeResult(
        asset_key=keys.DAILY_OFFICIAL,
        metadata={
            **table_metadata(paths, Table.DAILY_OFFICIAL, day),
            **_shares(compared),
            "reasons": dg.MetadataValue.json(_reasons(compared)),
            "comparison": dg.MetadataValue.table(_records(compared)) if compared else "nothing recorded",
        },
    )


def _answered(compared: "Sequence[Reconciled]") -> "list[Reconciled]":
    return [one for one in compared if one.official is not None]


def _told(compared: "Sequence[Reconciled]") -> str:
    if not _answered(compared):
        return "nothing was compared"
    return f"{share_explained(compared):.4%} of the shares compared are captured or explained"


def _shares(compared: "Sequence[Reconciled]") -> dict[str, dg.MetadataValue]:
    """Returns the sums of what was compared; none where nothing was."""
    if not _answered(compared):
        return {}
    return {
        "explained_percent": dg.MetadataValue.float(100 * share_explained(compared)),
        "unexplained_shares": dg.MetadataValue.int(sum(one.unexplained for one in compared)),
    }


def _reasons(compared: "Sequence[Reconciled]") -> dict[str, int]:
    """Returns reason -> shares, over all symbols."""
    shares: Counter[str] = Counter()
    for one in compared:
        shares.update({reason.value: count for reason, count in one.reasons.items()})
    return dict(sorted(shares.items()))


def _records(compared: "Sequence[Reconciled]") -> list[dg.TableRecord]:
    worst = sorted(compared, key=lambda one: (-one.unexplained, -sum(one.reasons.values()), one.symbol))
    return [
        dg.TableRecord(
            {
                "symbol": one.symbol,
                "venue": one.venue,
                "outcome": one.outcome.value,
                "official": -1 if one.official is None else one.official,
                "captured": one.captured,
                "unexplained": one.unexplained,
                "reasons": ", ".join(f"{why} {shares}" for why, shares in one.reasons.items()),
                "differs": ", ".join(
                    f"{two.figure} {two.ours} for {two.official}" for two in one.differences
                ),
            }
        )
        for one in worst[:_SHOWN]
    ]
