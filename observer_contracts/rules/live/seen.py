"""What the rules about the cluster have in common."""

from __future__ import annotations

from collections.abc import Iterator

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.live.observations import Live
from observer_contracts.model import Check, Finding, Location, Source
from observer_contracts.rules.findings import unknown

# What most rules about workloads need: the workloads, and where their environment comes from.
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "CronJob")
ENVIRONMENT = (*WORKLOADS, "ConfigMap", "Secret")


def live_of(evidence: Evidence) -> Live:
    """Returns the live evidence, which the engine has made sure of."""
    if evidence.live is None:
        raise ValueError("there is no live evidence")
    return evidence.live


def at(path: str, about: str = "", field: str = "") -> Location:
    """Returns the place of something that the API says."""
    return Location(Source.LIVE, path, None, about, field)


def on_the_cluster(check: Check, *kinds: str, sealed: bool = False) -> Check:
    """Returns a check that judges the cluster's objects as if they were manifests.

    Args:
        check: The check of manifests.
        kinds: Kinds without which it says nothing.
        sealed: Whether it looks at SealedSecrets; else only a Secret that is there counts as made.
    """

    def judged(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
        live = live_of(evidence)
        unseen = live.unseen(*kinds)
        if unseen:
            yield unknown("cluster", "objects that can be read", unseen)
            return
        manifests = live.applied_and_sealed if sealed else live.applied
        yield from check(declaration, Evidence(manifests=manifests))

    return judged


def both(first: Check, second: Check) -> Check:
    """Returns a check that is two."""

    def judged(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
        yield from first(declaration, evidence)
        yield from second(declaration, evidence)

    return judged
