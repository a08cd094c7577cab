"""The states of the contracts are kept as intervals, so that "since when" has an answer."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from observer_core.errors import DatabaseUnavailableError
from observer_core.settings import DatabaseSettings
from observer_core.warehouse import ContractState, connect, migrate, record_contract_states, transaction

FIRST = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)

STATE = ContractState(
    source="live",
    rule="SEC-001",
    contract="secret",
    severity="critical",
    object="Deployment/observer",
    expected="a Secret observer-secrets that something makes",
    status="PASS",
    observed="made by Secret/observer-secrets",
    remedy="",
)
BROKEN = replace(STATE, status="FAIL", observed="nothing makes it", remedy="Seal it.")


def _rows(engine: Engine) -> list[tuple]:
    with transaction(engine) as connection:
        found = connection.execute(
            sa.text("SELECT status, since, seen, ended FROM observer.contract_states ORDER BY id")
        )
        return [tuple(row) for row in found]


def test_a_state_that_lasts_keeps_its_beginning(engine: Engine) -> None:
    """Three verifications, one row: since the first, seen by the last."""
    migrate(engine)
    for number in range(3):
        since = record_contract_states(engine, [STATE], sources=["live"], now=FIRST + number * HOUR)
        assert since == {STATE.fact: FIRST}
    assert _rows(engine) == [("PASS", FIRST, FIRST + 2 * HOUR, None)]


def test_a_change_ends_one_state_and_begins_another(engine: Engine) -> None:
    """Broken since the second verification, repaired since the fourth."""
    migrate(engine)
    for number, state in enumerate((STATE, BROKEN, BROKEN, STATE)):
        since = record_contract_states(engine, [state], sources=["live"], now=FIRST + number * HOUR)
    assert since == {STATE.fact: FIRST + 3 * HOUR}
    assert _rows(engine) == [
        ("PASS", FIRST, FIRST, FIRST + HOUR),
        ("FAIL", FIRST + HOUR, FIRST + 2 * HOUR, FIRST + 3 * HOUR),
        ("PASS", FIRST + 3 * HOUR, FIRST + 3 * HOUR, None),
    ]


def test_a_fact_that_is_gone_has_ended(engine: Engine) -> None:
    """A pod that was replaced is no longer judged."""
    migrate(engine)
    record_contract_states(engine, [STATE], sources=["live"], now=FIRST)
    assert record_contract_states(engine, [], sources=["live"], now=FIRST + HOUR) == {}
    assert _rows(engine) == [("PASS", FIRST, FIRST, FIRST + HOUR)]


def test_a_source_that_was_not_looked_at_keeps_its_states(engine: Engine) -> None:
    """A verification of manifests says nothing about the cluster."""
    migrate(engine)
    record_contract_states(engine, [STATE], sources=["live"], now=FIRST)
    record_contract_states(engine, [], sources=["manifests"], now=FIRST + HOUR)
    assert _rows(engine) == [("PASS", FIRST, FIRST, None)]


def test_the_same_fact_of_two_sources_is_two(engine: Engine) -> None:
    """The manifests may be right while the cluster is not."""
    migrate(engine)
    states = [STATE, replace(BROKEN, source="manifests"), replace(STATE, object="StatefulSet/postgres")]
    since = record_contract_states(engine, states, sources=["live", "manifests"], now=FIRST)
    assert len(since) == 3
    assert len(_rows(engine)) == 3


def test_of_two_states_of_a_fact_the_first_counts(engine: Engine) -> None:
    """The worst comes first."""
    migrate(engine)
    record_contract_states(engine, [BROKEN, STATE], sources=["live"], now=FIRST)
    assert [row[0] for row in _rows(engine)] == ["FAIL"]


def test_long_texts_are_kept(engine: Engine) -> None:
    """What a rule expects may be longer than an index entry may be."""
    migrate(engine)
    long = replace(STATE, expected="x" * 20_000, object="y" * 20_000)
    assert record_contract_states(engine, [long], sources=["live"], now=FIRST) == {long.fact: FIRST}
    assert record_contract_states(engine, [long], sources=["live"], now=FIRST + HOUR) == {long.fact: FIRST}


def test_a_server_that_is_away_is_an_external_failure() -> None:
    """Not knowing since when is no reason not to know what."""
    settings = DatabaseSettings.load({"DB_HOST": "127.0.0.1", "DB_PORT": "1"})
    with pytest.raises(DatabaseUnavailableError):
        record_contract_states(connect(settings), [STATE], sources=["live"], now=FIRST)
