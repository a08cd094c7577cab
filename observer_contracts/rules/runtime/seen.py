"""What the rules about the container have in common."""

from __future__ import annotations

from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.runtime.observations import Runtime
from observer_contracts.model import Finding, Location, Source, Status


def runtime_of(evidence: Evidence) -> Runtime:
    """Returns the runtime evidence, which the engine has made sure of."""
    if evidence.runtime is None:
        raise ValueError("there is no runtime evidence")
    return evidence.runtime


def in_environment(runtime: Runtime, variable: str) -> Location:
    """Returns the place of a variable."""
    return Location(Source.RUNTIME, "", None, runtime.label, f"environment {variable}")


def in_file(runtime: Runtime, file: str, field: str = "") -> Location:
    """Returns the place of a file inside of the container."""
    return Location(Source.RUNTIME, file, None, runtime.label, field)


def external(about: str, expected: str, observed: str, *evidence: Location, remedy: str = "") -> Finding:
    """Something outside of the contracts failed."""
    return Finding(Status.EXTERNAL, about, expected, observed, evidence, remedy)
