"""From sealed journal segments to Parquet tables and bars.

Invariant: an hour is compacted when the process's clock says that it is over, and all of it; the same
segments give the same files, so a rerun changes nothing. One pass over a segment gives the rows of all
tables, which is why they are made in one step.
"""

# Dagster compares the annotation of `context` itself, so annotations are not postponed here.

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime

import dagster as dg

from observer_core.clock.base import kst_datetime
from observer_core.errors import ConservationError, StorageError
from observer_core.journal.departed import manifests_of
from observer_core.journal.segment import Manifest
from observer_core.lake.schemas import JOURNAL_TABLES, SCHEMAS, Table
from observer_core.market.calendar import MarketCalendar
from observer_core.settings.paths import Paths, Track
from observer_pipeline import keys
from observer_pipeline.declaration import declare
from observer_pipeline.failures import typed_failures
from observer_pipeline.metadata import sample
from observer_pipeline.partitions import ONE_DAY_A_RUN, day_of
from observer_pipeline.resources import Deployment
from observer_pipeline.vocabulary import ROW_COUNT, Group

_JOURNALS = {Track.SCALP: keys.SCALP_JOURNAL, Track.SWING: keys.SWING_JOURNAL}

_RIGHT = {
    Table.SCALP_TRADES: "Right when no line is lost, prices keep the day's limits, and the cumulative volume "
    "of each symbol grows.",
    Table.SCALP_QUOTES: "Right when no line is lost. Books stay in the lake; PostgreSQL does not hold them.",
    Table.SWING_SNAPSHOTS: "Right when no line is lost.",
    Table.MARKET_EVENTS: "Right when no line is lost; a quiet day has none.",
    Table.BACKFILL_TRADES: "Right when no line is lost; none on a day without holes.",
    Table.RAW_RECORDS: "Right when no line is lost; none while every channel has its table.",
    Table.GAPS: "Right when it is empty: then nothing was missed.",
}


def lake_assets(days: dg.PartitionsDefinition[str]) -> list[dg.AssetsDefinition]:
    """Returns the tables of the group `lake`."""
    compaction = dg.multi_asset(
        backfill_policy=ONE_DAY_A_RUN,
        name="compaction",
        specs=[_table_spec(table, days) for table in JOURNAL_TABLES],
    )
    bars = dg.multi_asset(backfill_policy=ONE_DAY_A_RUN, name="bars", specs=[_bars_spec(days)])
    return [compaction(_compact), bars(_build_bars)]


def _table_spec(table: Table, days: dg.PartitionsDefinition[str]) -> dg.AssetSpec:
    journals = {
        Table.SWING_SNAPSHOTS: (keys.SWING_JOURNAL,),
        Table.RAW_RECORDS: (keys.SCALP_JOURNAL, keys.SWING_JOURNAL),
        Table.GAPS: (keys.SCALP_JOURNAL, keys.SWING_JOURNAL),
    }
    return declare(
        keys.LAKE[table],
        Group.LAKE,
        f"{SCHEMAS[table].description} From the sealed segments of the journal, with the identity of its "
        f"line; sorted by symbol and order of receipt. {_RIGHT[table]}",
        kinds=("parquet", "polars"),
        deps=journals.get(table, (keys.SCALP_JOURNAL,)),
        days=days,
        schema=SCHEMAS[table],
        code_version="1",
    )


def _bars_spec(days: dg.PartitionsDefinition[str]) -> dg.AssetSpec:
    return declare(
        keys.BARS,
        Group.LAKE,
        f"{SCHEMAS[Table.BARS_1M].description} From the trades of the day that the lake holds, each once; "
        "auctions apart from continuous trading. Right when its volume is that of the distinct trades.",
        kinds=("parquet", "polars"),
        deps=(keys.LAKE[Table.SCALP_TRADES],),
        days=days,
        schema=SCHEMAS[Table.BARS_1M],
        code_version="1",
    )


def hours_due(paths: Paths, day: date, now: datetime) -> list[int]:
    """Returns the hours of a day that are to be compacted now.

    During the day these are the hours that are over and completely sealed. Once the last data was due, it
    is everything that is sealed: the few lines that came on the stroke of the last hour do not wait for
    that hour's end.

    Args:
        paths: The layout.
        day: The trading day.
        now: The moment the run is about, by the process's clock.
    """
    from observer_core.lake.pending import hours_to_compact, open_hours  # noqa: PLC0415 - loads polars

    session = MarketCalendar().session(day)
    if now >= session.at(session.data_ends):
        return hours_to_compact(paths, day)
    return open_hours(paths, day, now)


def _compact(
    context: dg.AssetExecutionContext, deployment: Deployment
) -> Iterator[dg.MaterializeResult[None]]:
    from observer_core.lake.hours import compact_hour  # noqa: PLC0415 - loads polars

    day, paths = day_of(context.partition_key), deployment.paths
    with typed_failures():
        for track in Track:
            _observe_journal(context, paths, track, day)
        hours, refused = [], []
        for hour in hours_due(paths, day, deployment.instant):
            try:
                done = compact_hour(paths, day, hour)
            except (ConservationError, StorageError) as error:
                # What is wrong with one segment does not keep the other hours from the lake.
                context.log.warning(f"Hour {hour:02d} of {day} stays as it is: {error}")
                refused.append(error)
                continue
            hours.append(hour)
            rows = ", ".join(f"{count:,} {table}" for table, count in done.rows.items())
            context.log.info(f"Hour {hour:02d} of {day}: {done.records:,} records -> {rows or 'no rows'}.")
        if not hours and not refused:
            context.log.info(f"No hour of {day} waits for compaction.")
        for table in JOURNAL_TABLES:
            yield dg.MaterializeResult(
                asset_key=keys.LAKE[table],
                metadata=table_metadata(paths, table, day, hours=hours),
                data_version=data_version(paths, table, day),
            )
        if refused:
            raise refused[0]


def _observe_journal(context: dg.AssetExecutionContext, paths: Paths, track: Track, day: date) -> None:
    """Records what the collector has sealed so far, as its manifests tell."""
    folder = paths.journal(track, day)
    manifests = manifests_of(paths, track, day)
    context.log_event(
        dg.AssetObservation(
            _JOURNALS[track],
            partition=context.partition_key,
            description=f"{len(manifests)} sealed segments.",
            metadata={**_journal_metadata(manifests), "path": dg.MetadataValue.path(str(folder))},
        )
    )


def _journal_metadata(manifests: Sequence[Manifest]) -> dict[str, dg.MetadataValue]:
    channels: Counter[str] = Counter()
    symbols: dict[str, set[str]] = {}
    for manifest in manifests:
        for channel, counts in manifest.counts.items():
            channels[channel] += sum(counts.values())
            symbols.setdefault(channel, set()).update(counts)
    shown: dict[str, dg.MetadataValue] = {
        ROW_COUNT: dg.MetadataValue.int(sum(manifest.records for manifest in manifests)),
        "lines": dg.MetadataValue.int(sum(manifest.lines for manifest in manifests)),
        "bytes": dg.MetadataValue.int(sum(manifest.bytes for manifest in manifests)),
        "segments": dg.MetadataValue.int(len(manifests)),
        "channels": dg.MetadataValue.table(
            [
                dg.TableRecord({"channel": name, "lines": count, "keys": len(symbols[name])})
                for name, count in sorted(channels.items())
            ],
            schema=dg.TableSchema.from_name_type_dict({"channel": "text", "lines": "int", "keys": "int"}),
        ),
    }
    if manifests:
        first, last = min(m.first_wall_ns for m in manifests), max(m.last_wall_ns for m in manifests)
        shown["first_received"] = dg.MetadataValue.timestamp(kst_datetime(first))
        shown["last_received"] = dg.MetadataValue.timestamp(kst_datetime(last))
    return shown


def table_metadata(
    paths: Paths, table: Table, day: date, *, hours: Sequence[int] = ()
) -> dict[str, dg.MetadataValue]:
    """Returns what a materialization of a day of a table shows.

    Args:
        paths: The layout.
        table: The table.
        day: The trading day.
        hours: Receive hours that this run has compacted.
    """
    from observer_core.lake import parquet, readers  # noqa: PLC0415 - loads polars

    files = readers.table_files(paths, table, day)
    folder = files[0].parent if len(files) == 1 else paths.lake_open_day(table, day)
    return {
        ROW_COUNT: dg.MetadataValue.int(sum(parquet.row_count(path) for path in files)),
        "bytes": dg.MetadataValue.int(sum(path.stat().st_size for path in files)),
        "files": dg.MetadataValue.int(len(files)),
        "path": dg.MetadataValue.path(str(folder)),
        "hours": dg.MetadataValue.text(", ".join(f"{hour:02d}" for hour in hours) or "none"),
        "sample": sample(readers.scan(paths, table, day)),
    }


def data_version(paths: Paths, table: Table, day: date) -> dg.DataVersion:
    """Returns the version of a day of a table: the same as long as the same segments are in it.

    What is below a table is then up to date after a rerun, and also after the day's close, which moves the
    same rows to other files. A table that is made from no segment has the version of its bytes.
    """
    from observer_core.lake import readers, receipts  # noqa: PLC0415 - loads polars

    digest = hashlib.sha256()
    if table in (*JOURNAL_TABLES, Table.BARS_1M):
        made_from = Table.SCALP_TRADES if table is Table.BARS_1M else table
        for receipt in receipts.receipts(paths, day).values():
            for source in receipt.file_sources(made_from):
                digest.update(f"{source.segment} {source.sha256} {source.rows}\n".encode())
    else:
        for path in readers.table_files(paths, table, day):
            digest.update(path.read_bytes())
    return dg.DataVersion(digest.hexdigest()[:16])


def _build_bars(
    context: dg.AssetExecutionContext, deployment: Deployment
) -> Iterator[dg.MaterializeResult[None]]:
    from observer_core.lake.bars import build_bars  # noqa: PLC0415 - loads polars

    day, paths = day_of(context.partition_key), deployment.paths
    with typed_failures():
        built = build_bars(paths, day)
        context.log.info(f"{built.rows:,} bars of {day} from {built.trades:,} distinct trades.")
        metadata = table_metadata(paths, Table.BARS_1M, day)
    yield dg.MaterializeResult(
        asset_key=keys.BARS,
        metadata={**metadata, "trades": built.trades, "repeated_trades": built.repeated},
        data_version=data_version(paths, Table.BARS_1M, day),
    )
