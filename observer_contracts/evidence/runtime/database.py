"""A session of the database.

Invariant: nothing is changed, every question ends after a few seconds, and what the server says about a
refused login stays here, for it names the role.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from observer_contracts.evidence.runtime.observations import Session, SessionState
from observer_contracts.evidence.seeing import Unseen
from observer_core.settings import DatabaseSettings

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812 - psycopg2's own spelling

_SECONDS = 3
_SCHEMA_TABLE = "observer.alembic_version"

# Before a session exists, psycopg2 gives the server's text only, without its SQLSTATE.
_REFUSALS = (
    ("does not exist", "database ", SessionState.NO_DATABASE),
    ("does not exist", "role ", SessionState.LOGIN_REFUSED),
    ("authentication failed", "", SessionState.LOGIN_REFUSED),
    ("no password supplied", "", SessionState.LOGIN_REFUSED),
    ("no pg_hba.conf entry", "", SessionState.LOGIN_REFUSED),
    ("permission denied for database", "", SessionState.LOGIN_REFUSED),
    ("is not permitted to log in", "", SessionState.LOGIN_REFUSED),
    ("the database system is", "", SessionState.NOT_READY),
    ("too many connections", "", SessionState.NOT_READY),
    ("too many clients", "", SessionState.NOT_READY),
    ("remaining connection slots", "", SessionState.NOT_READY),
)


def open_session(settings: DatabaseSettings) -> Session | Unseen:
    """Opens a session, asks it a few questions and closes it."""
    try:
        import psycopg2  # noqa: PLC0415 - an image without the pipeline has no driver
    except ImportError:
        return Unseen("psycopg2 is not installed in this image")
    try:
        session = psycopg2.connect(
            host=settings.host,
            port=settings.port,
            dbname=settings.name,
            user=settings.user or None,
            password=settings.password.get_secret_value() or None,
            connect_timeout=_SECONDS,
            application_name="observer contracts",
            options=f"-c statement_timeout={_SECONDS * 1000} -c default_transaction_read_only=on",
        )
    except psycopg2.OperationalError as error:
        return Session(_refusal(str(error)))
    try:
        return _asked(session)
    except psycopg2.Error as error:
        return Unseen(f"the session broke ({type(error).__name__})")
    finally:
        session.close()


def _refusal(message: str) -> SessionState:
    for phrase, subject, state in _REFUSALS:
        if phrase in message and subject in message:
            return state
    return SessionState.NO_ANSWER


def _asked(session: Connection) -> Session:
    with session.cursor() as cursor:
        cursor.execute("SELECT 1")
        answered = cursor.fetchone() == (1,)
        migrations = _migrations(cursor)
    return Session(SessionState.OPEN, answered, session.server_version // 10_000, migrations)


def _migrations(cursor: Any) -> tuple[str, ...] | Unseen:
    cursor.execute(
        "SELECT to_regclass(%s) IS NOT NULL, coalesce(has_table_privilege(to_regclass(%s), 'SELECT'), false)",
        (_SCHEMA_TABLE, _SCHEMA_TABLE),
    )
    there, readable = cursor.fetchone()
    if not there:
        return ()
    if not readable:
        return Unseen(f"the role may not read {_SCHEMA_TABLE}")
    cursor.execute(f"SELECT version_num FROM {_SCHEMA_TABLE} ORDER BY 1")  # noqa: S608 - a constant
    return tuple(version for (version,) in cursor.fetchall())
