"""What is promised of the tables in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from observer_pipeline import keys
from observer_pipeline.checks.contract import Contract
from observer_pipeline.checks.rules import conservation, schema
from observer_pipeline.checks.verdict import Verdict

if TYPE_CHECKING:
    from observer_pipeline.checks.evidence import DayEvidence

_NAMES = ("lake", "warehouse")


def _lake_in_warehouse(table: str, evidence: DayEvidence) -> Verdict:
    return conservation.layers_equal(
        evidence.loadable_by_hour(table), evidence.warehouse.rows_by_hour[table], names=_NAMES
    )


def _universe_in_warehouse(evidence: DayEvidence) -> Verdict:
    return conservation.tables_equal(
        evidence.universe.size, evidence.warehouse.rows(keys.UNIVERSE_TABLE), names=("universe", "warehouse")
    )


def _schema_as_declared(table: str, evidence: DayEvidence) -> Verdict:
    found = {f"observer.{table}": evidence.warehouse.columns[table]}
    return schema.schema_as_declared(evidence.declared_warehouse_columns(table), found)


def _of(table: str, judge: Callable[[str, DayEvidence], Verdict]) -> Callable[[DayEvidence], Verdict]:
    return partial(judge, table)


def _schema_contract(table: str) -> Contract:
    return Contract(
        "schema_as_declared",
        keys.warehouse(table),
        "The table has exactly the declared columns, in order and type: every migration was applied "
        "(incident I-32).",
        _of(table, _schema_as_declared),
    )


WAREHOUSE_CONTRACTS = tuple(
    contract
    for table in keys.WAREHOUSE_TABLES
    for contract in (
        Contract(
            "lake_is_in_warehouse",
            keys.warehouse(table),
            "As many rows of each hour as the lake's files, counted on both sides: nothing lost, nothing "
            "twice (incidents I-23, I-24).",
            _of(table, _lake_in_warehouse),
        ),
        _schema_contract(table),
    )
)

UNIVERSE_TABLE_CONTRACTS = (
    Contract(
        "universe_is_in_warehouse",
        keys.warehouse(keys.UNIVERSE_TABLE),
        "As many rows of the day as the universe file has instruments.",
        _universe_in_warehouse,
    ),
    _schema_contract(keys.UNIVERSE_TABLE),
)
