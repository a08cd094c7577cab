"""Master files, symbols and universe: what a trading day needs before it begins.

Invariant: symbols and universe of a date are written once; a rerun reads them again and shows the
same. A source that fails, or still lists an earlier day, is asked again while there is time before the
session; then it is recorded with its reason, and the next one is taken.
"""

# Dagster compares the annotation of `context` itself, so annotations are not postponed here.

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import dagster as dg

from observer_core.brokers.kis.master_layouts import KOSDAQ, KOSPI, MasterLayout
from observer_core.brokers.kis.masters import unzip_master
from observer_core.errors import MasterFileError, ObserverError
from observer_core.lake.columns import Column, ColumnType, TableSchema
from observer_core.lake.schemas import SCHEMAS, Table
from observer_core.market.calendar import MarketCalendar
from observer_core.reference.choosing import build_symbols
from observer_core.reference.instrument import ListedInstrument
from observer_core.reference.stages import KisMasterStage, default_stages
from observer_core.reference.symbols import Symbols, read_symbols
from observer_core.reference.universe import Universe, ensure_universe
from observer_core.settings import Paths
from observer_pipeline import keys
from observer_pipeline.assets.credentials import KIWOOM_POOL
from observer_pipeline.declaration import declare
from observer_pipeline.failures import SOURCE_RETRIES, is_passing, retried, typed_failures
from observer_pipeline.metadata import SAMPLE_ROWS, sample_records
from observer_pipeline.partitions import ONE_DAY_A_RUN, day_of
from observer_pipeline.resources import Deployment
from observer_pipeline.vocabulary import ROW_COUNT, Group

# The last wait of SOURCE_RETRIES, and an attempt against a server that hangs.
_LONGEST_WAIT = timedelta(minutes=6)

_CODE = Column("code", ColumnType.TEXT, "Short code.", required=True)
_SYMBOLS_SCHEMA = TableSchema(
    "symbols",
    "One listed instrument as known on the day.",
    (
        _CODE,
        *(
            one
            for one in SCHEMAS[Table.INSTRUMENTS].columns
            if one.name in ListedInstrument.__dataclass_fields__
        ),
    ),
    sort_key=("code",),
    unique_key=("code",),
)

_UNIVERSE_SCHEMA = TableSchema(
    "universe",
    "One instrument that is swept on the trading day.",
    (
        _CODE,
        Column("name", ColumnType.TEXT, "Korean name.", required=True),
        Column("market", ColumnType.TEXT, "KOSPI or KOSDAQ.", required=True),
        Column("base_price", ColumnType.INTEGER, "Reference price of the day.", "KRW", required=True),
        Column("previous_volume", ColumnType.INTEGER, "Volume of the day before.", "shares", required=True),
    ),
    sort_key=("code",),
    unique_key=("code",),
)


def reference_assets(days: dg.PartitionsDefinition[str]) -> list[dg.AssetsDefinition]:
    """Returns the assets of the group `reference`."""
    symbols = dg.multi_asset(
        backfill_policy=ONE_DAY_A_RUN,
        name="symbols",
        specs=[_master_spec(days), _symbols_spec(days)],
        # A step is in one pool. No other step asks the master server, so this one limits that, too.
        pool=KIWOOM_POOL,
    )
    universe = dg.multi_asset(backfill_policy=ONE_DAY_A_RUN, name="universe", specs=[_universe_spec(days)])
    return [symbols(_refresh_symbols), universe(_refresh_universe)]


def _master_spec(days: dg.PartitionsDefinition[str]) -> dg.AssetSpec:
    return declare(
        keys.INSTRUMENT_MASTER,
        Group.REFERENCE,
        "The broker's raw master files of the day, one zip a market with a record of fixed width for each "
        "listed instrument; kept as they came. Right when both markets are there and read to their last "
        "byte. Left out where the symbols come from another source: the download failed, or the broker still "
        "served files of an earlier day and another source was fresher.",
        kinds=("zip",),
        deps=(keys.KIS_MASTER_SERVER,),
        days=days,
        code_version="1",
        skippable=True,
    )


def _symbols_spec(days: dg.PartitionsDefinition[str]) -> dg.AssetSpec:
    return declare(
        keys.SYMBOLS,
        Group.REFERENCE,
        "A row is one listed instrument as known on the day. From the first plausible source of: master "
        "files, Kiwoom's stock list, this deployment's last good file, the packaged listing, or from the "
        "freshest where none is of the day itself; outcome, duration and error of each are recorded. "
        "Written once a date; before the session, and before there is a universe, a better source's take the "
        "place of a worse one's. Right when it comes from the master files and its size is that of a real "
        "market.",
        kinds=("json",),
        # Not from Kiwoom's token: where that asset is left out, Dagster would leave this one out too.
        deps=(keys.INSTRUMENT_MASTER, keys.KIWOOM_REST),
        days=days,
        schema=_SYMBOLS_SCHEMA,
        code_version="3",
    )


def _universe_spec(days: dg.PartitionsDefinition[str]) -> dg.AssetSpec:
    return declare(
        keys.UNIVERSE,
        Group.REFERENCE,
        "A row is one instrument that the collector sweeps on the day: ordinary shares that pass every "
        "filter; each excluded one is counted under its reason. From the day's symbols, whose prices are "
        "those of the last completed session. Written once a date. Right when symbols and exclusions add "
        "up to all instruments.",
        kinds=("json",),
        deps=(keys.SYMBOLS,),
        days=days,
        schema=_UNIVERSE_SCHEMA,
        code_version="1",
    )


def _refresh_symbols(
    context: dg.AssetExecutionContext, deployment: Deployment
) -> Iterator[dg.MaterializeResult[None]]:
    day, paths = day_of(context.partition_key), deployment.paths
    stages = default_stages(deployment.settings.kis, deployment.kiwoom, paths, deployment.clock)
    patience = partial(_worth_waiting, context.retry_number, day, deployment)
    with retried(context, SOURCE_RETRIES), typed_failures():
        symbols = asyncio.run(build_symbols(paths, day, stages, deployment.clock, try_again=patience))
        from_master = symbols.source == KisMasterStage.name
        master_metadata = _master_metadata(paths, day) if from_master else {}
        symbols_metadata = _symbols_metadata(symbols, paths, day)
    context.log.info(f"{len(symbols.instruments)} symbols of {symbols.as_of} from {symbols.source}.")
    if from_master:
        yield dg.MaterializeResult(asset_key=keys.INSTRUMENT_MASTER, metadata=master_metadata)
    yield dg.MaterializeResult(asset_key=keys.SYMBOLS, metadata=symbols_metadata)


def _worth_waiting(attempts: int, day: date, deployment: Deployment, error: ObserverError) -> bool:
    """Returns whether a source that failed is asked again before the next one is taken.

    Args:
        attempts: How many attempts there were before this one.
        day: The trading day.
        deployment: Its clock tells how much time is left before the opening auction.
        error: Why the source failed.
    """
    session = MarketCalendar().session(day)
    in_time = deployment.clock.now() + _LONGEST_WAIT < session.at(session.auction_from)
    return is_passing(error) and in_time and attempts < SOURCE_RETRIES.max_retries


def _master_metadata(paths: Paths, day: date) -> dict[str, dg.MetadataValue]:
    folder = paths.master_files(day)
    rows = [_master_row(folder / layout.zip_name, layout) for layout in (KOSPI, KOSDAQ)]
    return {
        "files": dg.MetadataValue.table([dg.TableRecord(row) for row in rows]),
        "bytes": dg.MetadataValue.int(sum(int(row["bytes"]) for row in rows)),
        "path": dg.MetadataValue.path(str(folder)),
    }


def _master_row(path: Path, layout: MasterLayout) -> dict[str, str | int]:
    """Describes a kept file; that it was removed or damaged since is reported by its contract."""
    content = path.read_bytes() if path.is_file() else b""
    return {
        "file": path.name,
        "market": layout.market.value,
        "bytes": len(content),
        "packed_at": _packed_at(content, layout, path),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _packed_at(content: bytes, layout: MasterLayout, path: Path) -> str:
    try:
        packed_at = unzip_master(content, layout, source=str(path)).packed_at
    except MasterFileError:
        # The symbols of the day are settled: a copy that is damaged by now must not keep the day from them.
        return "unreadable"
    return packed_at.isoformat() if packed_at else "unknown"


def _symbols_metadata(symbols: Symbols, paths: Paths, day: date) -> dict[str, dg.MetadataValue]:
    stages = [
        dg.TableRecord(
            {
                "stage": stage.name,
                "outcome": stage.outcome.value,
                "symbols": stage.count,
                "seconds": stage.seconds,
                "reason": stage.reason,
            }
        )
        for stage in symbols.stages
    ]
    return {
        ROW_COUNT: dg.MetadataValue.int(len(symbols.instruments)),
        "source": dg.MetadataValue.text(symbols.source),
        "as_of": dg.MetadataValue.text(symbols.as_of.isoformat()),
        "degraded": dg.MetadataValue.bool(
            symbols.source != KisMasterStage.name or symbols.as_of != symbols.day
        ),
        "replaces": dg.MetadataValue.text(symbols.replaces or "nothing"),
        "stages": dg.MetadataValue.table(stages),
        "sample": sample_records([asdict(one) for one in symbols.instruments[:SAMPLE_ROWS]]),
        "bytes": dg.MetadataValue.int(paths.symbols(day).stat().st_size),
        "path": dg.MetadataValue.path(str(paths.symbols(day))),
    }


def _refresh_universe(
    context: dg.AssetExecutionContext, deployment: Deployment
) -> Iterator[dg.MaterializeResult[None]]:
    day, paths = day_of(context.partition_key), deployment.paths
    with typed_failures():
        symbols = read_symbols(paths.symbols(day))
        universe = ensure_universe(paths, symbols, deployment.settings.universe, day)
    context.log.info(f"{universe.size} of {universe.rows} instruments are in the universe of {day}.")
    yield dg.MaterializeResult(asset_key=keys.UNIVERSE, metadata=_universe_metadata(universe, paths, day))


def _universe_metadata(universe: Universe, paths: Paths, day: date) -> dict[str, dg.MetadataValue]:
    excluded = [dg.TableRecord({"reason": why, "instruments": n}) for why, n in universe.excluded.items()]
    return {
        ROW_COUNT: dg.MetadataValue.int(universe.size),
        "instruments": dg.MetadataValue.int(universe.rows),
        "excluded": dg.MetadataValue.table(excluded),
        "source": dg.MetadataValue.text(universe.source),
        "symbols_date": dg.MetadataValue.text(universe.symbols_date.isoformat()),
        "sample": sample_records([asdict(one) for one in universe.symbols[:SAMPLE_ROWS]]),
        "bytes": dg.MetadataValue.int(paths.universe(day).stat().st_size),
        "path": dg.MetadataValue.path(str(paths.universe(day))),
    }
