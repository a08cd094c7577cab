"""NET-002: the policies let Dagster's pods reach what they need.

Invariant: the pods are those that charts and launcher make, known by their labels; a pod that no policy
selects in a direction is open there, which NET-001 tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from observer_contracts.declaration.dagster import CODE, CODE_PORT, PODS, PodFact
from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.objects import KubernetesObject, items_at, mapping_at
from observer_contracts.evidence.workloads import Workload
from observer_contracts.evidence.yaml_documents import Fields
from observer_contracts.model import Finding, Location
from observer_contracts.rules.findings import failed, passed
from observer_contracts.rules.network import has_port, lets_out, matches, policies_over

_REMEDY = "Correct the labels or the port in deploy/base/network/dagster.yaml."


def dagster_connects(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """NET-002: webservers and daemon reach the code, all reach the database, runs reach the broker."""
    policies = evidence.manifests.of("NetworkPolicy") if evidence.manifests else []
    if not policies:
        yield passed(
            "NetworkPolicy", "Dagster's pods reach what they need", "no policy: all is open (NET-001)"
        )
        return
    database = evidence.workload(declaration.database.workload)
    for pod in PODS:
        if pod.only_with and not _account(evidence, pod.only_with):
            continue
        shut = [
            *_shut_targets(declaration, pod, database, policies),
            *_shut_peers(declaration, pod, evidence),
        ]
        about, expected = f"Pod/{pod.name}", "the policies let through what it needs"
        if shut:
            yield failed(about, expected, f"shut: {'; '.join(shut)}", *_seen(pod, policies), remedy=_REMEDY)
        else:
            yield passed(about, expected, "all of it", *_seen(pod, policies))


def _account(evidence: Evidence, name: str) -> bool:
    return evidence.manifests is not None and evidence.manifests.find("ServiceAccount", name) is not None


def _shut_targets(
    declaration: Declaration, pod: PodFact, database: Workload | None, policies: list[KubernetesObject]
) -> Iterator[str]:
    """Yields what the pod's own policies do not let out."""
    over = policies_over(pod.labels, policies, "Egress")
    rules = [rule for policy in over for _, rule in policy.items("spec", "egress")]
    if not over:
        return
    for fact in declaration.egress:
        known = fact.inside != declaration.database.workload or database is not None
        needed = known and fact.purpose.startswith(pod.purposes)
        if needed and not any(lets_out(rule, fact, database) for rule in rules):
            yield f"{fact.protocol} {fact.port} out ({fact.purpose})"
    if pod.asks_code and not any(_with(rule, "to", CODE.labels, CODE_PORT) for rule in rules):
        yield f"TCP {CODE_PORT} out (code location)"


def _shut_peers(declaration: Declaration, pod: PodFact, evidence: Evidence) -> Iterator[str]:
    """Yields what the policies of the pod's targets do not let in from it."""
    policies = evidence.manifests.of("NetworkPolicy") if evidence.manifests else []
    database = evidence.workload(declaration.database.workload)
    targets: list[tuple[str, Mapping[str, str], int]] = []
    if database is not None:
        targets.append(("database", database.labels, declaration.database.port))
    if pod.asks_code:
        targets.append(("code location", CODE.labels, CODE_PORT))
    for name, labels, port in targets:
        over = policies_over(labels, policies, "Ingress")
        rules = [rule for policy in over for _, rule in policy.items("spec", "ingress")]
        if over and not any(_with(rule, "from", pod.labels, port) for rule in rules):
            yield f"TCP {port} into the {name}"


def _with(rule: Fields, peers: str, labels: Mapping[str, str], port: int) -> bool:
    """Tells whether a rule lets pods of this namespace with these labels through, by this port."""
    if not has_port(rule, port, "TCP"):
        return False
    named = items_at(rule, peers)
    return not named or any(
        not mapping_at(peer, "namespaceSelector")
        and "ipBlock" not in peer
        and matches(mapping_at(peer, "podSelector"), labels)
        for _, peer in named
    )


def _seen(pod: PodFact, policies: list[KubernetesObject]) -> list[Location]:
    found = policies_over(pod.labels, policies, "Egress")
    return [policy.where("spec") for policy in found]
