"""Copies leave the node: sealed files each hour, dumps of the databases each night.

Invariant: a target or a server that does not answer is an external failure: the checks say so, as a warning,
the run goes on, and the next one makes up for it. A target that is configured wrong is ours: the checks say
so, as an error, and the run fails. Without a configured target nothing is done and nothing is claimed.
"""

# Dagster compares the annotation of `context` itself, so annotations are not postponed here.

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from observer_core import logs
from observer_core.clock import RealClock
from observer_core.errors import (
    BackupTargetError,
    ConfigurationError,
    DatabaseUnavailableError,
    ExternalError,
)
from observer_pipeline import keys
from observer_pipeline.checks import backup as checks
from observer_pipeline.declaration import declare
from observer_pipeline.failures import typed_failures
from observer_pipeline.resources import Deployment
from observer_pipeline.vocabulary import Group

if TYPE_CHECKING:
    from observer_core.backup.dumps import Dump
    from observer_core.backup.target import Target

_NO_TARGET = "No backup target is configured (OBSERVER_BACKUP_TARGET): nothing leaves the node."


def backup_assets() -> list[dg.AssetsDefinition]:
    """Returns the assets that stand at the backup target, with their checks."""
    shipment = dg.multi_asset(
        name="backup_shipment",
        specs=[_shipment_spec()],
        check_specs=checks.SHIPMENT_CHECKS,
        can_subset=True,
    )
    dumps = dg.multi_asset(
        name="backup_dumps", specs=[_dumps_spec()], check_specs=checks.DUMP_CHECKS, can_subset=True
    )
    return [shipment(_ship), dumps(_dump)]


def _shipment_spec() -> dg.AssetSpec:
    return declare(
        keys.SHIPMENT,
        Group.OPERATIONS,
        "A file is a copy at the backup target: sealed segments with their manifests, files of closed "
        "days, universe, symbols, master files, quarantine; each read back after it was written, none ever "
        "replaced. Right when everything that was sealed more than an hour ago has left the node.",
        kinds=("file",),
        deps=(keys.SCALP_JOURNAL, keys.SWING_JOURNAL, keys.UNIVERSE, keys.SYMBOLS, keys.DAY_CLOSE),
        code_version="1",
        skippable=True,
        fresh_within=timedelta(hours=26),
    )


def _dumps_spec() -> dg.AssetSpec:
    return declare(
        keys.DUMPS,
        Group.OPERATIONS,
        "A file is a dump of a database at the backup target: the warehouse's, and Dagster's own. Made by "
        "pg_dump each night, read to its end by pg_restore, and read back from the target. Right when each "
        "database has a good dump of the last day.",
        kinds=("postgres", "file"),
        deps=[keys.warehouse(table) for table in keys.WAREHOUSE_TABLES],
        code_version="1",
        skippable=True,
        fresh_within=timedelta(hours=26),
    )


def _ship(
    context: dg.AssetExecutionContext, deployment: Deployment
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    from observer_core.backup.shipping import ship, standing  # noqa: PLC0415 - used in a run only

    target = _target(context, deployment)
    if target is None:
        return
    # The age of a file is the machine's, whatever clock the market follows.
    paths, clock = deployment.paths, RealClock()
    with typed_failures(), logs.also_in(paths.settings.maintenance_log_dir, program="backup"):
        try:
            done = ship(paths, target, clock)
        except BackupTargetError as error:
            context.log.warning(f"The backup target failed: {error}")
            yield from checks.target_failed(error)
        except ConfigurationError as error:
            yield from checks.target_failed(error)
            raise
        else:
            context.log.info(
                f"{done.sent} of {done.files} files left for {done.target}, {done.bytes:,} bytes."
            )
            yield dg.MaterializeResult(
                asset_key=keys.SHIPMENT,
                metadata={
                    "target": done.target,
                    "files_sent": done.sent,
                    "files_found": done.found,
                    "files_in_all": done.files,
                    "bytes": done.bytes,
                    "damaged": len(done.faults),
                },
            )
            now = standing(paths, target, clock.now_ns())
            yield from checks.shipment_checks(now, done.faults)


def _dump(
    context: dg.AssetExecutionContext, deployment: Deployment
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    from observer_core.backup.dumps import dump_databases, newest, stored_dumps  # noqa: PLC0415 - in a run only

    target = _target(context, deployment)
    if target is None:
        return
    paths, settings, clock = deployment.paths, deployment.backup, RealClock()
    database = deployment.settings.database
    wanted = (database.name, *settings.other_databases)
    problem: ExternalError | ConfigurationError | None = None
    with typed_failures(), logs.also_in(paths.settings.maintenance_log_dir, program="backup"):
        try:
            done = dump_databases(paths, settings, database, target, clock)
            yield dg.MaterializeResult(asset_key=keys.DUMPS, metadata=_dump_metadata(done.made, done.removed))
        except (BackupTargetError, DatabaseUnavailableError, ConfigurationError) as error:
            context.log.warning(f"Not every database was dumped: {error}")
            problem = error
        try:
            stored, _ = stored_dumps(paths, target)
        except (BackupTargetError, ConfigurationError) as error:
            stored, problem = [], error
        yield checks.dump_check(wanted, newest(stored), clock.now_ns(), problem)
        if isinstance(problem, ConfigurationError):
            raise problem


def _target(context: dg.AssetExecutionContext, deployment: Deployment) -> "Target | None":
    from observer_core.backup.opening import open_target  # noqa: PLC0415 - loads pyarrow for a bucket

    target = open_target(deployment.backup)
    if target is None:
        context.log.info(_NO_TARGET)
    return target


def _dump_metadata(made: Sequence["Dump"], removed: Sequence[str]) -> dict[str, dg.MetadataValue]:
    rows = [
        dg.TableRecord(
            {
                "database": dump.database,
                "object": dump.key,
                "bytes": dump.bytes,
                "tables": dump.tables,
                "server": dump.server,
            }
        )
        for dump in made
    ]
    columns = {"database": "text", "object": "text", "bytes": "int", "tables": "int", "server": "text"}
    return {
        "dumps": dg.MetadataValue.table(rows, schema=dg.TableSchema.from_name_type_dict(columns)),
        "bytes": dg.MetadataValue.int(sum(dump.bytes for dump in made)),
        "removed": dg.MetadataValue.int(len(removed)),
    }


def skip_reason(deployment: Deployment) -> str:
    """Returns why nothing can leave; empty where a target is configured."""
    return "" if deployment.backup.target else _NO_TARGET
