"""A session of a real PostgreSQL: open, refused, without database, without tables."""

from pathlib import Path

import pytest

from observer.stack.postgres import SUPERUSER, PostgresServer
from observer_contracts.evidence.runtime.database import _refusal, open_session
from observer_contracts.evidence.runtime.observations import Session, SessionState
from observer_contracts.evidence.seeing import Unseen
from observer_core.settings import DatabaseSettings

ROOT = Path(__file__).resolve().parents[3]
VERSIONS = (ROOT / "observer_core/warehouse/migrations/versions").glob("[0-9]*.py")
NEWEST = max(path.name for path in VERSIONS).partition("_")[0]


def _settings(server: PostgresServer, **changes: str) -> DatabaseSettings:
    return DatabaseSettings.load({**server.environment(), **changes})


def test_a_session_answers(server: PostgresServer) -> None:
    """`select 1`, the server's version, and the migrations that have run."""
    session = open_session(_settings(server))
    assert isinstance(session, Session)
    assert session.state is SessionState.OPEN
    assert session.answered
    assert server.binaries is not None
    assert session.major_version == server.binaries.major
    assert session.migrations == (NEWEST,)


def test_a_database_without_tables_has_no_migrations(server: PostgresServer) -> None:
    """I-32: the session opens, and the missing migration is told."""
    session = open_session(_settings(server, DB_NAME="empty"))
    assert isinstance(session, Session)
    assert (session.state, session.migrations) == (SessionState.OPEN, ())


def test_a_wrong_password_is_refused(server: PostgresServer) -> None:
    """The login is refused, and the answer names neither role nor password."""
    session = open_session(_settings(server, DB_PASSWORD="hunter2-hunter2"))
    assert isinstance(session, Session)
    assert session.state is SessionState.LOGIN_REFUSED
    assert "hunter2" not in repr(session)


def test_an_unknown_role_is_refused(server: PostgresServer) -> None:
    """With password authentication the server does not tell a role from a password."""
    session = open_session(_settings(server, DB_USER="nobody"))
    assert isinstance(session, Session)
    assert session.state is SessionState.LOGIN_REFUSED


def test_a_database_that_is_not_there_is_told(server: PostgresServer) -> None:
    """Login and database are told apart."""
    session = open_session(_settings(server, DB_NAME="nowhere"))
    assert isinstance(session, Session)
    assert session.state is SessionState.NO_DATABASE


def test_a_server_without_free_sessions_is_not_ready(server: PostgresServer) -> None:
    """A role that may have no session at the moment: the database is there, and busy."""
    with server.connection("postgres", user=SUPERUSER) as session, session.cursor() as cursor:
        cursor.execute("ALTER ROLE observer CONNECTION LIMIT 0")
        try:
            found = open_session(_settings(server))
        finally:
            cursor.execute("ALTER ROLE observer CONNECTION LIMIT -1")
    assert isinstance(found, Session)
    assert found.state is SessionState.NOT_READY


def test_a_table_that_may_not_be_read_is_unseen(server: PostgresServer) -> None:
    """A role without rights gives no evidence about migrations."""
    with server.connection("observer", user=SUPERUSER) as session, session.cursor() as cursor:
        cursor.execute("CREATE ROLE reader LOGIN PASSWORD 'reading'")
        cursor.execute("GRANT USAGE ON SCHEMA observer TO reader")
    found = open_session(_settings(server, DB_USER="reader", DB_PASSWORD="reading"))
    assert isinstance(found, Session)
    assert isinstance(found.migrations, Unseen)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("FATAL:  the database system is starting up", SessionState.NOT_READY),
        ("FATAL:  sorry, too many clients already", SessionState.NOT_READY),
        ('FATAL:  no pg_hba.conf entry for host "10.42.0.9"', SessionState.LOGIN_REFUSED),
        ('FATAL:  role "observer" does not exist', SessionState.LOGIN_REFUSED),
        ("server closed the connection unexpectedly", SessionState.NO_ANSWER),
    ],
)
def test_the_servers_words_are_understood(message: str, expected: SessionState) -> None:
    """Messages of PostgreSQL 15 (src/backend/utils/init/postinit.c, libpq/auth.c)."""
    assert _refusal(message) is expected
