"""The proof of a day: each way in which a day can be wrong is found."""

from collections import Counter
from dataclasses import replace

import polars as pl
import pytest

from observer.stack.dagster_client import CheckResult, RunRecord, RunStatus
from observer.stack.proof.evidence import Evidence, Journal
from observer.stack.proof.verdict import Equation, judge

SCHEMA = {
    "provider": pl.String, "shard": pl.String, "epoch": pl.Int64, "frame": pl.Int64, "record": pl.Int64,
    "table": pl.String,
}  # fmt: skip
TRADES, BOOKS, SWING = 40_000, 50_000, 20_000


def records(table: str, count: int, *, first: int = 1) -> pl.DataFrame:
    shard = "0-swing" if table == "swing_snapshots" else "0"
    return pl.DataFrame(
        {
            "provider": ["kis"] * count, "shard": [shard] * count, "epoch": [1] * count,
            "frame": range(first, first + count), "record": [0] * count, "table": [table] * count,
        },
        schema=SCHEMA,
    )  # fmt: skip


def whole_day() -> tuple[Evidence, Counter, list[RunRecord], list[CheckResult]]:
    trades = records("scalp_trades", TRADES)
    books = records("scalp_quotes", BOOKS, first=TRADES + 1)
    swing = records("swing_snapshots", SWING)
    counts = Counter(
        {("H0STCNT0", "005930"): TRADES, ("H0STASP0", "005930"): BOOKS, ("FHKST11300006", "005930"): SWING}
    )
    evidence = Evidence(
        journal=Journal(counts, pl.concat([trades, books, swing]), holes=0, gaps=0, unsealed=()),
        quarantined=records("scalp_trades", 0),
        lake=pl.concat([trades, books, swing]),
        lake_bars=390,
        lake_gaps=0,
        warehouse=pl.concat([trades, swing]),
        warehouse_bars=390,
        universe_size=1577,
        symbols_source="kis-master",
    )
    runs = [RunRecord("r1", "close_day", RunStatus.SUCCESS, "2026-09-15")]
    checks = [CheckResult("trades", "rows", passed=True, severity="ERROR", description="")]
    return evidence, Counter(counts), runs, checks


def failed(evidence: Evidence, sent: Counter, runs: list, checks: list) -> list[Equation]:
    return [equation for equation in judge(evidence, sent, runs, checks) if not equation.holds]


def test_a_whole_day_holds() -> None:
    """Every equation holds when nothing is wrong."""
    assert failed(*whole_day()) == []


def test_a_lost_record_and_another_sent_twice_do_not_cancel_out() -> None:
    """Totals agree, the symbols do not."""
    evidence, sent, runs, checks = whole_day()
    sent["H0STCNT0", "005930"] -= 1
    sent["H0STCNT0", "000660"] += 1
    [equation] = failed(evidence, sent, runs, checks)
    assert equation.left == equation.right
    assert "H0STCNT0 000660: sent 1, journaled 0" in equation.difference


def test_one_row_lost_and_one_doubled_in_the_lake_do_not_cancel_out() -> None:
    """The lake has as many rows as the journal, but not the same ones."""
    evidence, *rest = whole_day()
    lake = pl.concat([evidence.lake.slice(1), evidence.lake.slice(1, 1)])
    found = failed(replace(evidence, lake=lake, warehouse=evidence.warehouse), *rest)
    assert any("1 missing" in e.difference and "1 twice" in e.difference for e in found)
    assert any(e.claim == "journaled = lake + quarantined" for e in found)


def test_a_quarantined_record_is_accounted_for() -> None:
    """What compaction sets aside is not lost."""
    evidence, *rest = whole_day()
    evidence = replace(
        evidence,
        quarantined=evidence.lake.head(1),
        lake=evidence.lake.slice(1),
        warehouse=evidence.warehouse.slice(1),
    )
    assert failed(evidence, *rest) == []


def test_a_record_in_the_wrong_table_is_found() -> None:
    """A trade among the books is no trade."""
    evidence, *rest = whole_day()
    first = pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("scalp_quotes")).otherwise("table")
    found = failed(replace(evidence, lake=evidence.lake.with_columns(table=first)), *rest)
    assert "journaled = lake + quarantined" in [equation.claim for equation in found]


def test_a_row_missing_in_the_warehouse_is_named() -> None:
    """The identity of the record is in the message."""
    evidence, *rest = whole_day()
    [equation] = failed(replace(evidence, warehouse=evidence.warehouse.slice(1)), *rest)
    assert equation.claim == "for the warehouse = in the warehouse"
    assert "('kis', '0', 1, 1, 0, 'scalp_trades')" in equation.difference


def test_a_record_twice_in_the_journal_is_found() -> None:
    """An identity names one line for ever."""
    evidence, *rest = whole_day()
    identities = pl.concat([evidence.journal.identities, evidence.journal.identities.head(1)])
    found = failed(replace(evidence, journal=replace(evidence.journal, identities=identities)), *rest)
    assert "no record twice in the journal" in [equation.claim for equation in found]


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        ({"holes": 1}, "holes in the tape"),
        ({"gaps": 1}, "gaps in the tape"),
        ({"unsealed": ("0_09_000001.jsonl.open",)}, "unsealed journal files"),
    ],
)
def test_a_flaw_of_the_journal_is_found(change: dict, claim: str) -> None:
    """Holes, gaps and what was never sealed."""
    evidence, *rest = whole_day()
    journal = replace(evidence.journal, **change)
    assert claim in [equation.claim for equation in failed(replace(evidence, journal=journal), *rest)]


def test_a_failed_check_and_a_failed_run_are_named() -> None:
    """A check that failed once has failed, whatever it said later."""
    evidence, sent, runs, checks = whole_day()
    bad = [CheckResult("trades", "rows", passed=False, severity="WARN", description=""), *checks]
    runs = [RunRecord("r2", "compact_hours", RunStatus.FAILURE, "2026-09-15"), *runs]
    found = {equation.claim: equation.difference for equation in failed(evidence, sent, runs, bad)}
    assert found["asset checks failed"] == "trades:rows"
    assert found["runs failed"] == "compact_hours r2"
    assert "asset checks passed" in found


def test_bars_that_differ_between_lake_and_warehouse_are_found() -> None:
    """Derived tables are compared, too."""
    evidence, *rest = whole_day()
    [equation] = failed(replace(evidence, warehouse_bars=389), *rest)
    assert equation.claim == "bars in the lake = bars in the warehouse"


def test_a_small_day_is_not_enough() -> None:
    """The demo promises at least 100,000 records."""
    evidence, sent, runs, checks = whole_day()
    sent["H0STASP0", "005930"] -= 20_000
    assert "at least 100,000 records" in [e.claim for e in failed(evidence, sent, runs, checks)]
