"""Images, resources and disruption: what keeps the node and its tenants safe."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.objects import mapping_at, text_at, value_at
from observer_contracts.evidence.workloads import Container, Workload
from observer_contracts.model import Finding
from observer_contracts.rules.findings import failed, passed, shown, warned
from observer_contracts.rules.network import matches
from observer_contracts.rules.program import image_parts
from observer_contracts.rules.volume import quantity
from observer_contracts.rules.writer import pinned_to_one_node

_ALWAYS = frozenset({"Deployment", "StatefulSet"})
_GIBI = 2**30
_MOVING = frozenset({"", "latest", "main", "master", "stable", "edge", "dev", "nightly"})


def images_fixed(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """IMG-001: each image has a fixed tag or digest, and the collector's comes from its own repository."""
    for workload in evidence.workloads:
        for container in workload.containers:
            yield _fixed(container)
    collector = evidence.workload(declaration.collector.name)
    if collector is not None and collector.main is not None:
        image = text_at(collector.main.fields, "image")
        repository, _, _ = image_parts(image)
        right = fnmatch.fnmatchcase(repository, declaration.image)
        verdict = passed if right else failed
        yield verdict(
            collector.label, f"an image {declaration.image}", shown(repository), collector.main.where("image")
        )


def _fixed(container: Container) -> Finding:
    image = text_at(container.fields, "image")
    _, tag, digest = image_parts(image)
    label, where = container.workload.label, container.where("image")
    expected = f"a fixed tag or digest for {container.name}"
    if digest.startswith("sha256:"):
        return passed(label, expected, "a digest", where)
    if tag in _MOVING:
        return failed(label, expected, shown(image), where)
    return passed(label, expected, f"tag {shown(tag)}, no digest", where)


def resources_bounded(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """RES-001: each container asks for memory and processor time and is limited in memory."""
    wanted = (("requests", "cpu"), ("requests", "memory"), ("limits", "memory"))
    for workload in evidence.workloads:
        for container in workload.containers:
            missing = [
                place for place in wanted if quantity(value_at(container.fields, "resources", *place)) is None
            ]
            where = container.where("resources")
            expected = f"requests and a memory limit for {container.name}"
            if missing:
                observed = "missing: " + ", ".join(".".join(place) for place in missing)
                yield failed(workload.label, expected, observed, where)
                continue
            asked = quantity(value_at(container.fields, "resources", "requests", "memory")) or 0
            limit = quantity(value_at(container.fields, "resources", "limits", "memory")) or 0
            if asked > limit:
                yield failed(workload.label, expected, "the request is larger than the limit", where)
            elif value_at(container.fields, "resources", "limits", "ephemeral-storage") is None:
                yield warned(workload.label, expected, "no limit for ephemeral storage", where)
            else:
                yield passed(workload.label, expected, "all there", where)
    yield from _fits_the_node(declaration, evidence)


def _fits_the_node(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """What runs all the time has room on the one node: beyond it by requests, a pod stays Pending."""
    running = [found for found in evidence.workloads if found.object.kind in _ALWAYS and found.replicas]
    node = declaration.cluster
    room = (node.memory_gib - node.own_memory_gib) * _GIBI
    for kind, verdict in (("requests", failed), ("limits", warned)):
        needed = [found.replicas * _memory(found, kind) for found in running]
        expected = f"memory {kind} of all pods within {node.memory_gib - node.own_memory_gib} GiB of the node"
        if sum(needed) > room:
            most, largest = max(zip(needed, running, strict=True), key=lambda found: found[0])
            observed = (
                f"{sum(needed) / _GIBI:.1f} GiB together, {most / _GIBI:.1f} of them for "
                f"{largest.replicas} x {largest.label}"
            )
            where = largest.main.where("resources") if largest.main else largest.object.where("spec")
            remedy = "Lower it, or say what the node has in contracts.yaml (node_memory_gib)."
            yield verdict(largest.label, expected, observed, where, remedy=remedy)


def _memory(workload: Workload, kind: str) -> float:
    """A pod needs the larger of its containers' sum and its largest init container."""
    asked = {
        container.name: quantity(value_at(container.fields, "resources", kind, "memory")) or 0
        for container in workload.containers
    }
    first = [asked[container.name] for container in workload.containers if container.init]
    return max(sum(asked.values()) - sum(first), *first, 0)


def drains_are_possible(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """PDB-001: no disruption budget keeps a node from being drained.

    Pods that are pinned to one node have nowhere else to go: with the node shut, none of them comes back, and
    a budget that wants any of them to stay holds the drain for ever.
    """
    for budget in evidence.manifests.of("PodDisruptionBudget") if evidence.manifests else []:
        selector = mapping_at(budget.fields, "spec", "selector")
        for workload in evidence.workloads:
            if not matches(selector, workload.labels):
                continue
            least, most = budget.value("spec", "minAvailable"), budget.value("spec", "maxUnavailable")
            pinned = pinned_to_one_node(declaration, workload)
            blocked = (
                most in (0, "0", "0%")
                or least == "100%"
                or (isinstance(least, int) and least >= workload.replicas)
                or (pinned and not _lets_all_go(least, most, workload.replicas))
            )
            observed = f"minAvailable {least}, maxUnavailable {most}, {workload.replicas} replicas"
            observed += " on one node" if pinned else ""
            verdict = failed if blocked else passed
            yield verdict(budget.label, f"{workload.label} can leave a node", observed, budget.where("spec"))


def _lets_all_go(least: object, most: object, replicas: int) -> bool:
    """Tells whether a budget lets every pod leave at the same time."""
    return most == "100%" or (isinstance(most, int) and most >= replicas) or least in (0, "0", "0%")
