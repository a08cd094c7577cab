"""How most rules of the catalogue look: at the rendered manifests, or at the repository."""

from __future__ import annotations

from observer_contracts.model import Check, Severity, Source

RENDER = "kubectl kustomize deploy/overlays/production"
CRITICAL, HIGH, MEDIUM, LOW = Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW


def manifests(check: Check) -> dict[Source, Check]:
    """Returns the checks of a rule that is judged from manifests alone."""
    return {Source.MANIFESTS: check}


def repository(check: Check) -> dict[Source, Check]:
    """Returns the checks of a rule that is judged from sources and documents alone."""
    return {Source.REPOSITORY: check}
