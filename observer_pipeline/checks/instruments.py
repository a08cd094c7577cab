"""What is promised of the dated instruments and of corporate actions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from observer_core.lake.schemas import Table
from observer_core.reference.corporate_actions import FLAGS, ActionKind
from observer_pipeline import keys
from observer_pipeline.checks.contract import Contract
from observer_pipeline.checks.rules import reference as rules
from observer_pipeline.checks.rules import schema
from observer_pipeline.checks.verdict import Verdict

if TYPE_CHECKING:
    from observer_pipeline.checks.evidence import DayEvidence


def _as_many_as_symbols(evidence: DayEvidence) -> Verdict:
    listed = {one.code for one in evidence.symbols.instruments}
    return rules.same_symbols(listed, evidence.listed_symbols)


def _instruments_schema(evidence: DayEvidence) -> Verdict:
    return _schema(evidence, Table.INSTRUMENTS)


def _actions_schema(evidence: DayEvidence) -> Verdict:
    return _schema(evidence, Table.CORPORATE_ACTIONS)


def _schema(evidence: DayEvidence, table: Table) -> Verdict:
    return schema.schema_as_declared(evidence.declared_columns(table), evidence.columns(table))


def _rebased_explained(evidence: DayEvidence) -> Verdict:
    rebased = _rebased(evidence)
    flagged = {symbol for kind in FLAGS for symbol in evidence.actions(kind)}
    unexplained = {symbol: factor for symbol, factor in rebased.items() if symbol not in flagged}
    return rules.rebased_explained(unexplained, rebased=len(rebased))


def _few_rebased(evidence: DayEvidence) -> Verdict:
    instruments = len(evidence.listed_symbols)
    return rules.few_rebased(len(_rebased(evidence)), instruments=instruments)


def _rebased(evidence: DayEvidence) -> Mapping[str, float]:
    return evidence.actions(ActionKind.BASE_PRICE)


INSTRUMENTS_CONTRACTS = (
    Contract(
        "as_many_as_symbols",
        keys.INSTRUMENTS,
        "The table has each symbol of the day's symbols file, once, and no other: both come from the same "
        "source.",
        _as_many_as_symbols,
    ),
    Contract(
        "schema_as_declared",
        keys.INSTRUMENTS,
        "The day's file has exactly the declared columns, in order and type.",
        _instruments_schema,
    ),
)

ACTIONS_CONTRACTS = (
    Contract(
        "few_prices_rebased",
        keys.CORPORATE_ACTIONS,
        f"The exchange has set at most {rules.LARGEST_REBASED_SHARE:.0%} of the base prices anew. More would "
        "be a shifted column of the master files, or two days that do not follow each other.",
        _few_rebased,
    ),
    Contract(
        "rebased_prices_flagged",
        keys.CORPORATE_ACTIONS,
        "Each base price that is not the previous close has a flag of the day: rights, face value or "
        "capital. A warning: who adjusts prices should look at the symbol before using its factor.",
        _rebased_explained,
    ),
    Contract(
        "schema_as_declared",
        keys.CORPORATE_ACTIONS,
        "The day's file has exactly the declared columns, in order and type.",
        _actions_schema,
    ),
)
