"""What a run looks at when it verifies the execution contracts.

Invariant: nothing is read before a run asks for it, and reading never raises: a source that cannot be looked
at is in `obstacles` with the reason. Unlike `Deployment`, it needs no mount: that a mount is missing is an
answer.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from importlib import metadata
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from observer_contracts.declaration.build import declare
from observer_contracts.declaration.parameters import DEFAULT_FILE, Parameters, read_parameters
from observer_contracts.engine import Verification, verify
from observer_contracts.model import Result, Source
from observer_core.clock import open_clock
from observer_core.errors import ConfigurationError, ObserverError
from observer_core.logs import redact
from observer_core.settings import ContractSettings, DatabaseSettings

if TYPE_CHECKING:
    from observer_contracts.declaration.facts import Declaration

_PROGRAM = Path(__file__).resolve().parents[1]
_MANIFESTS = Path("deploy/overlays/production")

SOURCES = (Source.MANIFESTS, Source.REPOSITORY, Source.RUNTIME, Source.LIVE)


@dataclass(frozen=True, slots=True)
class Looked:
    """What was looked at, and what the rules say about it.

    Attributes:
        verification: The evidence.
        results: Every result, the worst first.
        obstacles: Why a source could not be looked at.
        now: When.
    """

    verification: Verification
    results: tuple[Result, ...]
    obstacles: dict[Source, str]
    now: datetime

    def of(self, source: Source) -> list[Result]:
        """Returns the results about a source."""
        return [result for result in self.results if result.source is source]


@dataclass(slots=True)
class _Reading:
    """Evidence as it is gathered."""

    evidence: dict[str, Any] = field(default_factory=dict)
    obstacles: dict[Source, str] = field(default_factory=dict)

    def read(self, source: Source, look: Callable[[], Any]) -> None:
        try:
            self.evidence[source.value] = look()
        except ObserverError as error:
            self.obstacles[source] = redact(str(error))
        except Exception as error:  # noqa: BLE001 - one source must not keep the others from answering
            self.obstacles[source] = f"{type(error).__name__}: {redact(str(error))}"


class ContractEvidence(dg.ConfigurableResource):  # type: ignore[type-arg]  # its generic says what an IO manager loads
    """Evidence about the deployment that this process belongs to.

    Attributes:
        time_source: Value of `OBSERVER_CLOCK` for which the code location was loaded.
    """

    time_source: str = "real"

    @property
    def settings(self) -> ContractSettings:
        """What is looked at here."""
        return ContractSettings.load()

    @property
    def database(self) -> DatabaseSettings:
        """Where the history is kept."""
        return DatabaseSettings.load()

    def deployed_version(self) -> str:
        """Returns what runs: the image that Dagster's chart names, or the version of the program."""
        return os.environ.get("DAGSTER_CURRENT_IMAGE") or f"observer {metadata.version('observer')}"

    def available(self) -> tuple[Source, ...]:
        """Returns the sources that this deployment has."""
        return tuple(source for source in SOURCES if source.value in self.settings.sources)

    def look(self, wanted: Collection[Source]) -> Looked:
        """Looks at sources and runs every rule."""
        settings, reading = self.settings, _Reading()
        root = settings.repository or _PROGRAM
        parameters = self._parameters(settings.parameters or root / DEFAULT_FILE, reading, wanted)
        declaration = declare(parameters)
        looks: dict[Source, Callable[[], Any]] = {
            Source.MANIFESTS: lambda: _manifests(settings.manifests or root / _MANIFESTS),
            Source.REPOSITORY: lambda: _repository(root),
            Source.RUNTIME: lambda: self._runtime(declaration),
            Source.LIVE: lambda: _live(declaration),
        }
        for source in wanted:
            reading.read(source, looks[source])
        now = open_clock(self.time_source).now()
        verification = Verification(
            declaration, **reading.evidence, exemptions=parameters.exemptions, today=now.date()
        )
        return Looked(verification, tuple(verify(verification)), reading.obstacles, now)

    @staticmethod
    def _parameters(path: Path, reading: _Reading, wanted: Collection[Source]) -> Parameters:
        """Returns the parameters; with wrong ones nothing can be judged."""
        if not path.is_file():
            return Parameters()
        try:
            return read_parameters(path)
        except ConfigurationError as error:
            reading.obstacles |= dict.fromkeys(wanted, str(error))
            return Parameters()

    def _runtime(self, declaration: Declaration) -> Any:
        from observer_contracts.evidence.runtime.local import LocalSurroundings  # noqa: PLC0415 - only for a run
        from observer_contracts.evidence.runtime.reader import read_runtime  # noqa: PLC0415

        return read_runtime(declaration, LocalSurroundings(os.environ, open_clock(self.time_source)))


def _manifests(path: Path) -> Any:
    from observer_contracts.evidence.manifests import read_manifests  # noqa: PLC0415 - only for a run

    return read_manifests([str(path)], BytesIO())


def _repository(root: Path) -> Any:
    from observer_contracts.evidence.repository import read_repository  # noqa: PLC0415 - only for a run
    from observer_contracts.rules.disclosure import PROBES  # noqa: PLC0415

    return read_repository(root, probes=PROBES)


def _live(declaration: Declaration) -> Any:
    from observer_contracts.evidence.live.kubernetes_access import open_access  # noqa: PLC0415 - loads kubernetes
    from observer_contracts.evidence.live.reader import read_live  # noqa: PLC0415

    return read_live(declaration, open_access())
