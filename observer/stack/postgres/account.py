"""Under which account the PostgreSQL server runs.

Invariant: PostgreSQL refuses to run as root, so as root it runs as another user; that user gets the
right to pass closed folders only where a private folder (mode 0700) lies above binaries or data.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from observer.stack.deathbond import bond
from observer_core.errors import ConfigurationError

# Fast shutdown: sessions are ended and everything is on disk.
_FAST_SHUTDOWN = signal.SIGINT
_CAPABILITY = "+dac_override"


@dataclass(frozen=True, slots=True)
class Account:
    """The operating system's user for the server's processes.

    Attributes:
        user: Its name; None for the present user.
        uid: Its number.
        gid: Its group's number.
        passes_closed_folders: Whether it needs a capability to reach its files.
    """

    user: str | None
    uid: int
    gid: int
    passes_closed_folders: bool = False

    @classmethod
    def choose(cls, *reached: Path) -> Account:
        """Returns the present user, or as root `postgres` where there is one and else `nobody`.

        Args:
            reached: Folders that the user must be able to enter.

        Raises:
            ConfigurationError: The present user has no name; PostgreSQL's programs refuse to run then.
        """
        if os.geteuid() != 0:
            _require_name(os.geteuid())
            return cls(None, os.geteuid(), os.getegid())
        names = {entry.pw_name: entry for entry in pwd.getpwall()}
        chosen = names.get("postgres") or names["nobody"]
        closed = not all(_open_to_all(folder) for path in reached for folder in path.resolve().parents)
        return cls(chosen.pw_name, chosen.pw_uid, chosen.pw_gid, closed)

    def own(self, path: Path) -> None:
        """Gives a file or folder to the account."""
        if self.user is not None:
            os.chown(path, self.uid, self.gid)

    def popen(
        self, command: Sequence[str | Path], *, environment: Mapping[str, str], output: IO[bytes] | int
    ) -> subprocess.Popen[bytes]:
        """Starts a program of the server, which ends with a fast shutdown when this process ends."""
        words = [str(word) for word in command]
        as_user = self.user is not None and not self.passes_closed_folders
        return subprocess.Popen(
            [*self._passing(), *words],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # The account need not be able to enter the present folder.
            cwd="/",
            start_new_session=True,
            user=self.uid if as_user else None,
            group=self.gid if as_user else None,
            extra_groups=[] if as_user else None,
            # It calls into libc only, which is loaded.
            preexec_fn=None if self.passes_closed_folders else bond(_FAST_SHUTDOWN),  # noqa: PLW1509
        )

    def _passing(self) -> list[str]:
        """Returns the words that start a command as the user with the right to pass closed folders."""
        if not self.passes_closed_folders:
            return []
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise ConfigurationError(
                "PostgreSQL does not run as root, and no other user may enter this folder.",
                remedy="Install util-linux (setpriv), move the project to an open folder, or set DB_HOST.",
            )
        # PostgreSQL looks for its own programs with access(2), which ignores the capabilities of
        # any user but root unless no_setuid_fixup is set.
        return [
            setpriv, f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups",
            "--securebits=+no_setuid_fixup",
            f"--inh-caps={_CAPABILITY}", f"--ambient-caps={_CAPABILITY}",
            f"--pdeathsig={_FAST_SHUTDOWN.name.removeprefix('SIG')}", "--",
        ]  # fmt: skip


def _require_name(uid: int) -> None:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        raise ConfigurationError(
            f"User {uid} has no entry in /etc/passwd, and PostgreSQL does not run without a user's name.",
            remedy="Run as a user with a name, or set DB_HOST to a server that is there.",
        ) from None


def _open_to_all(folder: Path) -> bool:
    return bool(folder.stat().st_mode & 0o001)
