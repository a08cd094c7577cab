"""What the contracts said, and since when.

Invariant: a row is one state of one fact, from the verification that saw it first (`since`) to the last one
that saw it (`seen`); it has ended when another state took its place or the fact is no longer there. A source
that was not looked at keeps its states. Recording the same verification twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from observer_core.warehouse.connection import transaction
from observer_core.warehouse.tables import SCHEMA

# Any number that nobody else in this database locks: "contract" as ASCII.
_LOCK = 0x636F6E7472616374

_TABLE = sa.table(
    "contract_states",
    *map(sa.column, ("id", "source", "rule", "contract", "severity", "object", "expected", "status")),
    *map(sa.column, ("observed", "remedy", "since", "seen", "ended")),
    schema=SCHEMA,
)

Fact = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class ContractState:
    """What a rule said about one fact.

    Attributes:
        source: Kind of evidence.
        rule: Id of the rule.
        contract: Contract of the rule.
        severity: What a violation costs.
        object: What the fact is about.
        expected: What the contract asks for.
        status: The answer.
        observed: What was seen; never a secret.
        remedy: What to do.
    """

    source: str
    rule: str
    contract: str
    severity: str
    object: str
    expected: str
    status: str
    observed: str
    remedy: str

    @property
    def fact(self) -> Fact:
        """What tells one fact from another."""
        return (self.source, self.rule, self.object, self.expected)


def record_contract_states(
    engine: Engine, states: Iterable[ContractState], *, sources: Collection[str], now: datetime
) -> dict[Fact, datetime]:
    """Records a verification.

    Args:
        engine: The database, with its schema up to date.
        states: The present states; of two of the same fact the first counts.
        sources: The kinds of evidence that were looked at.
        now: When.

    Returns:
        Since when each fact has had its present state.

    Raises:
        DatabaseUnavailableError: The server does not answer.
    """
    present: dict[Fact, ContractState] = {}
    for state in states:
        present.setdefault(state.fact, state)
    with transaction(engine) as connection:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        kept = _keep(connection, present, sources, now)
        begun = [state for fact, state in present.items() if fact not in kept]
        if begun:
            rows = [{**asdict(state), "since": now, "seen": now} for state in begun]
            connection.execute(sa.insert(_TABLE), rows)
    return kept | {state.fact: now for state in begun}


def _keep(
    connection: Connection, present: dict[Fact, ContractState], sources: Collection[str], now: datetime
) -> dict[Fact, datetime]:
    """Ends what has changed, refreshes what has not, and returns since when that holds."""
    c = _TABLE.c
    found = connection.execute(
        sa.select(c.id, c.source, c.rule, c.object, c.expected, c.status, c.since).where(
            c.ended.is_(None), c.source.in_(list(sources))
        )
    ).all()
    kept: dict[Fact, datetime] = {}
    ended, seen = [], []
    for row in found:
        fact = (row.source, row.rule, row.object, row.expected)
        state = present.get(fact)
        if state is None or state.status != row.status:
            ended.append(row.id)
            continue
        kept[fact] = row.since
        seen.append({"row": row.id, "now": now, "said": state.observed, "advice": state.remedy})
    if ended:
        connection.execute(sa.update(_TABLE).where(c.id.in_(ended)).values(ended=now))
    if seen:
        refresh = sa.update(_TABLE).where(c.id == sa.bindparam("row"))
        new: dict[str, Any] = {
            "seen": sa.bindparam("now"),
            "observed": sa.bindparam("said"),
            "remedy": sa.bindparam("advice"),
        }
        connection.execute(refresh.values(**new), seen)
    return kept
