"""The files of one server: data folder and password.

Invariant: a data folder appears only when it is complete (initdb works beside it and the result is
renamed); no second server ever runs on it, and one that was killed leaves nothing that keeps the
next one from starting.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from observer.stack.postgres.account import Account
from observer.stack.postgres.binaries import Binaries
from observer_core.errors import ProcessError
from observer_core.files import write_atomically

# Makes databases and roles; the tables belong to the role `observer`, which may no more than in production.
SUPERUSER = "postgres"

_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.02


def environment() -> dict[str, str]:
    """Returns all that a program of the server needs of its environment."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class ServerHome:
    """Where a server lives."""

    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def password(self) -> SecretStr:
        """The password of both roles, made with the data folder."""
        return SecretStr((self.folder / "password").read_text().strip())

    def made_by(self) -> int | None:
        """Returns the major version that made the data folder, None where there is none."""
        version = self.data / "PG_VERSION"
        return int(version.read_text()) if version.exists() else None

    def make(self, binaries: Binaries, account: Account, *, durable: bool) -> None:
        """Makes data folder and password.

        Raises:
            ProcessError: initdb fails; the message ends with what it says.
        """
        unfinished = self.folder / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        password = secrets.token_urlsafe(24)
        write_atomically(self.folder / "password", f"{password}\n".encode(), mode=0o600)
        # initdb runs as the account, which must not own the password file that we keep.
        handed_over = self.folder / "password.initdb"
        write_atomically(handed_over, f"{password}\n".encode(), mode=0o600)
        account.own(handed_over)
        command: list[str | Path] = [
            binaries.initdb, f"--pgdata={unfinished}", f"--username={SUPERUSER}", f"--pwfile={handed_over}",
            "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", *([] if durable else ["--no-sync"]),
        ]  # fmt: skip
        try:
            making = account.popen(command, environment=environment(), output=subprocess.PIPE)
            output = making.communicate()[0].decode(errors="replace")
        finally:
            handed_over.unlink()
        if making.returncode != 0:
            raise ProcessError(
                f"initdb ({binaries.folder}) ended with status {making.returncode}: {output.strip()[-2000:]}",
                remedy="Correct what it says, or set DB_HOST to a server that is there.",
            )
        unfinished.rename(self.data)

    def end_leftovers(self) -> None:
        """Ends a server that outlived its stack, and removes the lock of one that was killed.

        Raises:
            ProcessError: The earlier server does not end.
        """
        lock = self.data / "postmaster.pid"
        if not lock.exists():
            return
        pid = int(lock.read_text().split("\n", 1)[0])
        if self._is_ours(pid):
            os.kill(pid, signal.SIGINT)
            deadline = time.monotonic() + _STOP_SECONDS
            while self._is_ours(pid):
                if time.monotonic() > deadline:
                    raise ProcessError(
                        f"An earlier PostgreSQL (process {pid}) still uses {self.data}.",
                        remedy=f"End process {pid}.",
                    )
                time.sleep(_POLL_SECONDS)
        lock.unlink(missing_ok=True)

    def _is_ours(self, pid: int) -> bool:
        """Whether a process is a server of this data folder; its number may be another's by now."""
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            return False
        return os.fsencode(self.data) in words
