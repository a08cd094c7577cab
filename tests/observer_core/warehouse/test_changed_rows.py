"""A row that somebody changed in PostgreSQL is found, whatever was changed, and comes back from the lake."""

import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from observer.stack.postgres import SUPERUSER, PostgresServer
from observer_core.backup.postgres_programs import find_programs
from observer_core.lake.compaction import build_bars
from observer_core.settings import Paths
from observer_core.warehouse import (
    WarehouseTable,
    connect,
    load_table,
    migrate,
    pending_loads,
    transaction,
)
from observer_core.warehouse.migrate import VERSIONS
from observer_core.warehouse.written import held_of

from .conftest import DAY, NUMBERS, WriteHour, trades

TRADES, BARS = WarehouseTable.SCALP_TRADES, WarehouseTable.BARS_1M

# What is done -> the sources that a load then names, and the rows that it writes.
CHANGES = {
    "a figure of one row": ("UPDATE observer.scalp_trades SET price = 1 WHERE frame = 51", ("t",), 4),
    "a text of one row": ("UPDATE observer.scalp_trades SET extra = NULL WHERE frame = 51", ("t",), 4),
    "every row of a segment": ("UPDATE observer.scalp_trades SET price = 1 WHERE segment = 't'", ("t",), 4),
    "every row of the day": ("UPDATE observer.scalp_trades SET volume = volume * 10", ("s", "t"), 9),
    "a row with its key": ("UPDATE observer.scalp_trades SET frame = 777 WHERE frame = 0", ("s",), 5),
    "back and forth, with the sum kept": (
        "UPDATE observer.scalp_trades SET price = 101 - price WHERE frame IN (50, 51)", ("t",), 4,
    ),
    "one row taken out and another put in": (
        "DELETE FROM observer.scalp_trades WHERE frame = 51; INSERT INTO observer.scalp_trades "
        "(trading_day, provider, shard, epoch, frame, record, segment) "
        "VALUES ('2026-09-15', 'x', '0', 1, 99, 0, 't')", ("t",), 4,
    ),
}  # fmt: skip


def execute(engine: Engine, statement: str) -> None:
    """Sends a statement by itself: no transaction is around it."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text(statement))


def stored(engine: Engine) -> list[tuple[object, ...]]:
    with engine.begin() as connection:
        found = connection.execute(sa.text("SELECT * FROM observer.scalp_trades ORDER BY frame"))
        return [tuple(row) for row in found]


@pytest.fixture
def loaded(engine: Engine, paths: Paths, write_hour: WriteHour) -> Engine:
    """A day of nine rows from two segments, loaded at different times."""
    migrate(engine)
    write_hour(9, ("s", "a", trades("s", 5)))
    load_table(engine, paths, TRADES, DAY)
    write_hour(10, ("t", "b", trades("t", 4, first=50)))
    assert load_table(engine, paths, TRADES, DAY).rows == 9
    return engine


def test_a_changed_row_is_found_and_loaded_anew(loaded: Engine, paths: Paths) -> None:
    """As many rows as before, and one is not what the lake has; each load repairs what was changed."""
    rows = stored(loaded)
    for change, (statement, changed, written) in CHANGES.items():
        execute(loaded, statement)
        assert stored(loaded) != rows, change
        assert pending_loads(loaded, paths, [DAY]) == [(TRADES, DAY)], change
        done = load_table(loaded, paths, TRADES, DAY)
        assert (done.changed, done.lost, done.rows_loaded, done.rows) == (changed, (), written, 9), change
        assert stored(loaded) == rows, change
        assert pending_loads(loaded, paths, [DAY]) == [], change


def test_bars_that_somebody_changed_come_back(loaded: Engine, paths: Paths) -> None:
    """Their rows name no segment; the day's file is their one source."""
    build_bars(paths, DAY)
    load_table(loaded, paths, BARS, DAY)
    execute(loaded, "UPDATE observer.bars_1m SET volume = 0 WHERE ctid = '(0,1)'")
    assert pending_loads(loaded, paths, [DAY]) == [(BARS, DAY)]
    assert load_table(loaded, paths, BARS, DAY).changed == ("bars_1m",)
    assert pending_loads(loaded, paths, [DAY]) == []


def test_what_changes_no_row_is_no_change(loaded: Engine, paths: Paths) -> None:
    """PostgreSQL keeps the number of the load in a row, also where it moves or freezes it."""
    for harmless in (
        "VACUUM (FREEZE) observer.scalp_trades",
        "VACUUM (FULL, ANALYZE) observer.scalp_trades",
        "SELECT * FROM observer.scalp_trades FOR UPDATE",
        "BEGIN; UPDATE observer.scalp_trades SET price = 1; ROLLBACK",
    ):
        execute(loaded, harmless)
        assert pending_loads(loaded, paths, [DAY]) == [], harmless


def test_a_version_that_writes_a_table_anew_leaves_nothing_to_load(loaded: Engine, tmp_path: Path) -> None:
    """Its rows get another number, and their entries the same one; those of other tables keep theirs."""
    copied = tmp_path / "migrations"
    shutil.copytree(VERSIONS, copied, ignore=shutil.ignore_patterns("__pycache__"))
    newest = max(path.name[:4] for path in (VERSIONS / "versions").glob("[0-9]*.py"))
    (copied / "versions/9999_test.py").write_text(
        f"from alembic import op\nrevision, down_revision = '9999', '{newest}'\ndef upgrade():\n"
        "    op.execute('ALTER TABLE observer.scalp_trades ALTER COLUMN price TYPE numeric')\n"
    )

    def numbers() -> set[str]:
        with loaded.begin() as connection:
            found = connection.execute(
                sa.text("SELECT DISTINCT CAST(xmin AS text) FROM observer.scalp_trades")
            )
            return set(found.scalars())

    before = numbers()
    assert migrate(loaded, versions=copied) == ["9999"]
    assert not before & numbers()
    with transaction(loaded) as connection:
        held = held_of(connection, TRADES, DAY)
    assert (held.rows, held.changed) == ({"s": 5, "t": 4}, {})


def test_a_restored_dump_holds_no_changed_rows(
    loaded: Engine, paths: Paths, server: PostgresServer, tmp_path: Path
) -> None:
    """Restored as `observer backup restore dump` does it: rows and ledger in one transaction."""
    with server.connection("postgres", user=SUPERUSER) as session, session.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        major = int(cursor.fetchone()[0]) // 10_000
        empty = f"test{next(NUMBERS)}"
        cursor.execute(f"CREATE DATABASE {empty} OWNER observer")
    programs = find_programs(major, None)
    file, name = tmp_path / "whole.dump", loaded.url.database or ""
    programs.run("pg_dump", ["--format=custom", f"--file={file}"], server.settings(name))
    words = ["--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges"]
    programs.run("pg_restore", [*words, f"--dbname={empty}", str(file)], server.settings(empty))
    restored = connect(server.settings(empty))
    migrate(restored)
    assert pending_loads(restored, paths, [DAY]) == []
    execute(restored, CHANGES["a figure of one row"][0])
    assert load_table(restored, paths, TRADES, DAY).changed == ("t",)
    restored.dispose()
