"""Where a local stack keeps its files.

Invariant: everything a stack writes lies in its own folder below `var/`; the stack makes the four
mounts there, as a deployment would, because no program of Observer makes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import observer
from observer_core.errors import ConfigurationError

_RUNTIME = ("data", "logs", "config", "universe")


def project_root() -> Path:
    """Returns the folder of the clone that this package is used from.

    Raises:
        ConfigurationError: The package was installed without the project around it.
    """
    root = Path(observer.__file__).resolve().parents[1]
    if not (root / "dagster_home" / "dagster.yaml").exists():
        raise ConfigurationError(
            f"{root} is not a clone of Observer: it has no dagster_home/dagster.yaml.",
            remedy="Clone the project and use its own command: `make up` or `make demo`.",
        )
    return root


@dataclass(frozen=True, slots=True)
class StackFolder:
    """The files of one stack.

    Attributes:
        project: The clone.
        folder: The stack's own folder.
    """

    project: Path
    folder: Path

    @classmethod
    def named(cls, name: str, elsewhere: Path | None = None) -> StackFolder:
        """Returns the folder of the stack `up` or `demo`, or another one that was asked for."""
        project = project_root()
        return cls(project, elsewhere.absolute() if elsewhere else project / "var" / name)

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def runtime(self) -> Path:
        return self.folder / "runtime"

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def dagster_home(self) -> Path:
        return self.folder / "dagster_home"

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace.yaml"

    @property
    def clock(self) -> Path:
        return self.folder / "clock"

    @property
    def saved_clock(self) -> Path:
        """What `up` reads to continue where it stood."""
        return self.folder / "clock.json"

    @property
    def simulator_keys(self) -> Path:
        return self.folder / "simulator-keys.json"

    @property
    def summary(self) -> Path:
        return self.folder / "summary.json"

    def log(self, name: str) -> Path:
        """Returns the log file of a process."""
        return self.logs / f"{name}.log"

    def refuse_foreign(self) -> None:
        """Checks that the folder is a stack's own, or empty, or not there yet.

        Raises:
            ConfigurationError: It holds something else, which a stack must not touch.
        """
        if self.folder.exists() and not self.lock.exists() and any(self.folder.iterdir()):
            raise ConfigurationError(
                f"{self.folder} is not empty and was not made by a stack.",
                remedy="Name an empty folder, or one that does not exist.",
            )

    def make(self) -> None:
        """Makes the folders, the four mounts among them."""
        for folder in (self.logs, self.dagster_home, *(self.runtime / name for name in _RUNTIME)):
            folder.mkdir(parents=True, exist_ok=True)
