"""The connection to PostgreSQL.

Invariant: a server that does not answer is a `DatabaseUnavailableError` that names host and port, a missing
right or table a `ConfigurationError`; the password appears in no error, address or representation.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from observer_core.errors import DatabaseUnavailableError
from observer_core.settings import DatabaseSettings
from observer_core.warehouse.refusals import typed_refusal

_CONNECT_SECONDS = 5


def connect(settings: DatabaseSettings) -> Engine:
    """Returns an engine; nothing is sent until it is used.

    Args:
        settings: Server, database and role.
    """
    url = URL.create(
        # The driver is named: a bare `postgresql` means another one from SQLAlchemy 2.1 on.
        "postgresql+psycopg2",
        username=settings.user or None,
        password=settings.password.get_secret_value() or None,
        host=settings.host,
        port=settings.port,
        database=settings.name,
    )
    # No pool: a run of the pipeline connects a few times and ends.
    return create_engine(
        url,
        poolclass=NullPool,
        connect_args={
            "connect_timeout": _CONNECT_SECONDS,
            "options": "-c timezone=UTC",
            "application_name": "observer",
        },
    )


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """Gives a connection whose work is done as a whole or not at all.

    Raises:
        DatabaseUnavailableError: The server does not answer, or went away in between.
        ConfigurationError: The role lacks a right, or somebody removed a table or a column by hand.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except OperationalError as error:
        raise _unavailable(engine, error) from None
    except DBAPIError as error:
        if error.connection_invalidated:
            raise _unavailable(engine, error) from None
        if refusal := typed_refusal(engine, error.orig):
            raise refusal from error
        raise
    # COPY goes past SQLAlchemy.
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        raise _unavailable(engine, error) from None
    except psycopg2.Error as error:
        if refusal := typed_refusal(engine, error):
            raise refusal from error
        raise


def _unavailable(engine: Engine, error: DBAPIError | psycopg2.Error) -> DatabaseUnavailableError:
    cause = error.orig if isinstance(error, DBAPIError) else error
    reason = (str(cause).strip().splitlines() or ["no answer"])[0]
    return DatabaseUnavailableError(
        f"PostgreSQL at {engine.url.host}:{engine.url.port} failed: {reason}.",
        remedy="Check that it runs and that DB_HOST, DB_PORT, DB_NAME, DB_USER and DB_PASSWORD are right; "
        "what was not loaded is loaded by the next run.",
    )
