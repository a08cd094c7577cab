"""Rules that every asset, check and job keeps, and a snapshot that shows each change of the graph."""

import os
from difflib import unified_diff
from pathlib import Path

import dagster as dg
import pytest

from observer_core.warehouse.tables import WAREHOUSE_SCHEMAS, WAREHOUSE_TABLES, WarehouseTable
from observer_pipeline import keys
from observer_pipeline.assets.warehouse import UNIVERSE_TABLE_SCHEMA
from observer_pipeline.definitions import build_defs

DEFS = build_defs(clock="real")
SPECS = {spec.key: spec for spec in DEFS.resolve_all_asset_specs()}
GRAPH = DEFS.resolve_asset_graph()
COMPUTED = {key for key in SPECS if GRAPH.get(key).is_executable}
CHECKS = {key: GRAPH.get_check_spec(key) for key in GRAPH.asset_check_keys}
CONTRACTS = {key for key in COMPUTED if key.path[0] == "contracts"}
# What is the deployment's belongs to no trading day.
DEPLOYMENT = CONTRACTS | {keys.SHIPMENT, keys.DUMPS, keys.RETENTION, keys.WAREHOUSE_SCHEMA, keys.RUN_HISTORY}
CREDENTIALS = {"kis_access_token", "kis_approval_key", "kiwoom_access_token"}
NOT_TABULAR = {*CREDENTIALS, "instrument_master", "day_close"} | {key.to_user_string() for key in DEPLOYMENT}
SNAPSHOT = Path(__file__).with_name("asset_specs.txt")


def named(specs):
    return pytest.mark.parametrize("spec", specs, ids=lambda spec: spec.key.to_user_string())


@named(SPECS.values())
def test_every_asset_tells_a_reader_what_it_is(spec):
    assert len(spec.description) > 80
    assert "Right " in spec.description, "a description says when the asset is right"
    assert spec.group_name in {
        "broker",
        "reference",
        "feed",
        "lake",
        "warehouse",
        "operations",
        "contracts",
    }
    assert spec.owners == ["team:observer"]
    assert spec.kinds


@named([SPECS[key] for key in sorted(COMPUTED)])
def test_every_computed_asset_has_partitions_a_version_and_a_check(spec):
    days = None if spec.key in DEPLOYMENT else SPECS[keys.SCALP_JOURNAL].partitions_def
    assert spec.partitions_def == days
    assert spec.code_version
    assert any(check.asset_key == spec.key for check in CHECKS)


@named([SPECS[key] for key in sorted(COMPUTED) if key.to_user_string() not in NOT_TABULAR])
def test_every_table_declares_its_columns(spec):
    columns = spec.metadata["dagster/column_schema"].columns
    assert columns
    assert all(column.description and column.type for column in columns)


def columns_of(key: dg.AssetKey) -> set[str]:
    schema = SPECS[key].metadata.get("dagster/column_schema")
    return {column.name for column in schema.columns} if schema else set()


# Columns that come from nothing that has columns: the broker's master files, the name of a file, or the run.
NEW = {
    "segment", "source", "symbols_date", "administrative", "market_warning", "ex_rights", "face_value_change",
    "capital_increase", "face_value", "listed_date", "capital", "previous_market_cap",
}  # fmt: skip


@named([SPECS[key] for key in sorted(COMPUTED) if columns_of(key)])
def test_every_column_that_is_made_from_another_names_it(spec):
    """Each origin is a column of a table upstream; a column without one comes from no table."""
    upstream = {key for key in above(spec.key) if columns_of(key)}
    lineage = spec.metadata.get("dagster/column_lineage")
    if not upstream:
        assert lineage is None
        return
    if spec.key == keys.DAILY_OFFICIAL:
        # The broker's own figures: the tables upstream tell whom to ask for.
        assert lineage is None
        return
    for column, origins in lineage.deps_by_column.items():
        assert column in columns_of(spec.key)
        assert origins
        for origin in origins:
            assert origin.asset_key in upstream, (column, origin)
            assert origin.column_name in columns_of(origin.asset_key), (column, origin)
    own = columns_of(spec.key) - lineage.deps_by_column.keys() - NEW
    assert own <= ({"trading_day"} if spec.group_name in ("reference", "warehouse") else set())


def test_what_is_made_on_days_of_rest_too_has_a_deadline():
    """Dagster's freshness knows no holidays, so that what belongs to a trading day has a check instead."""
    due = {key for key in COMPUTED if SPECS[key].freshness_policy}
    evidence = {keys.evidence(source) for source in ("manifests", "repository", "runtime", "live")}
    assert due == DEPLOYMENT - evidence


@named([SPECS[key] for key in sorted(COMPUTED - DEPLOYMENT)])
def test_a_backfill_of_days_is_a_run_a_day(spec):
    assert GRAPH.get(spec.key).backfill_policy == dg.BackfillPolicy.multi_run(max_partitions_per_run=1)


def test_lineage_leads_from_the_broker_to_postgresql_without_loose_ends():
    for spec in SPECS.values():
        assert {dep.asset_key for dep in spec.deps} <= SPECS.keys()
    assert {keys.KIS_WEBSOCKET, keys.COLLECTOR, keys.SCALP_JOURNAL, keys.BARS} <= above(
        keys.warehouse("bars_1m")
    )
    universe = above(keys.warehouse("universe"))
    assert {keys.KIS_MASTER_SERVER, keys.INSTRUMENT_MASTER, keys.SYMBOLS, keys.UNIVERSE} <= universe


def above(key: dg.AssetKey) -> set[dg.AssetKey]:
    """Returns everything that an asset is made from."""
    found, waiting = set(), [key]
    while waiting:
        parents = {dep.asset_key for dep in SPECS[waiting.pop()].deps} - found
        found |= parents
        waiting += parents
    return found


def test_the_jobs_cover_every_computed_asset_and_every_check():
    names = ("refresh_reference", "compact_hours", "close_day", "verify_contracts",
             "ship_backup", "dump_databases", "apply_retention", "prepare_warehouse", "purge_runs",
             "watch_freshness")  # fmt: skip
    jobs = [DEFS.resolve_job_def(name) for name in names]
    assert {job.metadata["owner"].value for job in jobs} == {"team:observer"}
    assert all(job.description and int(job.tags["dagster/max_runtime"]) for job in jobs)
    assert set().union(*(job.asset_layer.selected_asset_keys for job in jobs)) >= COMPUTED
    assert set().union(*(job.asset_layer.asset_graph.asset_check_keys for job in jobs)) == CHECKS.keys()


@pytest.mark.parametrize("key", CHECKS, ids=lambda key: f"{key.asset_key.to_user_string()}:{key.name}")
def test_every_check_states_its_bound_and_reason(key):
    assert len(CHECKS[key].description) > 40


def test_only_checks_whose_breach_poisons_other_data_block():
    blocking = {
        f"{key.asset_key.to_user_string()}:{key.name}" for key, spec in CHECKS.items() if spec.blocking
    }
    tables = (
        "scalp_trades", "scalp_quotes", "swing_snapshots", "market_events", "backfill_trades", "raw_records",
        "gaps",
    )  # fmt: skip
    assert blocking == {
        "symbols:count_plausible",
        "bars_1m:bars_hold_trades",
        "bars_1m:schema_as_declared",
        *(f"{table}:{check}" for table in tables for check in ("journal_is_in_lake", "schema_as_declared")),
    }


def test_no_step_has_a_policy_that_would_take_an_interrupt_for_a_failure():
    """Attempts are asked for by the failure's class; test_failures.py has the steps that do."""
    nodes = [node for job in DEFS.get_repository_def().get_all_jobs() for node in job.all_node_defs]
    assert len(nodes) > 40
    assert [node.name for node in nodes if isinstance(node, dg.OpDefinition) and node.retry_policy] == []


def test_the_warehouses_tables_are_those_of_the_graph():
    assert {keys.warehouse(table) for table in WAREHOUSE_TABLES} == {
        key for key in SPECS if key.path[0] == "warehouse"
    }
    assert WAREHOUSE_SCHEMAS[WarehouseTable.UNIVERSE].columns == UNIVERSE_TABLE_SCHEMA.columns


def test_the_graph_is_the_one_that_was_reviewed():
    """Set UPDATE_SNAPSHOT=1 to accept a change of the graph; the file then shows it in review."""
    shown = describe()
    if os.environ.get("UPDATE_SNAPSHOT"):
        SNAPSHOT.write_text(shown)
    difference = unified_diff(
        SNAPSHOT.read_text().splitlines(), shown.splitlines(), "reviewed", "now", lineterm=""
    )
    assert "\n".join(difference) == ""


def describe() -> str:
    """Returns the graph as text, an asset a paragraph."""
    lines = []
    for key in sorted(SPECS):
        spec = SPECS[key]
        columns = spec.metadata.get("dagster/column_schema")
        lines += [
            f"{key.to_user_string()}{'' if key in COMPUTED else ' (external)'}",
            f"  group {spec.group_name}, kinds {' '.join(sorted(spec.kinds))}, version {spec.code_version}",
            f"  from {' '.join(sorted(dep.asset_key.to_user_string() for dep in spec.deps)) or 'nothing'}",
            f"  partitions {'trading days' if spec.partitions_def else 'none'},"
            f" columns {len(columns.columns) if columns else 'none'}",
        ]
        for check in sorted((one for one in CHECKS if one.asset_key == key), key=lambda one: one.name):
            lines.append(f"  check {check.name}{' (blocking)' if CHECKS[check].blocking else ''}")
        lines.append("")
    return "\n".join(lines)
