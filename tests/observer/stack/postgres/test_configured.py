"""A server that somebody else runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg2 import sql

from observer.stack import ports
from observer.stack.postgres import SUPERUSER, PostgresServer
from observer.stack.postgres.configured import dagster_storage
from observer_core.errors import ConfigurationError, DatabaseUnavailableError


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PostgresServer]:
    with PostgresServer(tmp_path / "pg", durable=False) as server:
        yield server


def as_administrator(server: PostgresServer, statement: str) -> None:
    with server.connection("postgres", user=SUPERUSER) as session, session.cursor() as cursor:
        cursor.execute(sql.SQL(statement))


def test_dagsters_database_is_made_beside_ours_once(server: PostgresServer) -> None:
    """Where the role may make databases, nobody has to do it by hand; a second start finds it."""
    as_administrator(server, "ALTER ROLE observer CREATEDB")
    assert dagster_storage(server.settings()).name == "dagster"
    assert dagster_storage(server.settings()).name == "dagster"
    with server.connection("dagster") as session, session.cursor() as cursor:
        cursor.execute("SELECT 1")


def test_a_role_that_may_not_is_told_the_statement(server: PostgresServer) -> None:
    """The remedy can be pasted by the administrator."""
    with pytest.raises(ConfigurationError) as raised:
        dagster_storage(server.settings())
    assert raised.value.remedy == "As its administrator: CREATE DATABASE dagster OWNER observer;"


def test_a_server_that_does_not_answer_names_the_variables(server: PostgresServer) -> None:
    """The operator sees which address was tried and which variables choose it."""
    [free] = ports.ephemeral()
    settings = server.settings().model_copy(update={"port": free})
    with pytest.raises(DatabaseUnavailableError, match=rf"127\.0\.0\.1:{free} \(DB_HOST, DB_PORT\)"):
        dagster_storage(settings)
