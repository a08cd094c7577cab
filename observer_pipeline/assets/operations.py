"""The close of a trading day.

Invariant: a day is closed after its last data and never before; closing it again takes late segments in
and changes nothing else.
"""

# Dagster compares the annotation of `context` itself, so annotations are not postponed here.

from collections.abc import Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING

import dagster as dg

from observer_core.lake.schemas import JOURNAL_TABLES, Table
from observer_core.market.calendar import MarketCalendar
from observer_core.settings.paths import Paths
from observer_pipeline import keys
from observer_pipeline.charts import day_picture
from observer_pipeline.declaration import declare
from observer_pipeline.failures import typed_failures
from observer_pipeline.partitions import ONE_DAY_A_RUN, day_of
from observer_pipeline.resources import Deployment
from observer_pipeline.vocabulary import ROW_COUNT, Group

if TYPE_CHECKING:
    from observer_core.lake.days import DayResult

_DRAWN = {"trades": Table.SCALP_TRADES, "books": Table.SCALP_QUOTES, "sweep rows": Table.SWING_SNAPSHOTS}
_SYMBOLS_DRAWN = 60


def operations_assets(days: dg.PartitionsDefinition[str]) -> list[dg.AssetsDefinition]:
    """Returns the assets of the group `operations`."""
    close = dg.multi_asset(backfill_policy=ONE_DAY_A_RUN, name="day_close", specs=[_day_close_spec(days)])
    return [close(_close_day)]


def _day_close_spec(days: dg.PartitionsDefinition[str]) -> dg.AssetSpec:
    return declare(
        keys.DAY_CLOSE,
        Group.OPERATIONS,
        "The close of a day: one Parquet file a table in place of its hours, and the account of every line "
        "the collector has sealed. From the lake's hours; PostgreSQL is not asked, so that its outage "
        "leaves no day open. Right when journal = lake + quarantine and nothing of the day waits.",
        kinds=("parquet",),
        deps=(*(keys.LAKE[table] for table in JOURNAL_TABLES), keys.BARS),
        days=days,
        code_version="1",
    )


def _close_day(
    context: dg.AssetExecutionContext, deployment: Deployment
) -> Iterator[dg.MaterializeResult[None]]:
    from observer_core.lake.days import close_day  # noqa: PLC0415 - loads polars

    day, paths = day_of(context.partition_key), deployment.paths
    require_end_of_data(day, deployment.instant)
    with typed_failures():
        closed = close_day(paths, day)
    context.log.info(
        f"{day} is closed: {closed.records:,} records journaled, {closed.quarantined:,} of them quarantined, "
        f"{closed.bars.rows:,} bars, {len(closed.files)} files."
    )
    yield dg.MaterializeResult(asset_key=keys.DAY_CLOSE, metadata=_metadata(closed, paths))


def require_end_of_data(day: date, now: datetime) -> None:
    """Refuses to close or to compare a day whose data still comes.

    Raises:
        Failure: The last data is not due yet.
    """
    session = MarketCalendar().session(day)
    if now < session.at(session.data_ends):
        raise dg.Failure(
            f"The data of {day} ends at {session.data_ends:%H:%M}, and it is {now:%Y-%m-%d %H:%M} in Korea. "
            "Ask for compact_hours during the day.",
            allow_retries=False,
        )


def _metadata(closed: "DayResult", paths: Paths) -> dict[str, dg.MetadataValue]:
    rows = [
        dg.TableRecord(
            {
                "table": str(table),
                "rows": closed.rows.get(str(table), 0),
                "bytes": path.stat().st_size,
                "file": str(path),
            }
        )
        for table, path in sorted(closed.files.items())
    ]
    return {
        ROW_COUNT: dg.MetadataValue.int(closed.records),
        "quarantined": dg.MetadataValue.int(closed.quarantined),
        "bars": dg.MetadataValue.int(closed.bars.rows),
        "bytes": dg.MetadataValue.int(sum(path.stat().st_size for path in closed.files.values())),
        "segments_still_open": dg.MetadataValue.int(len(closed.unsealed)),
        "files": dg.MetadataValue.table(
            rows,
            schema=dg.TableSchema.from_name_type_dict(
                {"table": "text", "rows": "int", "bytes": "int", "file": "text"}
            ),
        ),
        "path": dg.MetadataValue.path(str(paths.lake)),
        "picture": dg.MetadataValue.md(_picture(paths, closed.day)),
    }


def _picture(paths: Paths, day: date) -> str:
    from observer_core.lake import readers  # noqa: PLC0415 - loads polars
    from observer_pipeline.checks import figures  # noqa: PLC0415 - as above

    per_minute = {
        kind: figures.rows_by_minute(readers.scan(paths, table, day)) for kind, table in _DRAWN.items()
    }
    coverage = figures.minutes_traded(readers.scan(paths, Table.BARS_1M, day), most=_SYMBOLS_DRAWN)
    return day_picture(per_minute, coverage)
