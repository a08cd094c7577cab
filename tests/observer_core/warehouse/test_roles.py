"""Owner, writer, reader on a real PostgreSQL: each may do its own, and nothing else."""

from collections.abc import Callable, Iterator
from datetime import date

import psycopg2
import pytest
from psycopg2.errors import InsufficientPrivilege
from pydantic import SecretStr
from sqlalchemy import Engine

from observer.stack.postgres import SUPERUSER, PostgresServer
from observer_core.errors import ConfigurationError
from observer_core.settings import DatabaseSettings, Paths
from observer_core.warehouse import (
    WarehouseTable,
    connect,
    load_table,
    migrate,
    prepare,
    readiness,
    transaction,
)
from observer_core.warehouse.partitions import DAYS_AHEAD, days_ahead, ensure_partitions

from .conftest import DAY, WriteHour, trades

Login = Callable[[str], DatabaseSettings]
TRADES = WarehouseTable.SCALP_TRADES


@pytest.fixture
def login(server: PostgresServer, engine: Engine) -> Login:
    """Makes a login for a person or program that is a member of a group."""

    def make(group: str) -> DatabaseSettings:
        database = engine.url.database or ""
        name = f"person_{group}_{database}"
        with server.connection(database, user=SUPERUSER) as session, session.cursor() as cursor:
            cursor.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'of a test' IN ROLE {group}")
        return server.settings(database).model_copy(update={"user": name, "password": SecretStr("of a test")})

    return make


def ask(settings: DatabaseSettings, statement: str) -> list[tuple[object, ...]]:
    """Sends one statement as that login."""
    session = psycopg2.connect(
        host=settings.host, port=settings.port, dbname=settings.name, user=settings.user,
        password=settings.password.get_secret_value(),
    )  # fmt: skip
    try:
        with session, session.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        session.close()


WRITES = (
    "INSERT INTO observer.universe (trading_day, symbol) VALUES ('2026-09-15', 'y')",
    "UPDATE observer.universe SET name = 'y'",
    "DELETE FROM observer.universe",
)
CHANGES = (
    "DROP TABLE observer.universe",
    "TRUNCATE observer.universe",
    "ALTER TABLE observer.universe ADD COLUMN more text",
    "CREATE TABLE observer.own (x int)",
    "CREATE TABLE observer.universe_19990101 PARTITION OF observer.universe"
    " FOR VALUES FROM ('1999-01-01') TO ('1999-01-02')",
    "DROP TABLE observer.universe_20260915",
    "DELETE FROM observer.alembic_version",
    "UPDATE observer.alembic_version SET version_num = '9999'",
)


def test_a_reader_sees_everything_and_changes_nothing(engine: Engine, login: Login) -> None:
    """Partitions that are made later are readable at once, also by their own names."""
    migrate(engine)
    reader = login("observer_reader")
    with transaction(engine) as connection:
        ensure_partitions(connection, [date(2026, 9, 15)])
    names = ("universe", "universe_20260915", "loaded_segments", "contract_states", "alembic_version")
    for name in names:
        ask(reader, f"SELECT * FROM observer.{name}")
    for statement in (*WRITES, *CHANGES):
        with pytest.raises(InsufficientPrivilege):
            ask(reader, statement)


def test_a_writer_changes_rows_and_nothing_else(engine: Engine, login: Login) -> None:
    """It may not drop, empty or alter a table, nor say which versions were applied."""
    migrate(engine)
    writer = login("observer_writer")
    with transaction(engine) as connection:
        ensure_partitions(connection, [date(2026, 9, 15)])
    for statement in WRITES:
        ask(writer, statement)
    for statement in CHANGES:
        with pytest.raises(InsufficientPrivilege):
            ask(writer, statement)


def test_a_writer_loads_a_day_whose_partition_was_made_ahead(
    engine: Engine, login: Login, paths: Paths, write_hour: WriteHour
) -> None:
    """The same loader, with the rights of a writer; it migrates nothing where nothing is to do."""
    migrate(engine)
    writer = connect(login("observer_writer"))
    write_hour(9, ("0_09_000001.jsonl", "a", trades("0_09_000001.jsonl", 5)))
    with pytest.raises(ConfigurationError, match=r"does not own the tables.*observer warehouse migrate"):
        load_table(writer, paths, TRADES, DAY)
    prepare(engine, DAY)
    assert migrate(writer) == []
    assert load_table(writer, paths, TRADES, DAY).rows == 5
    write_hour(9, ("0_09_000001.jsonl", "b", trades("0_09_000001.jsonl", 6)))
    assert load_table(writer, paths, TRADES, DAY).rows == 6


def test_rights_that_were_lost_are_given_again(engine: Engine, login: Login) -> None:
    """A dump that was restored has no rights in it (pg_restore --no-privileges)."""
    migrate(engine)
    reader = login("observer_reader")
    with transaction(engine) as connection:
        connection.exec_driver_sql("REVOKE ALL ON observer.bars_1m FROM observer_reader")
    found = readiness(engine, DAY).access
    assert found.unreadable == ("observer_reader: bars_1m",)
    assert "observer warehouse migrate" in found.remedy
    assert migrate(engine) == []
    assert ask(reader, "SELECT count(*) FROM observer.bars_1m") == [(0,)]
    assert readiness(engine, DAY).access.complete


@pytest.fixture
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A server on which nobody has made the groups."""
    folder = tmp_path_factory.mktemp("foreign")
    with PostgresServer(folder / "home", durable=False) as running:
        with running.connection("postgres", user=SUPERUSER) as session, session.cursor() as cursor:
            cursor.execute("DROP ROLE observer_reader, observer_writer")
        yield running


def test_an_owner_who_may_not_make_roles_asks_for_them(foreign: PostgresServer) -> None:
    """The tables are there, the statement for the administrator is told, and the next migration grants."""
    engine = connect(foreign.settings())
    assert migrate(engine) == ["0001", "0002", "0003"]
    access = readiness(engine, DAY).access
    assert access.missing == ("observer_writer", "observer_reader")
    assert "CREATE ROLE observer_writer NOLOGIN; CREATE ROLE observer_reader NOLOGIN;" in access.remedy
    with foreign.connection("postgres", user=SUPERUSER) as session, session.cursor() as cursor:
        for statement in access.remedy.split(": ", 1)[1].split(";")[:2]:
            cursor.execute(statement)
    assert migrate(engine) == []
    assert readiness(engine, DAY).access.complete
    # Who may make roles needs no administrator.
    with foreign.connection("postgres", user=SUPERUSER) as session, session.cursor() as cursor:
        cursor.execute("CREATE ROLE maker LOGIN CREATEROLE PASSWORD 'of a test'")
        cursor.execute("CREATE DATABASE other OWNER maker")
        cursor.execute("DROP OWNED BY observer_reader, observer_writer")
    with foreign.connection("observer", user=SUPERUSER) as session, session.cursor() as cursor:
        cursor.execute("DROP OWNED BY observer_reader, observer_writer")
        cursor.execute("DROP ROLE observer_reader, observer_writer")
    maker = foreign.settings("other").model_copy(update={"user": "maker", "password": SecretStr("of a test")})
    migrate(connect(maker))
    assert readiness(connect(maker), DAY).access.complete


def test_partitions_are_made_for_today_and_the_next_trading_days(engine: Engine) -> None:
    """Weekends and holidays have none: on 24 and 25 September 2026 the exchange rests for Chuseok."""
    days = days_ahead(date(2026, 9, 23))
    assert days[:3] == [date(2026, 9, 23), date(2026, 9, 28), date(2026, 9, 29)]
    assert len(days) == 1 + DAYS_AHEAD
    assert days_ahead(date(2026, 9, 26))[0] == date(2026, 9, 28)
    migrate(engine)
    assert len(readiness(engine, DAY).missing_partitions) == (1 + DAYS_AHEAD) * len(WarehouseTable)
    first = prepare(engine, DAY)
    assert len(first.partitions) == (1 + DAYS_AHEAD) * len(WarehouseTable)
    assert prepare(engine, DAY).partitions == ()
    assert readiness(engine, DAY).missing_partitions == ()
