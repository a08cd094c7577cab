"""podman with its own configuration and storage, so that it neither sees nor touches anybody's containers."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# crun fails on hybrid control groups, and the default limits are refused in a container of a CI machine.
_CONTAINERS = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "k8s-file"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
"""
_STORAGE = """\
[storage]
driver = "overlay"
graphroot = "{folder}/graph"
runroot = "{run}"
"""
# Podman remembers this path in its storage: the same at each start, and another for each storage.
_RUN = "/run/observer-containers-{key}"


class EngineError(Exception):
    """podman refused a command."""


class Engine:
    """A container engine whose images last as long as its folder."""

    def __init__(self, folder: Path) -> None:
        # With these variables any program that calls podman uses this storage.
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/root"),
            "TMPDIR": os.environ.get("TMPDIR", "/var/tmp"),
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "containers.conf").write_text(_CONTAINERS)
        storage = folder.resolve()
        run = _RUN.format(key=hashlib.sha256(os.fsencode(storage)).hexdigest()[:12])
        (folder / "storage.conf").write_text(_STORAGE.format(folder=storage, run=run))
        self._lock = (folder / "lock").open("w")

    def own(self) -> None:
        """Waits until nobody else uses the storage, and removes what a killed test left behind."""
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.run("rm", "--all", "--force", "--time", "0")
        self.run("network", "prune", "--force")
        # Layers of older builds; those of today make the next one fast.
        self.run("image", "prune", "--force", "--filter", "until=24h", timeout=600)

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[Any]:
        """Starts a command of podman and returns at once."""
        return subprocess.Popen(["podman", *arguments], env=self.environment, **options)

    def attempt(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Runs a command of podman, whatever comes of it."""
        return subprocess.run(
            ["podman", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    def run(self, *arguments: str, timeout: float = 120) -> str:
        """Runs a command of podman and returns what it printed.

        Raises:
            EngineError: It failed.
        """
        done = self.attempt(*arguments, timeout=timeout)
        if done.returncode != 0:
            shown = " ".join(arguments[:3])
            raise EngineError(f"podman {shown} …: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout.strip()

    def inspect(self, name: str, kind: str = "container") -> dict[str, Any]:
        """Returns what podman knows of a container, image or network."""
        found: list[dict[str, Any]] = json.loads(self.run("inspect", "--type", kind, name))
        return found[0]

    def has_image(self, name: str) -> bool:
        return self.attempt("image", "exists", name).returncode == 0

    def build(self, arguments: Sequence[str], *, timeout: float = 600) -> None:
        """Builds an image; a Dockerfile's lines are shown where it fails."""
        done = self.attempt("build", "--pull=never", "--layers", *arguments, timeout=timeout)
        if done.returncode != 0:
            raise EngineError("\n".join([*done.stdout.splitlines()[-30:], done.stderr]))
