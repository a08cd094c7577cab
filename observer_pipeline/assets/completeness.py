"""Whether a day's trades are all there, at a glance.

Invariant: the figures stand in the lake's table, and the same ones in the materialization; the picture shows
the numbers of the table beside it.
"""

# Dagster compares the annotation of `context` itself, so annotations are not postponed here.

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from observer_core.clock.base import KST
from observer_core.journal.departed import manifests_of
from observer_core.lake.schemas import SCHEMAS, Table
from observer_core.market.calendar import MarketCalendar
from observer_core.settings.paths import Track
from observer_pipeline import keys
from observer_pipeline.assets.lake import data_version, table_metadata
from observer_pipeline.charts import completeness_picture
from observer_pipeline.checks.contract import result_of
from observer_pipeline.checks.rules.completeness import nothing_missing
from observer_pipeline.checks.rules.sessions import expected_hours
from observer_pipeline.declaration import declare
from observer_pipeline.failures import typed_failures
from observer_pipeline.partitions import ONE_DAY_A_RUN, day_of
from observer_pipeline.resources import Deployment
from observer_pipeline.vocabulary import Group

if TYPE_CHECKING:
    import polars as pl

_SHOWN = 50
_DRAWN = 40

NOTHING_MISSING = dg.AssetCheckSpec(
    name="nothing_missing",
    asset=keys.COMPLETENESS,
    description="No share that was for us to record is missing after what was asked for later, be it in a "
    "hole or at the begin or the end of the day, and no trading hour is without any record. That the reason "
    "is known changes nothing: an outage is ours. A warning, for the hole itself is judged by `no_holes`, "
    "the silent hour by `trading_hours_recorded`; an error above 1 % of the shares.",
)


def completeness_assets(days: dg.PartitionsDefinition[str]) -> list[dg.AssetsDefinition]:
    """Returns the asset that tells whether a day is complete."""
    made = dg.multi_asset(
        name="completeness",
        specs=[_spec(days)],
        check_specs=[NOTHING_MISSING],
        backfill_policy=ONE_DAY_A_RUN,
    )
    return [made(_judge_day)]


def _spec(days: dg.PartitionsDefinition[str]) -> dg.AssetSpec:
    return declare(
        keys.COMPLETENESS,
        Group.OPERATIONS,
        f"{SCHEMAS[Table.COMPLETENESS].description} With since when, until when and why. From trades, holes "
        "and executions in the lake, and from the broker's official figures once they are there, as a "
        "Parquet table beside them; the worst sessions stand in the materialization, with a picture of "
        "symbols and time. Right when nothing is missing.",
        kinds=("polars", "parquet", "matplotlib"),
        deps=(
            keys.LAKE[Table.SCALP_TRADES],
            keys.LAKE[Table.BACKFILL_TRADES],
            keys.LAKE[Table.GAPS],
            keys.BARS,
            # A closed day has its files at another place: the account follows it there.
            keys.DAY_CLOSE,
            keys.DAILY_OFFICIAL,
        ),
        days=days,
        schema=SCHEMAS[Table.COMPLETENESS],
        code_version="3",
    )


def _judge_day(
    context: dg.AssetExecutionContext, deployment: Deployment
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[None]]:
    from observer_core.lake.completeness import build_completeness  # noqa: PLC0415 - loads polars
    from observer_core.lake.readers import scan  # noqa: PLC0415 - as above
    from observer_pipeline.checks.figures import minutes_traded  # noqa: PLC0415 - as above
    from observer_pipeline.completeness import by_symbol  # noqa: PLC0415 - as above

    day, paths = day_of(context.partition_key), deployment.paths
    with typed_failures():
        found = build_completeness(paths, day)
        symbols = by_symbol(found)
        traded = minutes_traded(scan(paths, Table.BARS_1M, day), most=_DRAWN)
        metadata = table_metadata(paths, Table.COMPLETENESS, day)
        silent = _silent_hours(deployment, day)
    missing = {one.symbol: one.missing for one in symbols if one.missing}
    sums = found.rows.sum()
    total = sums["volume"].item() + max(sums["hole_volume"].item(), sums["backfilled_volume"].item())
    context.log.info(
        f"{day}: {sum(missing.values()):,} of {total:,} shares of {len(symbols)} symbols are missing."
    )
    verdict = nothing_missing(
        missing, traded=total, silent_hours=silent, reasons=found.missing_by_reason, known=found.measured
    )
    yield result_of(verdict, NOTHING_MISSING.key, day)
    yield dg.MaterializeResult(
        asset_key=keys.COMPLETENESS,
        metadata={
            **metadata,
            **_sums(sums, total, known=found.measured or not silent),
            "hours_without_records": dg.MetadataValue.text(_hours(silent) or "none"),
            "missing_by_reason": dg.MetadataValue.json(dict(found.missing_by_reason)),
            "not_ours_to_record": dg.MetadataValue.json(dict(found.apart)),
            "symbols": dg.MetadataValue.table(_worst(found.rows)) if symbols else "nothing recorded",
            "picture": dg.MetadataValue.md(completeness_picture(symbols[:_DRAWN], traded)),
        },
        data_version=data_version(paths, Table.COMPLETENESS, day),
    )


def _silent_hours(deployment: Deployment, day: date) -> list[int]:
    """Returns the trading hours that are over and have no record of the scalp track."""
    records = Counter[int]()
    for manifest in manifests_of(deployment.paths, Track.SCALP, day):
        records[manifest.hour] += manifest.records
    expected = expected_hours(MarketCalendar().session(day), deployment.instant)
    return [hour.hour for hour in expected if not records[hour.hour]]


def _hours(silent: Sequence[int]) -> str:
    return ", ".join(f"{hour:02d}:00" for hour in silent)


def _sums(sums: "pl.DataFrame", total: int, *, known: bool) -> dict[str, dg.MetadataValue]:
    """Returns the account of all shares that were for us to record, and what of them is there.

    Args:
        sums: The sums of the table.
        total: All of them.
        known: Whether they are all: of a day with a silent hour nobody knows the whole, until the broker has
            stated it.
    """
    missing, explained = sums["missing_volume"].item(), sums["explained_volume"].item()
    percent = (
        {
            "complete_percent": dg.MetadataValue.float(100 * (1 - missing / total)),
            "explained_percent": dg.MetadataValue.float(100 * explained / total),
            "unexplained_percent": dg.MetadataValue.float(100 * (missing - explained) / total),
        }
        if known and total
        else {}
    )
    return {
        "shares_to_record": dg.MetadataValue.int(total),
        "captured_shares": dg.MetadataValue.int(sums["volume"].item()),
        "missed_shares": dg.MetadataValue.int(sums["hole_volume"].item()),
        "filled_shares": dg.MetadataValue.int(sums["backfilled_volume"].item()),
        "explained_shares": dg.MetadataValue.int(explained),
        "missing_shares": dg.MetadataValue.int(missing),
        **percent,
    }


def _worst(rows: "pl.DataFrame") -> list[dg.TableRecord]:
    order = ["missing_volume", "hole_volume", "volume", "symbol", "session"]
    worst = rows.sort(order, descending=[True, True, True, False, False]).head(_SHOWN)
    return [dg.TableRecord(_shown(row)) for row in worst.iter_rows(named=True)]


def _shown(row: dict[str, Any]) -> dict[str, str | int | float]:
    coverage = row["coverage"]
    return {
        "symbol": row["symbol"],
        "venue": row["venue"],
        "session": row["session"],
        "captured": row["volume"],
        "holes": row["holes"],
        "missed": row["hole_volume"],
        "filled": row["backfilled_volume"],
        "missing": row["missing_volume"],
        "explained": row["explained_volume"],
        "complete": round(100 * (1.0 if coverage is None else coverage), 3),
        "since": _korean(row["first_hole_at"]),
        "until": _korean(row["last_hole_at"]),
        "reasons": row["reasons"],
    }


def _korean(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment.astimezone(KST):%H:%M:%S}"
