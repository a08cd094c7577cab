"""A PostgreSQL server that somebody else runs and `DB_HOST` names.

Invariant: nothing is started and nothing is dropped; Dagster's own database is made beside ours
where the role may do that, and asked for by name where it may not.
"""

from __future__ import annotations

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT

from observer_core.errors import ConfigurationError, DatabaseUnavailableError
from observer_core.settings import DatabaseSettings

DAGSTER_DATABASE = "dagster"


def dagster_storage(settings: DatabaseSettings) -> DatabaseSettings:
    """Returns Dagster's database on the server of our own, and makes it where it is missing.

    Raises:
        DatabaseUnavailableError: The server does not answer, or refuses the role.
        ConfigurationError: The database is missing and the role may not make it.
    """
    try:
        session = psycopg2.connect(
            host=settings.host,
            port=settings.port,
            dbname=settings.name,
            user=settings.user,
            password=settings.password.get_secret_value(),
            connect_timeout=10,
        )
    except psycopg2.OperationalError as error:
        raise DatabaseUnavailableError(
            f"PostgreSQL at {settings.host}:{settings.port} (DB_HOST, DB_PORT): {str(error).strip()}",
            remedy="Start it, correct DB_HOST, DB_PORT, DB_NAME, DB_USER and DB_PASSWORD, or unset DB_HOST.",
        ) from error
    try:
        session.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
        with session.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DAGSTER_DATABASE,))
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DAGSTER_DATABASE)))
    except psycopg2.errors.InsufficientPrivilege as error:
        raise ConfigurationError(
            f"The database {DAGSTER_DATABASE} is missing, and {settings.user} may not make it.",
            remedy=f"As its administrator: CREATE DATABASE {DAGSTER_DATABASE} OWNER {settings.user};",
        ) from error
    finally:
        session.close()
    return settings.model_copy(update={"name": DAGSTER_DATABASE})
