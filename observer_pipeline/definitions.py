"""The code location: everything put together.

Invariant: loading it reads two environment variables and nothing else: no file, no network, no library that
reads Parquet, draws or talks to a cluster. What is done elsewhere is only listed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from observer_core.settings import PipelineSettings, ServiceSettings
from observer_pipeline.assets.backup import backup_assets
from observer_pipeline.assets.completeness import completeness_assets
from observer_pipeline.assets.credentials import credential_assets
from observer_pipeline.assets.execution_contracts import contract_assets
from observer_pipeline.assets.external import external_assets
from observer_pipeline.assets.instruments import instrument_assets
from observer_pipeline.assets.lake import lake_assets
from observer_pipeline.assets.official import official_assets
from observer_pipeline.assets.operations import operations_assets
from observer_pipeline.assets.reference import reference_assets
from observer_pipeline.assets.retention import retention_assets
from observer_pipeline.assets.run_history import run_history_assets
from observer_pipeline.assets.warehouse import warehouse_assets
from observer_pipeline.assets.warehouse_schema import warehouse_schema_assets
from observer_pipeline.checks.contract import contract_checks
from observer_pipeline.checks.freshness import FRESHNESS_CONTRACTS
from observer_pipeline.checks.instruments import ACTIONS_CONTRACTS, INSTRUMENTS_CONTRACTS
from observer_pipeline.checks.lake import BARS_CONTRACTS, LAKE_CONTRACTS
from observer_pipeline.checks.official import OFFICIAL_CONTRACTS
from observer_pipeline.checks.operations import DAY_CONTRACTS
from observer_pipeline.checks.reference import MASTER_CONTRACTS, SYMBOLS_CONTRACTS, UNIVERSE_CONTRACTS
from observer_pipeline.checks.warehouse import UNIVERSE_TABLE_CONTRACTS, WAREHOUSE_CONTRACTS
from observer_pipeline.contract_evidence import ContractEvidence
from observer_pipeline.jobs import jobs
from observer_pipeline.partitions import trading_days
from observer_pipeline.resources import Deployment
from observer_pipeline.schedules import schedules
from observer_pipeline.sensors import sensors

# One step for each table of contracts: they stand between assets that a breach must keep apart.
_CONTRACTS = {
    "master_contracts": MASTER_CONTRACTS,
    "symbols_contracts": SYMBOLS_CONTRACTS,
    "instruments_contracts": INSTRUMENTS_CONTRACTS,
    "corporate_actions_contracts": ACTIONS_CONTRACTS,
    "universe_contracts": UNIVERSE_CONTRACTS,
    "universe_table_contracts": UNIVERSE_TABLE_CONTRACTS,
    "lake_contracts": LAKE_CONTRACTS,
    "bars_contracts": BARS_CONTRACTS,
    "warehouse_contracts": WAREHOUSE_CONTRACTS,
    "day_contracts": DAY_CONTRACTS,
    "freshness_contracts": FRESHNESS_CONTRACTS,
    # Apart, for it waits for the broker: whether a day adds up is judged without it.
    "official_contracts": OFFICIAL_CONTRACTS,
}


def build_defs(
    *,
    clock: str | None = None,
    wide_backfills: bool | None = None,
    resource_overrides: Mapping[str, Any] | None = None,
) -> dg.Definitions:
    """Returns the definitions of the code location.

    Args:
        clock: Value of `OBSERVER_CLOCK`; the environment's where None. On a virtual clock every session of
            the calendar is a partition, and nothing runs by itself.
        wide_backfills: Whether there is a job of which each step is a pod; the environment's where None.
        resource_overrides: Resources that take the place of those of the same name.
    """
    time_source = clock or ServiceSettings.load().clock
    if wide_backfills is None:
        wide_backfills = PipelineSettings.load().wide_backfills
    on_real_clock = time_source == "real"
    days = trading_days(clock_is_virtual=not on_real_clock)
    return dg.Definitions(
        assets=[
            *external_assets(days),
            *credential_assets(days),
            *reference_assets(days),
            *instrument_assets(days),
            *lake_assets(days),
            *warehouse_assets(days),
            *warehouse_schema_assets(),
            *official_assets(days),
            *operations_assets(days),
            *completeness_assets(days),
            *backup_assets(),
            *retention_assets(),
            *run_history_assets(),
            *contract_assets(),
        ],
        asset_checks=[contract_checks(name, contracts) for name, contracts in _CONTRACTS.items()],
        jobs=jobs(wide_backfills=wide_backfills),
        schedules=schedules(running=on_real_clock),
        sensors=sensors(running=on_real_clock),
        resources={
            "deployment": Deployment(time_source=time_source),
            "alerting": Deployment(time_source=time_source, needs_mounts=False),
            "contract_evidence": ContractEvidence(time_source=time_source),
            **(resource_overrides or {}),
        },
        # A run is one process: on a small node each further process costs ten seconds and 200 MB.
        executor=dg.in_process_executor,
    )


defs = build_defs()
