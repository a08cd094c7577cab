"""Git, asked to list and to print objects.

Invariant: no hook, filter, pager, monitor or remote of the repository's own configuration runs.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from observer_core.errors import ConfigurationError

_LONGEST_SECONDS = 60
# Configuration that would make git run something, or ask somebody.
_QUIET = (
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.pager=cat",
    "-c",
    "protocol.allow=never",
    "-c",
    "safe.directory=*",
    "-c",
    "core.quotePath=false",
    "-c",
    "log.showSignature=false",
)


def git(root: Path, *arguments: str, stdin: bytes = b"", accepted: tuple[int, ...] = (0,)) -> bytes:
    """Runs git on a repository and returns what it prints.

    Raises:
        ConfigurationError: There is no git, it takes too long, or its status is not one that is accepted.
    """
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",
    }
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments; the folder is given with -C
            ["git", "-C", str(root.resolve()), *_QUIET, *arguments],  # noqa: S607 - git of the path
            input=stdin,
            env=environment,
            capture_output=True,
            timeout=_LONGEST_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise ConfigurationError(
            "git is not installed.", remedy="Install git, or give a plain folder."
        ) from None
    except subprocess.TimeoutExpired:
        raise ConfigurationError(f"git did not answer about {root} within {_LONGEST_SECONDS} s.") from None
    if done.returncode not in accepted:
        reason = done.stderr.decode("utf-8", "replace").strip().splitlines()[:1]
        raise ConfigurationError(
            f"git cannot read {root}: {' '.join(reason)}", remedy="Check the repository with `git fsck`."
        )
    return done.stdout
