"""The results as a page: what is broken, and every other result below."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from observer_contracts.model import Contract, Result, Status
from observer_contracts.reports.blocks import Block, Heading, Paragraph, Table
from observer_contracts.reports.terminal import shown_location


def results_page(results: Sequence[Result]) -> list[Block]:
    """Returns the blocks of a page with the verdict of each contract and every result."""
    bad = [result for result in results if result.status is not Status.PASS]
    good = [result for result in results if result.status is Status.PASS]
    return [
        Heading(1, "Execution contracts"),
        _verdicts(results),
        Heading(2, "What needs attention"),
        _table(bad) if bad else Paragraph("Nothing."),
        Heading(2, "What holds"),
        _table(good) if good else Paragraph("Nothing was seen to hold."),
    ]


def worst(results: Sequence[Result]) -> Status:
    """Returns the worst state of some results; UNKNOWN where there is none."""
    return min((result.status for result in results), key=lambda status: status.rank, default=Status.UNKNOWN)


def _verdicts(results: Sequence[Result]) -> Table:
    rows = []
    for contract in Contract:
        own = [result for result in results if result.rule.contract is contract]
        if own:
            counts = Counter(result.status for result in own)
            rows.append(
                (
                    contract.value,
                    worst(own).value,
                    ", ".join(f"{n} {s.value}" for s, n in sorted(counts.items(), key=lambda p: p[0].rank)),
                )
            )
    return Table(("contract", "verdict", "results"), tuple(rows))


def _table(results: Sequence[Result]) -> Table:
    head = ("state", "rule", "severity", "object", "expected", "observed", "seen at", "remedy")
    return Table(head, tuple(_row(result) for result in results))


def _row(result: Result) -> tuple[str, ...]:
    rule, finding = result.rule, result.finding
    marks = ", ".join(part for part in (rule.id, rule.cf, rule.incident) if part)
    seen = "; ".join(shown_location(where) for where in finding.evidence[:3])
    remedy = "" if result.status is Status.PASS else result.remedy
    return (
        result.status.value,
        marks,
        result.severity.value,
        finding.object,
        finding.expected,
        finding.observed,
        seen,
        remedy,
    )
