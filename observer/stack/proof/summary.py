"""How the result of a day is told: one file for machines, one table for people.

Invariant: both are made from the same equations and counts; the file has a number for every key, so
that two runs can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
from rich.table import Table

from observer.stack.broker_account import Counts
from observer.stack.dagster_client import CheckResult, RunRecord, RunStatus
from observer.stack.proof.evidence import RECORD_TABLES, WAREHOUSE_TABLES, Evidence
from observer.stack.proof.verdict import Equation, failing, passing


def summarise(
    evidence: Evidence,
    sent: Counts,
    runs: Sequence[RunRecord],
    checks: Sequence[CheckResult],
    equations: Sequence[Equation],
) -> dict[str, Any]:
    """Returns the content of `summary.json`, but for the time it took."""
    by_table = {table: evidence.lake.filter(pl.col("table") == table).height for table in RECORD_TABLES}
    return {
        "records_sent": sum(sent.values()),
        "records_journaled": sum(evidence.journal.counts.values()),
        "records_quarantined": evidence.quarantined.height,
        "records_in_lake": evidence.lake.height,
        "records_for_warehouse": sum(by_table[table] for table in WAREHOUSE_TABLES),
        "records_in_warehouse": evidence.warehouse.height,
        "records_by_table": by_table,
        "bars_1m": evidence.warehouse_bars,
        "holes": evidence.journal.holes,
        "gaps": evidence.journal.gaps,
        "universe_size": evidence.universe_size,
        "symbols_source": evidence.symbols_source,
        "checks_passed": len(passing(checks)),
        "checks_failed": len(failing(checks)),
        "runs_succeeded": sum(run.status is RunStatus.SUCCESS for run in runs),
        "runs_failed": sum(run.status is not RunStatus.SUCCESS for run in runs),
        "failed_equations": [equation.claim for equation in equations if not equation.holds],
        "ok": all(equation.holds for equation in equations),
    }


def table_of(equations: Sequence[Equation], *, title: str) -> Table:
    """Returns the equations as a table, a sign for each."""
    table = Table(title=title, title_justify="left", show_lines=False)
    table.add_column("")
    table.add_column("what has to hold")
    table.add_column("counted", justify="right")
    table.add_column("against", justify="right")
    table.add_column("difference", style="red", overflow="fold")
    for equation in equations:
        table.add_row(
            "[green]✓[/green]" if equation.holds else "[red]✗[/red]",
            equation.claim,
            f"{equation.left:,}",
            "" if equation.right is None else f"{equation.right:,}",
            equation.difference,
        )
    return table
