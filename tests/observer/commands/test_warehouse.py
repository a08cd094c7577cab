"""`observer warehouse`: a look changes nothing, a migration brings everything; both say what is missing."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

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


@pytest.mark.parametrize("command", ["status", "migrate"])
def test_a_database_that_is_newer_than_the_image_is_one_line(environment, server, capsys, command):
    assert main(["warehouse", "migrate"]) in (0, 1)
    with server.connection("observer", user=SUPERUSER) as session, session.cursor() as cursor:
        cursor.execute("UPDATE observer.alembic_version SET version_num = '0009'")
    capsys.readouterr()
    try:
        assert main(["warehouse", command]) == 1
        told = capsys.readouterr()
        assert told.out == ""
        [line] = [line for line in told.err.splitlines() if line.startswith("observer: ")]
        assert "newer than this program: schema observer is at version 0009" in line
        assert "Promote the image" in line
    finally:
        with server.connection("observer", user=SUPERUSER) as session, session.cursor() as cursor:
            cursor.execute("UPDATE observer.alembic_version SET version_num = '0003'")


def test_days_that_lack_rows_are_named_until_they_are_loaded(
    environment, server, monkeypatch, tmp_path, capsys
):
    """A day whose partition is dropped is missing, and the command that it names brings it back."""
    for variable, name in (("DATA", "data"), ("LOG", "logs"), ("CONFIG", "config"), ("SNAPSHOT", "universe")):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(f"OBSERVER_{variable}_DIR", str(tmp_path / name))
    assert main(["warehouse", "migrate"]) in (0, 1)
    day = datetime.now(UTC).date()
    universe = {
        "format": 1, "date": f"{day}", "symbols_date": f"{day}", "source": "kis-master", "rows": 1,
        "universe_size": 1, "excluded": {}, "filters": {},
        "symbols": [
            {"code": "005930", "name": "x", "market": "KOSPI", "base_price": 1, "previous_volume": 5}
        ],
    }  # fmt: skip
    (tmp_path / "universe" / f"{day:%Y%m%d}_kr_stocks.json").write_text(json.dumps(universe))
    for cause in ("SELECT 1", f"DROP TABLE observer.universe_{day:%Y%m%d}"):
        with server.connection("observer", user=SUPERUSER) as session, session.cursor() as cursor:
            cursor.execute(cause)
        capsys.readouterr()
        assert main(["warehouse", "missing"]) == 1
        assert capsys.readouterr().out.startswith(f"{day}  universe\n`observer backup restore warehouse`")
        assert main(["backup", "restore", "warehouse"]) == 0
        assert main(["warehouse", "missing"]) == 0


def test_a_server_that_is_away_is_one_line(environment, monkeypatch, capsys):
    monkeypatch.setenv("DB_PORT", "9")
    assert main(["warehouse", "status"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("observer: PostgreSQL at 127.0.0.1:9 failed")
