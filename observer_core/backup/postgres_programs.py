"""The programs of PostgreSQL that make and read dumps.

Invariant: a dump is made by a `pg_dump` that is at least as new as the server, for an older one refuses; of
those that fit, the one nearest to the server's version is taken. The password stands in the environment of
the program, never in its arguments.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from observer_core.errors import ConfigurationError, DatabaseUnavailableError, StorageError
from observer_core.settings import DatabaseSettings

_DEBIAN = Path("/usr/lib/postgresql")
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(\S*)")
_VERSION_SECONDS = 20
_CONNECT_SECONDS = "5"


@dataclass(frozen=True, slots=True)
class Programs:
    """One installation of PostgreSQL's client programs.

    Attributes:
        folder: Holds `pg_dump` and `pg_restore`.
        major: Major version.
        version: Full version.
    """

    folder: Path
    major: int
    version: str

    def run(self, program: str, words: Sequence[str], database: DatabaseSettings | None = None) -> str:
        """Runs a program to its end.

        Args:
            program: `pg_dump` or `pg_restore`.
            words: Its arguments.
            database: Server, database and role that it connects to; None where it only reads a file.

        Returns:
            Its output.

        Raises:
            DatabaseUnavailableError: It ended with an error of the server; the message is its last one.
            StorageError: It cannot read the file.
        """
        done = subprocess.run(  # noqa: S603 - a fixed program with arguments of ours
            [self.folder / program, *words],
            env=_environment(database),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            return done.stdout
        lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        message = f"{program} {self.version} failed: {lines[-1]}"
        if database is None:
            raise StorageError(message)
        raise DatabaseUnavailableError(
            message, remedy="Look at the server's log and at the room on its volume, then run it once more."
        )


def find_programs(server_major: int, explicit: Path | None = None) -> Programs:
    """Returns the programs that fit a server.

    Args:
        server_major: The server's major version.
        explicit: The folder that the operator has set; then no other is considered.

    Raises:
        ConfigurationError: There are none.
    """
    folders = [explicit] if explicit is not None else list(dict.fromkeys(_folders()))
    found = [one for folder in folders if (one := _inspect(folder)) is not None]
    fitting = sorted((one for one in found if one.major >= server_major), key=lambda one: one.major)
    if fitting:
        return fitting[0]
    have = ", ".join(f"{one.version} in {one.folder}" for one in found) or "none"
    raise ConfigurationError(
        f"The server is PostgreSQL {server_major}; pg_dump here: {have}.",
        remedy=f"Install postgresql-client-{server_major}, or set OBSERVER_BACKUP_POSTGRES_BIN.",
    )


def _folders() -> Iterator[Path]:
    yield from _DEBIAN.glob("*/bin")
    on_path = shutil.which("pg_dump")
    if on_path:
        yield Path(on_path).parent


def _inspect(folder: Path) -> Programs | None:
    if not (folder / "pg_restore").exists():
        return None
    try:
        answer = subprocess.run(  # noqa: S603 - a fixed program
            [folder / "pg_dump", "--version"],
            capture_output=True,
            text=True,
            timeout=_VERSION_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(answer.stdout)
    return Programs(folder, int(match[1]), match[1] + match[2]) if match else None


def _environment(database: DatabaseSettings | None) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    if database is None:
        return kept
    return {
        **kept,
        "PGHOST": database.host,
        "PGPORT": str(database.port),
        "PGDATABASE": database.name,
        "PGUSER": database.user,
        "PGPASSWORD": database.password.get_secret_value(),
        "PGCONNECT_TIMEOUT": _CONNECT_SECONDS,
        "PGAPPNAME": "observer-backup",
    }
