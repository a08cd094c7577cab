"""`observer warehouse`: a look changes nothing, a migration brings everything; both say what is missing."""

from collections.abc import Iterator

import pytest

from observer.__main__ import main
from observer.stack.postgres import SUPERUSER, PostgresServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with PostgresServer(tmp_path_factory.mktemp("postgres") / "home", durable=False) as running:
        yield running


@pytest.fixture
def environment(server, monkeypatch) -> None:
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OBSERVER_CLOCK", "real")


def test_a_new_database_is_looked_at_brought_up_to_date_and_looked_at_again(environment, server, capsys):
    assert main(["warehouse", "status"]) == 1
    looked = capsys.readouterr().out
    assert "versions    missing: 0001, 0002, 0003" in looked
    assert main(["warehouse", "status"]) == 1, "the first look changed nothing"
    capsys.readouterr()
    assert main(["warehouse", "migrate"]) == 0
    migrated = capsys.readouterr().out
    assert "applied     0001, 0002, 0003" in migrated
    assert "0 missing" in migrated
    assert main(["warehouse", "status"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "roles       complete"


def test_missing_roles_are_told_with_the_administrators_statement(environment, server, capsys):
    assert main(["warehouse", "migrate"]) == 0
    with server.connection("observer", user=SUPERUSER) as session, session.cursor() as cursor:
        cursor.execute("DROP OWNED BY observer_reader, observer_writer")
        cursor.execute("DROP ROLE observer_reader, observer_writer")
    capsys.readouterr()
    assert main(["warehouse", "migrate"]) == 1
    told = capsys.readouterr().out
    assert "observer_reader is missing" in told
    assert "CREATE ROLE observer_writer NOLOGIN; CREATE ROLE observer_reader NOLOGIN;" in told


def test_a_server_that_is_away_is_one_line(environment, monkeypatch, capsys):
    monkeypatch.setenv("DB_PORT", "9")
    assert main(["warehouse", "status"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("observer: PostgreSQL at 127.0.0.1:9 failed")
