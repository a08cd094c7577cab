"""Migrations: versioned, repeatable, never destructive, and equal to the declarations."""

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from observer_core.errors import ConfigurationError
from observer_core.lake.columns import ColumnType
from observer_core.settings import Paths
from observer_core.warehouse import (
    WAREHOUSE_TABLES,
    WarehouseTable,
    load_table,
    migrate,
    pending_loads,
    pending_steps,
    prepare,
    readiness,
    transaction,
)
from observer_core.warehouse.guard import is_destructive, keys_of, losses, shape_of
from observer_core.warehouse.partitions import ensure_partitions
from observer_core.warehouse.tables import WAREHOUSE_SCHEMAS

VERSIONS = Path(__file__).resolve().parents[3] / "observer_core/warehouse/migrations/versions"

TYPES = {
    ColumnType.TEXT: "text",
    ColumnType.TEXTS: "ARRAY",
    ColumnType.INTEGER: "bigint",
    ColumnType.DECIMAL: "double precision",
    ColumnType.INSTANT: "timestamp with time zone",
    ColumnType.DATE: "date",
    ColumnType.FLAG: "boolean",
}


def test_an_empty_database_is_brought_up_to_date_once(engine: Engine) -> None:
    """The second run has nothing to do."""
    assert pending_steps(engine) == ["0001", "0002", "0003"]
    assert migrate(engine) == ["0001", "0002", "0003"]
    assert migrate(engine) == []
    assert pending_steps(engine) == []


@pytest.mark.parametrize("table", WAREHOUSE_TABLES)
def test_columns_are_those_declared(engine: Engine, table: WarehouseTable) -> None:
    """A changed declaration needs a migration."""
    migrate(engine)
    with transaction(engine) as connection:
        found = connection.execute(
            sa.text(
                "SELECT column_name, data_type FROM information_schema.columns "
                "WHERE table_schema = 'observer' AND table_name = :table ORDER BY ordinal_position"
            ),
            {"table": table.value},
        )
        columns = [tuple(row) for row in found]
    declared = [(column.name, TYPES[column.type]) for column in WAREHOUSE_SCHEMAS[table].columns]
    assert columns == declared


@pytest.mark.parametrize("table", WAREHOUSE_TABLES)
def test_the_key_of_each_table_is_the_one_declared(engine: Engine, table: WarehouseTable) -> None:
    """With the trading day, which a key of a partitioned table has to have; partitions have it too."""
    migrate(engine)
    with transaction(engine) as connection:
        assert keys_of(connection)[table] == {"trading_day", *WAREHOUSE_SCHEMAS[table].unique_key}


def test_new_keys_are_given_to_days_that_hold_rows(engine: Engine, tmp_path: Path) -> None:
    """A database of the version before keeps its rows, refuses a line twice, and loads further days."""
    before = tmp_path / "migrations"
    shutil.copytree(VERSIONS.parent, before, ignore=shutil.ignore_patterns("__pycache__", "000[3-9]_*"))
    assert migrate(engine, versions=before) == ["0001", "0002"]
    tables = ("scalp_trades", "swing_snapshots", "market_events", "gaps")

    def insert(table: str, day: int, frame: int) -> None:
        with transaction(engine) as connection:
            connection.execute(
                sa.text(
                    f"INSERT INTO observer.{table} (trading_day, provider, shard, epoch, frame, record) "
                    f"VALUES ('2026-09-{day}', 'kis', '0', 1, {frame}, 0)"
                )
            )

    with transaction(engine) as connection:
        ensure_partitions(connection, [date(2026, 9, 15), date(2026, 9, 16)])
    for table in tables:
        for frame in (1, 2):
            insert(table, 15, frame)
    assert migrate(engine) == ["0003"]
    with transaction(engine) as connection:
        ensure_partitions(connection, [date(2026, 9, 17)])
    for table in tables:
        for day in (15, 16, 17):
            insert(table, day, 3)
            with pytest.raises(sa.exc.IntegrityError, match=f"{table}_202609{day}_pkey"):
                insert(table, day, 3)
        with transaction(engine) as connection:
            count = sa.text(f"SELECT trading_day, count(*) FROM observer.{table} GROUP BY 1 ORDER BY 1")
            assert [rows for _, rows in connection.execute(count)] == [3, 1, 1]


def test_partitions_are_made_once_and_hold_one_day(engine: Engine) -> None:
    """Repeating makes none; a row without a partition is refused."""
    migrate(engine)
    days = [date(2026, 9, 15), date(2026, 9, 16)]
    with transaction(engine) as connection:
        assert len(ensure_partitions(connection, days)) == 2 * len(WAREHOUSE_TABLES)
        assert ensure_partitions(connection, days) == []
        connection.execute(
            sa.text(
                "INSERT INTO observer.universe VALUES "
                "('2026-09-15', 'x', 'x', 'KOSPI', 1, 1, '2026-09-15', 'kis-master')"
            )
        )
        rows = connection.execute(sa.text("SELECT count(*) FROM observer.universe_20260915")).scalar_one()
    assert rows == 1


def test_no_version_destroys_anything() -> None:
    """Dropping, truncating or deleting is refused in review and here; a constraint holds no rows."""
    versions = sorted(VERSIONS.glob("[0-9]*.py"))
    assert versions
    for path in versions:
        content = path.read_text()
        found = re.search(r"\b(DROP(?! CONSTRAINT)|TRUNCATE|DELETE|DETACH)\b", content, re.IGNORECASE)
        assert not found, path.name


@pytest.mark.parametrize(
    ("statement", "refused"),
    [
        ("DROP TABLE observer.bars_1m", True),
        ("drop schema observer cascade", True),
        ("ALTER TABLE observer.gaps DROP COLUMN cause", True),
        ("TRUNCATE observer.gaps", True),
        ("DELETE FROM observer.gaps", True),
        ("ALTER TABLE observer.gaps DETACH PARTITION observer.gaps_20260915", True),
        ("SELECT 1; /* harmless */ DROP /* not so */ TABLE x", True),
        ("ALTER TABLE observer.gaps DROP CONSTRAINT gaps_pkey, ADD PRIMARY KEY (frame)", False),
        ("ALTER TABLE observer.gaps drop\n constraint gaps_pkey, DROP COLUMN cause", True),
        ("ALTER TABLE observer.gaps DROP constraints", True),
        ("-- nobody may DROP this\nCREATE TABLE x (raindrop text)", False),
        ("COMMENT ON TABLE x IS 'never TRUNCATE it, it''s DROP-proof'", False),
        ("UPDATE observer.alembic_version SET version_num='0002'", False),
        ("DO $$ BEGIN EXECUTE 'TRUNCATE observer.gaps'; END $$", True),
        ("SELECT 1; do $$ begin execute 'drop table observer.gaps'; end $$", True),
        ("CREATE OR REPLACE FUNCTION f() RETURNS void AS 'DELETE FROM observer.gaps' LANGUAGE sql", True),
        ("/* of old */ DO $$ BEGIN PERFORM 1; -- never DROP\n END $$", False),
        ("ALTER TABLE observer.gaps ALTER COLUMN cause TYPE text USING ''", True),
        ("ALTER TABLE x ALTER a TYPE bigint; CREATE INDEX i ON x USING brin (a)", False),
        ("COMMIT", True),
        ("ROLLBACK TO SAVEPOINT here", False),
        ("CREATE TEMP TABLE x (n int) ON COMMIT PRESERVE ROWS", False),
    ],
)
def test_destructive_statements_are_recognised(statement: str, *, refused: bool) -> None:
    """Words in comments and texts do not count."""
    assert is_destructive(statement) is refused


def test_a_destructive_version_is_refused_as_a_whole(engine: Engine, tmp_path: Path) -> None:
    """What it did before is undone, the rows are there, and the version is not entered."""
    migrate(engine)
    with transaction(engine) as connection:
        connection.execute(sa.text("CREATE TABLE observer.kept AS SELECT 1 AS row"))
    copied = tmp_path / "migrations"
    shutil.copytree(VERSIONS.parent, copied, ignore=shutil.ignore_patterns("__pycache__"))
    (copied / "versions/0004_bad.py").write_text(
        "from alembic import op\n"
        "revision, down_revision = '0004', '0003'\n"
        "def upgrade():\n"
        "    op.execute('CREATE TABLE observer.first (x int)')\n"
        "    op.drop_table('kept', schema='observer')\n"
    )
    with pytest.raises(ConfigurationError, match=r"DROP TABLE observer\.kept"):
        migrate(engine, versions=copied)
    with transaction(engine) as connection:
        assert connection.execute(sa.text("SELECT row FROM observer.kept")).scalar_one() == 1
        assert sa.inspect(connection).has_table("first", schema="observer") is False
    assert pending_steps(engine) == []


def test_a_second_version_is_applied_to_a_database_in_use(engine: Engine, tmp_path: Path) -> None:
    """Rows stay where they are."""
    migrate(engine)
    with transaction(engine) as connection:
        ensure_partitions(connection, [date(2026, 9, 15)])
        connection.execute(
            sa.text("INSERT INTO observer.universe (trading_day, symbol) VALUES ('2026-09-15', 'x')")
        )
    copied = tmp_path / "with 100% in its name"
    shutil.copytree(VERSIONS.parent, copied, ignore=shutil.ignore_patterns("__pycache__"))
    (copied / "versions/0004_more.py").write_text(
        "from alembic import op\n"
        "revision, down_revision = '0004', '0003'\n"
        "def upgrade():\n"
        "    op.execute('ALTER TABLE observer.universe ADD COLUMN sector text')\n"
    )
    assert migrate(engine, versions=copied) == ["0004"]
    with transaction(engine) as connection:
        found = connection.execute(sa.text("SELECT symbol, sector FROM observer.universe")).one()
    assert tuple(found) == ("x", None)


def test_two_migrations_at_once_are_one(engine: Engine) -> None:
    """Two pods start together: one applies, the other finds it done."""
    with ThreadPoolExecutor(2) as threads:
        applied = sorted(threads.map(lambda _: migrate(engine), range(2)))
    assert applied == [[], ["0001", "0002", "0003"]]


def test_a_database_that_is_newer_than_the_program_is_named_and_left_alone(
    engine: Engine, paths: Paths
) -> None:
    """An image that was rolled back: no migration would help, and nobody is told to run any."""
    migrate(engine)
    with transaction(engine) as connection:
        connection.execute(sa.text("UPDATE observer.alembic_version SET version_num = '0009'"))
    for action in (
        lambda: migrate(engine),
        lambda: pending_steps(engine),
        lambda: readiness(engine, date(2026, 9, 15)),
        lambda: prepare(engine, date(2026, 9, 15)),
        lambda: load_table(engine, paths, WarehouseTable.BARS_1M, date(2026, 9, 15)),
        lambda: pending_loads(engine, paths, [date(2026, 9, 15)]),
    ):
        with pytest.raises(ConfigurationError) as refused:
            action()
        assert "newer than this program: schema observer is at version 0009" in refused.value.message
        assert "the last one known here is 0003" in refused.value.message
        assert refused.value.remedy.startswith("Promote the image")
        assert "migrations" not in str(refused.value)


def test_the_versions_of_another_program_in_the_database_are_left_alone(engine: Engine) -> None:
    """Dagster keeps its own alembic_version in the schema `public` of the same database."""
    with transaction(engine) as connection:
        connection.execute(sa.text("CREATE TABLE public.alembic_version (version_num text)"))
        connection.execute(sa.text("INSERT INTO public.alembic_version VALUES ('dagster')"))
    migrate(engine)
    with transaction(engine) as connection:
        found = connection.execute(sa.text("SELECT version_num FROM public.alembic_version")).scalars().all()
        ours = connection.execute(sa.text("SELECT version_num FROM observer.alembic_version")).scalars().all()
    assert (found, ours) == (["dagster"], ["0003"])


def test_partitions_are_made_once_by_two_at_once(engine: Engine) -> None:
    """Both find them missing; neither fails."""
    migrate(engine)
    days = [date(2026, 9, day) for day in range(1, 29)]

    def make(_: int) -> int:
        with transaction(engine) as connection:
            return len(ensure_partitions(connection, days))

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(make, range(2))) == [0, len(days) * len(WAREHOUSE_TABLES)]


def test_a_query_of_one_day_reads_one_partition(engine: Engine) -> None:
    """The plan leaves the other days out."""
    migrate(engine)
    with transaction(engine) as connection:
        ensure_partitions(connection, [date(2026, 9, day) for day in (15, 16, 17)])
        plan = connection.execute(
            sa.text("EXPLAIN SELECT * FROM observer.scalp_trades WHERE trading_day = '2026-09-16'")
        )
        text = "\n".join(row[0] for row in plan)
    assert "scalp_trades_20260916" in text
    assert "scalp_trades_20260915" not in text


def versions_with(tmp_path: Path, body: str) -> Path:
    """Returns a copy of the migrations with one more version."""
    copied = tmp_path / "migrations"
    shutil.copytree(VERSIONS.parent, copied, ignore=shutil.ignore_patterns("__pycache__"))
    newest = max(path.name[:4] for path in VERSIONS.glob("[0-9]*.py"))
    (copied / "versions/9999_test.py").write_text(
        "from alembic import op\n"
        f"revision, down_revision = '9999', '{newest}'\n"
        f"def upgrade():\n    op.execute({body!r})\n"
    )
    return copied


# Written so that no word of the statement tells: only the tables afterwards do.
HIDDEN = {
    "column gaps.cause is gone": "ALTER TABLE observer.gaps RENAME COLUMN cause TO reason",
    "table gaps is gone": "ALTER TABLE observer.gaps RENAME TO holes",
    "column bars_1m.volume narrows from bigint to integer":
        "ALTER TABLE observer.bars_1m ALTER COLUMN volume TYPE integer",
    "column gaps.cause narrows from text to character varying(10)":
        "ALTER TABLE observer.gaps ALTER COLUMN cause SET DATA TYPE varchar(10)",
    "universe may hold two rows with the same symbol, trading_day":
        "ALTER TABLE observer.universe DROP CONSTRAINT universe_pkey",
    "bars_1m may hold two rows with the same minute, session, symbol, trading_day, venue":
        "ALTER TABLE observer.bars_1m DROP CONSTRAINT bars_1m_pkey,"
        " ADD PRIMARY KEY (trading_day, symbol, venue, minute, session, open_price)",
    "column gaps.details is gone":
        "DO $$ BEGIN EXECUTE 'ALTER TABLE observer.gaps DR' || 'OP COLUMN details'; END $$",
}  # fmt: skip


@pytest.mark.parametrize("loss", HIDDEN)
def test_a_version_that_loses_something_is_refused_however_it_is_written(
    engine: Engine, tmp_path: Path, loss: str
) -> None:
    """The tables are as before, and the message names what would be lost and how to allow it."""
    migrate(engine)
    with transaction(engine) as connection:
        before = shape_of(connection)
    with pytest.raises(ConfigurationError) as refused:
        migrate(engine, versions=versions_with(tmp_path, HIDDEN[loss]))
    assert loss in str(refused.value)
    assert "observer warehouse migrate --may-destroy 9999" in refused.value.remedy
    with transaction(engine) as connection:
        assert shape_of(connection) == before
    assert pending_steps(engine) == []


def test_a_version_that_an_operator_names_may_remove(engine: Engine, tmp_path: Path) -> None:
    """Only that one: another name allows nothing."""
    migrate(engine)
    versions = versions_with(tmp_path, "ALTER TABLE observer.gaps DROP COLUMN cause")
    with pytest.raises(ConfigurationError, match="9999 would remove data"):
        migrate(engine, versions=versions, may_destroy={"0001"})
    assert migrate(engine, versions=versions, may_destroy={"9999"}) == ["9999"]
    with transaction(engine) as connection:
        assert "cause" not in shape_of(connection)["gaps"]


@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [
        ("integer", "bigint", False),
        ("bigint", "integer", True),
        ("bigint", "double precision", True),
        ("integer", "double precision", False),
        ("character varying(10)", "text", False),
        ("character varying(10)", "character varying(20)", False),
        ("character varying(20)", "character varying(10)", True),
        ("character varying(20)", "character varying", False),
        ("character varying", "character varying(20)", True),
        ("character(5)", "character varying(5)", False),
        ("text", "text[]", True),
        ("timestamp with time zone", "date", True),
    ],
)
def test_a_type_holds_the_values_of_a_narrower_one_only(old: str, new: str, *, lost: bool) -> None:
    """2^53 + 1 is no double; a day is no instant."""
    assert bool(list(losses({"t": {"c": old}}, {"t": {"c": new}}))) is lost
