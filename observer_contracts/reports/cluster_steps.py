"""Steps 0 to 9 of the specification's cluster verification, with the verdict of each.

Invariant: a step is what its rules say about the running system; the operator's guide
(docs/operations/cluster.md) has the same steps, with commands for people.
"""

from __future__ import annotations

from collections.abc import Sequence

from observer_contracts.model import Result, Source, Status
from observer_contracts.reports.blocks import Table
from observer_contracts.reports.results_page import worst

STEPS: tuple[tuple[str, ...], ...] = (
    ("RND-003",),
    ("SEC-001", "SEC-002", "SEC-005"),
    ("API-001", "NOD-001", "VOL-008"),
    ("STO-001",),
    ("SEC-006", "SEC-012"),
    ("NSP-001", "VOL-002", "ENV-001", "ENV-003"),
    ("WRK-001", "POD-001", "POD-002", "IMG-001"),
    ("DB-001", "DB-002", "SVC-001", "SVC-005", "PRB-001", "PRB-002"),
    ("PATH-001", "PATH-002", "CTX-001", "CTX-004", "CTX-005"),
    ("VOL-007", "DAT-001", "DAT-002"),
)
_RUNNING = frozenset({Source.LIVE, Source.RUNTIME})


def steps_table(results: Sequence[Result], words: dict[str, str]) -> Table:
    """Returns a row for each step: what it asks, which rules answer, their verdict, and what is wrong."""
    rows = []
    for number, rules in enumerate(STEPS):
        own = [result for result in results if result.rule.id in rules and result.source in _RUNNING]
        bad = dict.fromkeys(
            f"{r.finding.object}: {r.finding.observed}" for r in own if r.status is not Status.PASS
        )
        rows.append(
            (str(number), words[f"step-{number}"], worst(own).value, ", ".join(rules), "; ".join(bad) or "-")
        )
    head = ("step", "meaning", "verdict", "rules", "observed")
    return Table(tuple(words[name] for name in head), tuple(rows))
