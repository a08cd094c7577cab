"""Whether the evidence of a day holds.

Invariant: a pure function of what was counted; every equation that fails names the first records or
symbols in which the two sides differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from observer.stack.broker_account import Counts
from observer.stack.dagster_client import CheckResult, RunRecord, RunStatus
from observer.stack.proof.evidence import BOOKS, IDENTITY, SWING, TRADES, WAREHOUSE_TABLES, Evidence

LEAST_RECORDS = 100_000
_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Equation:
    """One thing that has to hold.

    Attributes:
        claim: What, for people.
        left: Number on the left side.
        right: Number on the right side; None where the claim is about one number.
        holds: Whether it does.
        difference: Where the sides differ; empty where it holds.
    """

    claim: str
    left: int
    right: int | None
    holds: bool
    difference: str = ""


def judge(
    evidence: Evidence, sent: Counts, runs: Sequence[RunRecord], checks: Sequence[CheckResult]
) -> list[Equation]:
    """Returns every equation of a whole day.

    Args:
        evidence: What was counted.
        sent: The broker's account, by channel and symbol.
        runs: All runs of Dagster.
        checks: All evaluations of asset checks.
    """
    journal = evidence.journal
    kept = pl.concat([evidence.lake, evidence.quarantined])
    for_warehouse = evidence.lake.filter(pl.col("table").is_in(WAREHOUSE_TABLES))
    failed_runs = [run for run in runs if run.status is not RunStatus.SUCCESS]
    failed_checks = failing(checks)
    return [
        _sent_is_journaled(sent, journal.counts),
        _no_double("no record twice in the journal", journal.identities),
        _same("journaled = lake + quarantined", journal.identities, kept),
        _same("for the warehouse = in the warehouse", for_warehouse, evidence.warehouse),
        _equal("bars in the lake = bars in the warehouse", evidence.lake_bars, evidence.warehouse_bars),
        _equal("holes and gaps: journal = lake", journal.holes + journal.gaps, evidence.lake_gaps),
        _at_least(f"at least {LEAST_RECORDS:,} records", sum(sent.values()), LEAST_RECORDS),
        _at_least("trades", _rows(evidence, TRADES), 1),
        _at_least("order books", _rows(evidence, BOOKS), 1),
        _at_least("swing rows", _rows(evidence, SWING), 1),
        _at_least("one-minute bars", evidence.warehouse_bars, 1),
        _none("holes in the tape", journal.holes, ""),
        _none("gaps in the tape", journal.gaps, ""),
        _none("unsealed journal files", len(journal.unsealed), ", ".join(journal.unsealed[:_EXAMPLES])),
        _at_least("asset checks passed", len(passing(checks)), 1),
        _none("asset checks failed", len(failed_checks), "; ".join(sorted(failed_checks)[:_EXAMPLES])),
        _at_least("runs succeeded", len(runs) - len(failed_runs), 1),
        _none("runs failed", len(failed_runs), ", ".join(f"{run.job} {run.run_id}" for run in failed_runs)),
    ]  # fmt: skip


def failing(checks: Sequence[CheckResult]) -> set[str]:
    """Returns the names of the checks that failed at least once."""
    return {f"{check.asset}:{check.check}" for check in checks if not check.passed}


def passing(checks: Sequence[CheckResult]) -> set[str]:
    """Returns the names of the checks that were evaluated and never failed."""
    return {f"{check.asset}:{check.check}" for check in checks} - failing(checks)


def _rows(evidence: Evidence, table: str) -> int:
    return evidence.lake.filter(pl.col("table") == table).height


def _sent_is_journaled(sent: Counts, journaled: Counter[tuple[str, str]]) -> Equation:
    differing = sorted(key for key in sent.keys() | journaled.keys() if sent[key] != journaled[key])
    shown = [f"{channel} {symbol}: sent {sent[channel, symbol]}, journaled {journaled[channel, symbol]}"
             for channel, symbol in differing[:_EXAMPLES]]  # fmt: skip
    return Equation(
        "sent by the broker = journaled, for each channel and symbol",
        sum(sent.values()),
        sum(journaled.values()),
        not differing,
        _examples(shown, len(differing)),
    )


def _no_double(claim: str, identities: pl.DataFrame) -> Equation:
    doubled = identities.height - identities.unique(IDENTITY).height
    return Equation(claim, doubled, None, doubled == 0, f"{doubled} are" if doubled else "")


def _same(claim: str, left: pl.DataFrame, right: pl.DataFrame) -> Equation:
    """Compares two layers record by record: none missing, none added, none twice, each in its table."""
    keys = [*IDENTITY, "table"]
    missing = left.join(right, on=keys, how="anti", nulls_equal=True)
    added = right.join(left, on=keys, how="anti", nulls_equal=True)
    doubled = right.height - right.unique(keys).height
    holds = missing.is_empty() and added.is_empty() and doubled == 0 and left.height == right.height
    parts = []
    for what, frame in (("missing", missing), ("too many", added)):
        if frame.height:
            shown = [str(row) for row in frame.head(_EXAMPLES).rows()]
            parts.append(f"{frame.height} {what}: {_examples(shown, frame.height)}")
    if doubled:
        parts.append(f"{doubled} twice")
    return Equation(claim, left.height, right.height, holds, "; ".join(parts))


def _equal(claim: str, left: int, right: int) -> Equation:
    return Equation(claim, left, right, left == right, "" if left == right else f"{abs(left - right)} apart")


def _at_least(claim: str, number: int, least: int) -> Equation:
    holds = number >= least
    return Equation(claim, number, None, holds, "" if holds else f"fewer than {least:,}")


def _none(claim: str, number: int, which: str) -> Equation:
    return Equation(claim, number, None, number == 0, which if number else "")


def _examples(shown: Sequence[str], total: int) -> str:
    more = total - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
