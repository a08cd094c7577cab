"""The key of every asset.

Invariant: an asset is named here once; edges, checks, jobs and tests use the name, so that a renamed
asset is renamed everywhere or nowhere.
"""

from __future__ import annotations

from types import MappingProxyType

import dagster as dg

from observer_core.lake.schemas import JOURNAL_TABLES, Table

KIS_REST = dg.AssetKey("kis_rest_api")
KIS_MASTER_SERVER = dg.AssetKey("kis_master_server")
KIS_WEBSOCKET = dg.AssetKey("kis_websocket")
KIWOOM_REST = dg.AssetKey("kiwoom_rest_api")
ACCESS_TOKEN = dg.AssetKey("kis_access_token")
APPROVAL_KEY = dg.AssetKey("kis_approval_key")
KIWOOM_TOKEN = dg.AssetKey("kiwoom_access_token")

INSTRUMENT_MASTER = dg.AssetKey("instrument_master")
SYMBOLS = dg.AssetKey("symbols")
UNIVERSE = dg.AssetKey("universe")
INSTRUMENTS = dg.AssetKey(Table.INSTRUMENTS.value)
CORPORATE_ACTIONS = dg.AssetKey(Table.CORPORATE_ACTIONS.value)

COLLECTOR = dg.AssetKey("collector")
SCALP_JOURNAL = dg.AssetKey("scalp_journal")
SWING_JOURNAL = dg.AssetKey("swing_journal")

LAKE = MappingProxyType({table: dg.AssetKey(table.value) for table in JOURNAL_TABLES})
BARS = dg.AssetKey(Table.BARS_1M.value)

# Books stay in the lake.
WAREHOUSE_TABLES = (
    Table.SCALP_TRADES,
    Table.SWING_SNAPSHOTS,
    Table.MARKET_EVENTS,
    Table.GAPS,
    Table.BARS_1M,
)

UNIVERSE_TABLE = "universe"

# Versions, rights and partitions to come: of the whole database, of no trading day.
WAREHOUSE_SCHEMA = dg.AssetKey("warehouse_schema")

DAY_CLOSE = dg.AssetKey("day_close")
DAILY_OFFICIAL = dg.AssetKey(Table.DAILY_OFFICIAL.value)
COMPLETENESS = dg.AssetKey("completeness")

# What belongs to no trading day, but to the deployment.
SHIPMENT = dg.AssetKey(["backup", "shipment"])
DUMPS = dg.AssetKey(["backup", "dumps"])
RETENTION = dg.AssetKey("retention")
RUN_HISTORY = dg.AssetKey("run_history")

CONTRACT_REPORT = dg.AssetKey(["contracts", "report"])


def evidence(source: str) -> dg.AssetKey:
    """Returns the key of a kind of evidence for the execution contracts."""
    return dg.AssetKey(["contracts", str(source)])


def warehouse(table: str) -> dg.AssetKey:
    """Returns the key of a table in PostgreSQL."""
    return dg.AssetKey(["warehouse", str(table)])
