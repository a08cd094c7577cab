"""What must be there at a time of a trading day, whatever was run or not.

Invariant: the bound follows the exchange's hours: nothing is asked of a closed day, of an hour in which
nobody trades, or of work that is not due yet. These checks have a schedule of their own, because a table that
nothing makes has no run that would judge it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from observer_core.lake.schemas import Table
from observer_pipeline import keys
from observer_pipeline.checks.calendar import CALENDAR_CONTRACTS
from observer_pipeline.checks.contract import Contract
from observer_pipeline.checks.rules import sessions
from observer_pipeline.checks.verdict import Verdict

if TYPE_CHECKING:
    import dagster as dg

    from observer_pipeline.checks.evidence import DayEvidence

# Compaction begins five minutes after the hour and takes minutes.
GRACE = timedelta(minutes=30)

FRESH = "fresh_by_phase"
READY = "ready_before_session"


def _fresh(table: Table, evidence: DayEvidence) -> Verdict:
    return sessions.fresh(evidence.session, evidence.now, _hours(table, evidence), grace=GRACE)


def _hours(table: Table, evidence: DayEvidence) -> Mapping[int, int]:
    return evidence.loadable_by_hour(table.value)


def _ready(path: Callable[[DayEvidence], Path], evidence: DayEvidence) -> Verdict:
    session = evidence.session
    return sessions.ready(path(evidence), evidence.now, deadline=session.at(session.auction_from))


def _symbols(evidence: DayEvidence) -> Path:
    return evidence.paths.symbols(evidence.day)


def _universe(evidence: DayEvidence) -> Path:
    return evidence.paths.universe(evidence.day)


def _instruments(evidence: DayEvidence) -> Path:
    return evidence.paths.lake_day(Table.INSTRUMENTS, evidence.day)


def _fresh_contract(key: dg.AssetKey, table: Table) -> Contract:
    return Contract(
        FRESH,
        key,
        f"Half an hour after each hour of the session, the hour has rows in {table.value}: an error for "
        "hours of continuous trading, a warning for the after-market, where a thin day can be silent. "
        "Nothing is asked of hours without trading.",
        partial(_fresh, table),
    )


def _ready_contract(key: dg.AssetKey, path: Callable[[DayEvidence], Path], what: str) -> Contract:
    return Contract(
        READY,
        key,
        f"The day's {what} is there when the orders of the opening auction begin: whoever is recorded from "
        "then on is chosen from it. Nothing is asked earlier.",
        partial(_ready, path),
    )


FRESHNESS_CONTRACTS = (
    _ready_contract(keys.SYMBOLS, _symbols, "symbols file"),
    _ready_contract(keys.UNIVERSE, _universe, "universe"),
    _ready_contract(keys.INSTRUMENTS, _instruments, "table of instruments"),
    _fresh_contract(keys.LAKE[Table.SCALP_TRADES], Table.SCALP_TRADES),
    _fresh_contract(keys.LAKE[Table.SWING_SNAPSHOTS], Table.SWING_SNAPSHOTS),
    _fresh_contract(keys.BARS, Table.BARS_1M),
)

# Judged together with what stands before them: the journal's hours, and what waits between the two.
WATCHED = (
    *((contract.asset, contract.name) for contract in (*FRESHNESS_CONTRACTS, *CALENDAR_CONTRACTS)),
    (keys.COLLECTOR, "finished_hours_sealed"),
    (keys.SCALP_JOURNAL, "trading_hours_recorded"),
    (keys.SCALP_JOURNAL, "finished_hours_compacted"),
    (keys.SWING_JOURNAL, "trading_hours_recorded"),
    (keys.SWING_JOURNAL, "finished_hours_compacted"),
)
