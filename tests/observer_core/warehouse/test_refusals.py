"""What PostgreSQL refuses for want of a right, or of a table, tells a person what to do."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy import Engine

from observer.stack.postgres import SUPERUSER, PostgresServer
from observer_core.errors import ConfigurationError
from observer_core.settings import Paths
from observer_core.warehouse import WarehouseTable, connect, load_table, migrate, pending_steps, transaction

from .conftest import DAY, WriteHour, trades

TRADES = WarehouseTable.SCALP_TRADES


def execute(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text(statement))


@pytest.fixture
def loaded(engine: Engine, paths: Paths, write_hour: WriteHour) -> Engine:
    migrate(engine)
    write_hour(9, ("s", "a", trades("s", 5)))
    assert load_table(engine, paths, TRADES, DAY).rows == 5
    return engine


def quoted(error: pytest.ExceptionInfo[ConfigurationError], word: str) -> str:
    """Returns the statement of a remedy that holds a word."""
    (statement,) = [part for part in error.value.remedy.split("`")[1::2] if word in part]
    return statement


def test_a_role_that_may_only_read_is_told_so(loaded: Engine, paths: Paths, server: PostgresServer) -> None:
    """Nothing is changed, and the next load of the owner brings the rows."""
    database = loaded.url.database or ""
    with server.connection(database, user=SUPERUSER) as session, session.cursor() as cursor:
        cursor.execute("CREATE ROLE looker LOGIN PASSWORD 'of a test' IN ROLE observer_reader")
    settings = server.settings(database)
    looker = connect(settings.model_copy(update={"user": "looker", "password": SecretStr("of a test")}))
    execute(loaded, "DELETE FROM observer.scalp_trades WHERE frame = 0")
    with pytest.raises(ConfigurationError, match="refuses the role looker: permission denied") as refused:
        load_table(looker, paths, TRADES, DAY)
    assert "DB_USER" in refused.value.remedy
    assert "of a test" not in str(refused.value)
    assert load_table(loaded, paths, TRADES, DAY).lost == ("s",)


def test_a_column_that_somebody_dropped_is_named_and_the_remedy_helps(loaded: Engine, paths: Paths) -> None:
    execute(
        loaded, "ALTER TABLE observer.scalp_trades DROP COLUMN price; DELETE FROM observer.loaded_segments"
    )
    with pytest.raises(ConfigurationError, match=r'column "price" of relation .* does not exist') as refused:
        load_table(loaded, paths, TRADES, DAY)
    execute(loaded, "ALTER TABLE observer.scalp_trades ADD COLUMN price bigint")
    execute(loaded, quoted(refused, "loaded_segments"))
    assert load_table(loaded, paths, TRADES, DAY).rows_loaded == 5
    with loaded.begin() as connection:
        prices = connection.execute(
            sa.text("SELECT price FROM observer.scalp_trades ORDER BY frame")
        ).scalars()
        assert list(prices) == [0, 1, 2, 3, 4]


def test_tables_without_a_version_are_no_empty_database(loaded: Engine, paths: Paths) -> None:
    """Every version anew would fail at the first table that is there; the remedy's statement helps."""
    asked: list[Callable[[], object]] = [
        lambda: migrate(loaded),
        lambda: pending_steps(loaded),
        lambda: load_table(loaded, paths, TRADES, DAY),
    ]
    for loss in ("DELETE FROM observer.alembic_version", "DROP TABLE observer.alembic_version"):
        execute(loaded, loss)
        for ask in asked:
            with pytest.raises(ConfigurationError, match="alembic_version names no version") as refused:
                ask()
        execute(loaded, quoted(refused, "INSERT"))
        assert migrate(loaded) == []
        assert load_table(loaded, paths, TRADES, DAY).rows == 5


def test_another_refusal_keeps_its_own_error(loaded: Engine) -> None:
    """Only what a person can act on is told in other words."""
    with pytest.raises(sa.exc.ProgrammingError, match="syntax"), transaction(loaded) as session:
        session.execute(sa.text("SELEC 1"))
