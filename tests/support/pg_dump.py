"""A `pg_dump` that fits the server that a test has started."""

import os

import pytest

from observer.stack.postgres import PostgresServer
from observer_core.backup.postgres_programs import find_programs
from observer_core.errors import ConfigurationError


def require_pg_dump(server: PostgresServer) -> None:
    """Skips the test where there is none for this server; with `CI=true` it fails."""
    try:
        find_programs(server.binaries.major)
    except ConfigurationError as error:
        message = f"{error.message} (Debian package postgresql)"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
