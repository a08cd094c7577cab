"""From the lake's tables and the universe to PostgreSQL.

Invariant: a load is one transaction for each table and takes only what PostgreSQL lacks by its ledger and by
its rows, so a rerun changes nothing, and an outage of the database is caught up by the next run. A table that
cannot be loaded keeps no other one from it; the run fails at its end, and names each.
"""

# Dagster compares the annotation of `context` itself, so annotations are not postponed here.

from collections.abc import Iterator, Sequence
from datetime import date

import dagster as dg

from observer_core.errors import (
    ConfigurationError,
    ConservationError,
    DatabaseUnavailableError,
    InputError,
    ObserverError,
    StorageError,
)
from observer_core.lake.columns import Column, ColumnType, TableSchema
from observer_core.lake.schemas import SCHEMAS, Table
from observer_pipeline import keys
from observer_pipeline.declaration import declare
from observer_pipeline.failures import DATABASE_RETRIES, retried, typed_failures
from observer_pipeline.metadata import SAMPLE_ROWS, sample_records
from observer_pipeline.partitions import ONE_DAY_A_RUN, day_of
from observer_pipeline.resources import Deployment
from observer_pipeline.vocabulary import ROW_COUNT, Group

# What PostgreSQL has of the universe; a test compares it with the warehouse's own declaration, which
# cannot be imported here without the libraries that talk to the database.
UNIVERSE_TABLE_SCHEMA = TableSchema(
    keys.UNIVERSE_TABLE,
    "One symbol of a trading day's universe.",
    (
        Column("trading_day", ColumnType.DATE, "Trading day it is valid for.", required=True),
        Column("symbol", ColumnType.TEXT, "Short code.", required=True),
        Column("name", ColumnType.TEXT, "Korean name.", required=True),
        Column("market", ColumnType.TEXT, "KOSPI or KOSDAQ.", required=True),
        Column("base_price", ColumnType.INTEGER, "Reference price of the day.", "KRW", required=True),
        Column("previous_volume", ColumnType.INTEGER, "Volume of the day before.", "shares", required=True),
        Column("symbols_date", ColumnType.DATE, "Day of the symbols it was made from.", required=True),
        Column("source", ColumnType.TEXT, "Where those came from.", required=True),
    ),
    sort_key=("symbol",),
    unique_key=("symbol",),
)


def warehouse_assets(days: dg.PartitionsDefinition[str]) -> list[dg.AssetsDefinition]:
    """Returns the tables of the group `warehouse`."""
    tables = dg.multi_asset(
        backfill_policy=ONE_DAY_A_RUN,
        name="warehouse_load",
        specs=[_table_spec(table, days) for table in keys.WAREHOUSE_TABLES],
        can_subset=True,
    )
    universe = dg.multi_asset(
        backfill_policy=ONE_DAY_A_RUN,
        name="warehouse_universe",
        specs=[_universe_spec(days)],
    )
    return [tables(_load_tables), universe(_load_universe)]


def _table_spec(table: Table, days: dg.PartitionsDefinition[str]) -> dg.AssetSpec:
    return declare(
        keys.warehouse(table),
        Group.WAREHOUSE,
        f"{SCHEMAS[table].description} The day's rows of the lake, in PostgreSQL, one partition a trading "
        "day. Right when it has as many rows of each hour as the lake.",
        kinds=("postgres",),
        deps=(keys.BARS if table is Table.BARS_1M else keys.LAKE[table],),
        days=days,
        schema=SCHEMAS[table],
        code_version="1",
        relation=f"observer.{table}",
    )


def _universe_spec(days: dg.PartitionsDefinition[str]) -> dg.AssetSpec:
    return declare(
        keys.warehouse(keys.UNIVERSE_TABLE),
        Group.WAREHOUSE,
        f"{UNIVERSE_TABLE_SCHEMA.description} The day's universe file, in PostgreSQL. Right when it has the "
        "file's instruments, each once.",
        kinds=("postgres",),
        deps=(keys.UNIVERSE,),
        days=days,
        schema=UNIVERSE_TABLE_SCHEMA,
        code_version="1",
        relation=f"observer.{keys.UNIVERSE_TABLE}",
    )


def _load_tables(
    context: dg.AssetExecutionContext, deployment: Deployment
) -> Iterator[dg.MaterializeResult[None]]:
    selected = [t for t in keys.WAREHOUSE_TABLES if keys.warehouse(t) in context.selected_asset_keys]
    yield from _load(context, deployment, selected)


def _load_universe(
    context: dg.AssetExecutionContext, deployment: Deployment
) -> Iterator[dg.MaterializeResult[None]]:
    yield from _load(context, deployment, [keys.UNIVERSE_TABLE])


def _load(
    context: dg.AssetExecutionContext, deployment: Deployment, tables: Sequence[str]
) -> Iterator[dg.MaterializeResult[None]]:
    """Brings the schema up to date and loads what PostgreSQL lacks."""
    from observer_core import warehouse  # noqa: PLC0415 - loads polars and SQLAlchemy

    day: date = day_of(context.partition_key)
    engine = warehouse.connect(deployment.settings.database)
    refused: list[ObserverError] = []
    with retried(context, DATABASE_RETRIES), typed_failures():
        for version in warehouse.migrate(engine):
            context.log.info(f"The schema of the warehouse was brought to version {version}.")
        for table in tables:
            name = warehouse.WarehouseTable(table)
            try:
                done = warehouse.load_table(engine, deployment.paths, name, day)
                rows = warehouse.first_rows(engine, name, day, most=SAMPLE_ROWS)
            except DatabaseUnavailableError:
                raise
            except ObserverError as error:
                context.log.warning(f"{table} of {day} stays as it is: {error}")
                refused.append(error)
                continue
            context.log.info(f"{table}: {done.rows_loaded:,} rows loaded, {done.rows:,} of {day} in all.")
            if done.lost:
                context.log.warning(
                    f"{table}: rows of {', '.join(done.lost)} were gone, and are loaded anew."
                )
            if done.changed:
                context.log.warning(
                    f"{table}: somebody had changed rows of {', '.join(done.changed)}; they are loaded anew."
                )
            yield dg.MaterializeResult(
                asset_key=keys.warehouse(table),
                metadata={
                    ROW_COUNT: dg.MetadataValue.int(done.rows),
                    "rows_loaded": dg.MetadataValue.int(done.rows_loaded),
                    "sources_loaded": dg.MetadataValue.int(len(done.loaded)),
                    "sources_lost": dg.MetadataValue.int(len(done.lost)),
                    "sources_changed": dg.MetadataValue.int(len(done.changed)),
                    "sample": sample_records(rows),
                },
            )
        if refused:
            raise _together(refused)


def _together(errors: Sequence[ObserverError]) -> ObserverError:
    """Returns one error that tells of all; whose fault it is, the first one says."""
    if len(errors) == 1:
        return errors[0]
    kinds = (ConfigurationError, ConservationError, InputError, StorageError)
    kind = next((kind for kind in kinds if isinstance(errors[0], kind)), ObserverError)
    remedies = dict.fromkeys(error.remedy for error in errors if error.remedy)
    return kind(" ".join(error.message for error in errors), remedy=" ".join(remedies))
