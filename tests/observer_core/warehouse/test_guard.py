"""No version removes or changes a row unless an operator names it, however it is written (incident I-25)."""

import shutil
import textwrap
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from observer.stack.postgres import SUPERUSER, PostgresServer
from observer_core.errors import ConfigurationError
from observer_core.warehouse import migrate, pending_steps, transaction
from observer_core.warehouse.migrate import VERSIONS
from observer_core.warehouse.partitions import ensure_partitions

DAYS = (date(2026, 9, 15), date(2026, 9, 16))
TABLES = ("bars_1m", "gaps", "loaded_segments", "universe")


def version(tmp_path: Path, body: str) -> Path:
    """Returns a copy of the migrations with one more version, whose `upgrade` is this Python."""
    copied = tmp_path / "migrations"
    shutil.copytree(VERSIONS, copied, ignore=shutil.ignore_patterns("__pycache__"))
    newest = max(path.name[:4] for path in (VERSIONS / "versions").glob("[0-9]*.py"))
    (copied / "versions/9999_test.py").write_text(
        "from alembic import op\n"
        f"revision, down_revision = '9999', '{newest}'\n"
        "def cursor():\n    return op.get_bind().connection.cursor()\n"
        f"def upgrade():\n{textwrap.indent(body, '    ')}\n"
    )
    return copied


@pytest.fixture
def filled(engine: Engine) -> Engine:
    """Two days of three tables, with a ledger, and a table of another program."""
    migrate(engine)
    with transaction(engine) as connection:
        ensure_partitions(connection, DAYS)
        for statement in (
            "INSERT INTO observer.bars_1m (trading_day, symbol, venue, minute, session, volume, vwap) "
            "SELECT d, '005930', 'KRX', d + n * interval '1 minute', 'regular', n, n + 0.25 "
            "FROM generate_series(date '2026-09-15', date '2026-09-16', '1 day') d, generate_series(1, 50) n",
            "INSERT INTO observer.gaps (trading_day, provider, shard, epoch, frame, record, cause) "
            "SELECT '2026-09-15', 'kis', '0', 1, n, 0, 'hole' FROM generate_series(1, 20) n",
            "INSERT INTO observer.universe (trading_day, symbol) VALUES ('2026-09-15', '005930')",
            "INSERT INTO observer.loaded_segments VALUES ('gaps', '2026-09-15', 's', 'a', 20)",
            "CREATE TABLE public.runs AS SELECT n FROM generate_series(1, 5) n",
        ):
            connection.execute(sa.text(statement))
    return engine


def content(engine: Engine) -> dict[str, list[str]]:
    """Returns the rows of every table, and which partitions there are."""
    partitions = (
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent::regclass::text LIKE 'observer.%'"
    )
    with transaction(engine) as connection:
        found = {
            name: sorted(connection.execute(sa.text(f"SELECT t::text FROM {name} t")).scalars())
            for name in (*(f"observer.{table}" for table in TABLES), "public.runs")
        }
        return found | {"partitions": sorted(connection.execute(sa.text(partitions)).scalars())}


def sent(statement: str) -> str:
    return f"op.execute({statement!r})"


def hidden(statement: str) -> str:
    """Sends it past everything that could read it."""
    return f"cursor().execute({statement!r})"


def in_program(statement: str) -> str:
    return sent(f"DO $$ BEGIN EXECUTE '{statement}'; END $$")


def in_pieces(statement: str) -> str:
    """No word of it stands in the text that is sent."""
    pieces = " || ".join(f"'{statement[at : at + 3]}'" for at in range(0, len(statement), 3))
    return sent(f"DO $$ BEGIN EXECUTE {pieces}; END $$")


# What a version does -> what the refusal says of it.
HARM = {
    "truncate in a program": (in_program("TRUNCATE observer.bars_1m"), "TRUNCATE"),
    "delete in a program": (in_program("DELETE FROM observer.bars_1m"), "DELETE"),
    "truncate in pieces": (
        in_pieces("TRUNCATE observer.bars_1m"),
        "observer.bars_1m_20260915 is emptied; observer.bars_1m_20260916 is emptied",
    ),
    "delete in pieces": (
        in_pieces("DELETE FROM observer.bars_1m"),
        "rows removed from observer.bars_1m_20260915: 50; "
        "rows removed from observer.bars_1m_20260916: 50",
    ),
    "drop of a partition in pieces": (
        in_pieces("DROP TABLE observer.bars_1m_20260915"), "table observer.bars_1m_20260915 is gone",
    ),
    "detachment in pieces": (
        in_pieces("ALTER TABLE observer.bars_1m DETACH PARTITION observer.bars_1m_20260915"),
        "partition observer.bars_1m_20260915 is detached",
    ),
    "values made null": (
        sent("UPDATE observer.bars_1m SET vwap = NULL"),
        "rows changed in observer.bars_1m_20260915: 50",
    ),
    "merge": (
        sent("MERGE INTO observer.bars_1m b USING (SELECT 1) x ON true WHEN MATCHED THEN DELETE"), "DELETE",
    ),
    "merge that changes": (
        sent("MERGE INTO observer.gaps USING (SELECT 1) x ON true WHEN MATCHED THEN UPDATE SET cause = ''"),
        "rows changed in observer.gaps_20260915: 20",
    ),
    "merge past every reader": (
        hidden("MERGE INTO observer.gaps USING (SELECT 1) x ON true WHEN MATCHED THEN DELETE"),
        "rows removed from observer.gaps_20260915: 20",
    ),
    "quoted names": (sent('DELETE FROM "observer"."bars_1m"'), "DELETE"),
    "quoted names past every reader": (
        hidden('DELETE FROM "observer"."bars_1m_20260916"'),
        "rows removed from observer.bars_1m_20260916: 50",
    ),
    "a table in another schema": (
        sent("ALTER TABLE observer.gaps SET SCHEMA public"), "table gaps is gone",
    ),
    "a partition in another schema": (
        sent("ALTER TABLE observer.gaps_20260915 SET SCHEMA public"), "table observer.gaps_20260915 is gone",
    ),
    "a partition of another name": (
        sent("ALTER TABLE observer.gaps_20260915 RENAME TO holes"), "table observer.gaps_20260915 is gone",
    ),
    "a ledger that says nothing": (
        sent("UPDATE observer.loaded_segments SET rows = 0"), "rows changed in observer.loaded_segments: 1",
    ),
    "a view in the ledger's place": (
        sent("ALTER TABLE observer.loaded_segments RENAME TO old") + "\n"
        + sent("CREATE VIEW observer.loaded_segments AS SELECT * FROM observer.old WHERE false"),
        "table loaded_segments is gone",
    ),
    "another table in its place": (
        hidden("DROP TABLE observer.universe_20260915") + "\n"
        + hidden("CREATE TABLE observer.universe_20260915 PARTITION OF observer.universe "
                 "FOR VALUES FROM ('2026-09-15') TO ('2026-09-16')"),
        "table observer.universe_20260915 is gone",
    ),
    "truncate past every reader": (
        hidden("TRUNCATE observer.gaps_20260915"), "observer.gaps_20260915 is emptied",
    ),
    "emptied and filled again": (
        hidden("CREATE TEMP TABLE kept AS SELECT * FROM observer.gaps WHERE frame < 5; "
               "TRUNCATE observer.gaps; INSERT INTO observer.gaps SELECT * FROM kept"),
        "observer.gaps_20260915 is emptied or written anew, and 4 rows are put into it",
    ),
    "removed, and the account begun anew": (
        hidden("DELETE FROM observer.gaps WHERE frame > 1; "
               "ALTER TABLE observer.gaps ALTER COLUMN frame TYPE numeric"),
        "rows removed from observer.gaps_20260915: 19",
    ),
    "values lost in a cast": (
        sent("ALTER TABLE observer.bars_1m ALTER COLUMN volume TYPE numeric USING 0"), "USING 0",
    ),
    "values lost in a cast past every reader": (
        hidden("ALTER TABLE observer.bars_1m ALTER COLUMN volume TYPE bigint USING 0"),
        "observer.bars_1m_20260915 is written anew, though no column's type changes",
    ),
    "a narrower type": (
        sent("ALTER TABLE observer.bars_1m ALTER COLUMN vwap TYPE real"),
        "column bars_1m.vwap narrows from double precision to real",
    ),
    "rows of another program": (
        hidden("DELETE FROM public.runs WHERE n > 3"), "rows removed from public.runs: 2",
    ),
    "the end of the transaction": (sent("COMMIT"), "COMMIT"),
}  # fmt: skip


@pytest.mark.parametrize("harm", HARM)
def test_a_version_that_does_harm_is_refused_as_a_whole(filled: Engine, tmp_path: Path, harm: str) -> None:
    """Rows, values and partitions are those of before, and the message says what would be lost."""
    body, told = HARM[harm]
    before = content(filled)
    with pytest.raises(ConfigurationError) as refused:
        migrate(filled, versions=version(tmp_path, body))
    assert told in str(refused.value)
    assert "observer warehouse migrate --may-destroy 9999" in refused.value.remedy
    assert content(filled) == before
    assert pending_steps(filled) == []


def test_what_an_operator_names_is_done(filled: Engine, tmp_path: Path) -> None:
    """The same statement, named."""
    versions = version(tmp_path, in_program("TRUNCATE observer.bars_1m"))
    assert migrate(filled, versions=versions, may_destroy={"9999"}) == ["9999"]
    assert content(filled)["observer.bars_1m"] == []


# What a version may do; many of them write tables anew.
HARMLESS = {
    "a wider type": "ALTER TABLE observer.bars_1m ALTER COLUMN volume TYPE numeric",
    "a wider type in a program": "DO $$ BEGIN EXECUTE 'ALTER TABLE observer.gaps "
    "ALTER COLUMN missing_volume TYPE numeric'; END $$",
    "a key in another order": "ALTER TABLE observer.bars_1m DROP CONSTRAINT bars_1m_pkey, "
    "ADD PRIMARY KEY (symbol, trading_day, venue, minute, session)",
    "a new column": "ALTER TABLE observer.bars_1m ADD COLUMN note text DEFAULT 'none'",
    "a new column with a value for each row":
        "ALTER TABLE observer.gaps ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid()",
    "an index": "CREATE INDEX bars_1m_minute ON observer.bars_1m USING brin (minute)",
    "new rows": "INSERT INTO observer.universe (trading_day, symbol) VALUES ('2026-09-16', '000660')",
    "a table of its own, filled and corrected":
        "CREATE TABLE public.notes (n int); INSERT INTO public.notes VALUES (1)",
    "a new partition": "CREATE TABLE observer.gaps_20260917 PARTITION OF observer.gaps "
    "FOR VALUES FROM ('2026-09-17') TO ('2026-09-18')",
    "a wider type of a table that was emptied":
        "ALTER TABLE observer.universe ALTER COLUMN base_price TYPE numeric",
}  # fmt: skip


@pytest.mark.parametrize("change", HARMLESS)
def test_a_version_that_does_no_harm_is_applied(filled: Engine, tmp_path: Path, change: str) -> None:
    """Every table has as many rows as before, or the new ones besides."""
    with transaction(filled) as connection:
        connection.execute(sa.text("DELETE FROM observer.universe"))
    before = content(filled)
    assert migrate(filled, versions=version(tmp_path, sent(HARMLESS[change]))) == ["9999"]
    after = content(filled)
    new = int(change == "new rows")
    assert len(after["observer.universe"]) == new
    for name in ("observer.bars_1m", "observer.gaps", "observer.loaded_segments", "public.runs"):
        assert len(after[name]) == len(before[name])


def test_what_somebody_else_keeps_in_the_schema_stops_no_version(
    filled: Engine, server: PostgresServer, tmp_path: Path
) -> None:
    """A table that its owner shows nobody cannot be looked into, and is left alone."""
    with server.connection(str(filled.url.database), user=SUPERUSER) as session, session.cursor() as cursor:
        cursor.execute("CREATE TABLE observer.private AS SELECT 1 AS n")
        cursor.execute("REVOKE ALL ON observer.private FROM PUBLIC, observer")
    versions = version(tmp_path, sent("ALTER TABLE observer.bars_1m ADD COLUMN note text"))
    assert migrate(filled, versions=versions) == ["9999"]


def test_a_server_that_does_not_count_rows_is_named(filled: Engine, server: PostgresServer) -> None:
    """Without PostgreSQL's account nothing could be promised; an up-to-date database needs no account."""
    name = filled.url.database

    def count(setting: str) -> None:
        with server.connection("postgres", user=SUPERUSER) as session, session.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {name} SET track_counts = {setting}")

    count("off")
    assert migrate(filled) == []
    with transaction(filled) as connection:
        connection.execute(sa.text("UPDATE observer.alembic_version SET version_num = '0002'"))
    with pytest.raises(ConfigurationError, match="track_counts of PostgreSQL is off"):
        migrate(filled)
    count("on")
    assert migrate(filled) == ["0003"]
