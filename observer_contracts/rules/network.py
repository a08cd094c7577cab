"""The network: what the collector must reach is open, and nothing else is promised."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from observer_contracts.declaration.facts import Declaration, EgressFact
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.objects import KubernetesObject, Place, items_at, mapping_at, text_at
from observer_contracts.evidence.workloads import Workload
from observer_contracts.evidence.yaml_documents import Fields
from observer_contracts.model import Finding
from observer_contracts.rules.findings import failed, passed, unknown, warned

_DNS_NAMESPACE = "kube-system"


def policies_fit(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """NET-001: pods are behind a policy, and the policy lets through what the contract declares."""
    collector = evidence.workload(declaration.collector.name)
    database = evidence.workload(declaration.database.workload)
    for workload in (collector, database):
        if workload is not None:
            yield from _selected(workload, evidence)
    yield from _default_deny(evidence)
    if collector is None:
        yield unknown(declaration.collector.name, "declared egress", "there is no collector (WRK-001)")
        return
    policies = _policies(collector, evidence, "Egress")
    if policies:
        yield from _egress(declaration, collector, database, policies)
    for workload, port in ((collector, declaration.http.port), (database, declaration.database.port)):
        inward = _policies(workload, evidence, "Ingress") if workload else []
        if workload is not None and inward:
            yield _ingress(workload, collector, inward, port)
    for workload in (collector, database):
        if workload is not None:
            yield from _wide_open(workload, evidence)
    yield from _from_outside(declaration, evidence)


def _selected(workload: Workload, evidence: Evidence) -> Iterator[Finding]:
    for direction in ("Ingress", "Egress"):
        found = _policies(workload, evidence, direction)
        expected = f"a NetworkPolicy for {direction.lower()}"
        observed = ", ".join(policy.name for policy in found) or "none: everything is open"
        yield (passed if found else warned)(
            workload.label, expected, observed, workload.object.where("metadata", "name")
        )


def _default_deny(evidence: Evidence) -> Iterator[Finding]:
    """Where there are policies at all, one of them covers pods that nobody has thought of."""
    policies = evidence.manifests.of("NetworkPolicy") if evidence.manifests else []
    for direction in ("Ingress", "Egress") if policies else ():
        expected = f"a policy over all pods that lets no {direction.lower()} through"
        found = [policy for policy in policies if _denies_all(policy, direction)]
        observed = found[0].name if found else "none: a new pod is open"
        about = found[0].label if found else "NetworkPolicy"
        yield (passed if found else warned)(about, expected, observed)


def _denies_all(policy: KubernetesObject, direction: str) -> bool:
    types = policy.value("spec", "policyTypes")
    everybody = "podSelector" in policy.mapping("spec") and not policy.mapping("spec", "podSelector")
    return (
        everybody
        and isinstance(types, list)
        and direction in types
        and not policy.value("spec", direction.lower())
    )


def matches(selector: Fields, labels: Mapping[str, Any]) -> bool:
    """Tells whether a label selector selects these labels; an empty one selects all."""
    wanted = mapping_at(selector, "matchLabels")
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    for _, expression in items_at(selector, "matchExpressions"):
        key, values = text_at(expression, "key"), expression.get("values") or []
        inside = labels.get(key) in values if isinstance(values, list) else False
        answers = {
            "In": inside,
            "NotIn": not inside,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }
        if not answers.get(text_at(expression, "operator"), False):
            return False
    return True


def _policies(workload: Workload, evidence: Evidence, direction: str) -> list[KubernetesObject]:
    there = evidence.manifests.of("NetworkPolicy") if evidence.manifests else []
    return policies_over(workload.labels, there, direction)


def policies_over(
    labels: Mapping[str, Any], policies: list[KubernetesObject], direction: str
) -> list[KubernetesObject]:
    """Returns the policies that hold for pods with these labels, in a direction."""
    found = []
    for policy in policies:
        types = policy.value("spec", "policyTypes")
        named = (
            types
            if isinstance(types, list)
            else ["Ingress", *(["Egress"] if policy.value("spec", "egress") else [])]
        )
        if direction in named and matches(policy.mapping("spec", "podSelector"), labels):
            found.append(policy)
    return found


def _wide_open(workload: Workload, evidence: Evidence) -> Iterator[Finding]:
    """A rule without peers and ports lets everything through, and makes every other rule needless."""
    for direction in ("Ingress", "Egress"):
        for policy in _policies(workload, evidence, direction):
            for place, rule in policy.items("spec", direction.lower()):
                if not rule.get("from" if direction == "Ingress" else "to") and not rule.get("ports"):
                    expected = f"{direction.lower()} of {workload.label} by named peers or ports only"
                    observed = f"a rule of {policy.name} lets everything through"
                    remedy = "Remove the empty rule."
                    yield failed(policy.label, expected, observed, policy.where(*place), remedy=remedy)


def _from_outside(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """The collector has no login, and the database's would be asked by everybody."""
    own = {declaration.http.service, declaration.database.service, declaration.database.headless_service}
    for ingress in evidence.manifests.of("Ingress") if evidence.manifests else []:
        for place, name in _backends(ingress):
            if name in own:
                expected = f"no way from outside to Service/{name}"
                remedy = "Remove the backend, and use a port-forward."
                observed = f"an Ingress leads to {name}"
                yield failed(ingress.label, expected, observed, ingress.where(*place), remedy=remedy)


def _backends(ingress: KubernetesObject) -> Iterator[tuple[Place, str]]:
    default: Place = ("spec", "defaultBackend", "service", "name")
    yield default, ingress.text(*default)
    for rule_place, rule in ingress.items("spec", "rules"):
        for index, path in items_at(rule, "http", "paths"):
            place: Place = (*rule_place, "http", "paths", index, "backend", "service", "name")
            yield place, text_at(path, "backend", "service", "name")


def _egress(
    declaration: Declaration, collector: Workload, database: Workload | None, policies: list[KubernetesObject]
) -> Iterator[Finding]:
    rules = [(place, rule) for policy in policies for place, rule in policy.items("spec", "egress")]
    names = ", ".join(policy.label for policy in policies)
    # The policy that lets most through is the one in which a missing rule belongs.
    about = max(policies, key=lambda policy: len(policy.items("spec", "egress")))
    for fact in declaration.egress:
        target = fact.host or fact.inside or "the cluster's address"
        expected = f"{fact.protocol} {fact.port} to {target} ({fact.purpose})"
        if fact.inside == declaration.database.workload and database is None:
            yield unknown(about.label, expected, "there is no database (WRK-001)")
        elif any(lets_out(rule, fact, database) for _, rule in rules):
            yield passed(about.label, expected, f"open in {names}", about.where("spec", "egress"))
        else:
            observed = f"no rule of {names} lets {collector.label} through"
            yield failed(about.label, expected, observed, about.where("spec", "egress"))


def lets_out(rule: Fields, fact: EgressFact, database: Workload | None) -> bool:
    """Tells whether an egress rule lets through to a declared target."""
    if not has_port(rule, fact.port, fact.protocol):
        return False
    peers = items_at(rule, "to")
    if not peers:
        return True
    return any(_reaches(peer, fact, database) for _, peer in peers)


def has_port(rule: Fields, port: int, protocol: str) -> bool:
    """Tells whether a rule of a policy is for a port."""
    entries = items_at(rule, "ports")
    if not entries:
        return True
    for _, entry in entries:
        if (text_at(entry, "protocol") or "TCP") != protocol:
            continue
        first, last = entry.get("port"), entry.get("endPort")
        if first is None or first == port:
            return True
        if isinstance(first, int) and isinstance(last, int) and first <= port <= last:
            return True
    return False


def _reaches(peer: Fields, fact: EgressFact, database: Workload | None) -> bool:
    block = mapping_at(peer, "ipBlock")
    if block:
        return _block_fits(block, outside=bool(fact.host))
    if fact.host or fact.purpose == "API server":
        return False
    namespaces = peer.get("namespaceSelector")
    if fact.inside == "kube-dns":
        return namespaces is not None and _namespace_fits(mapping_at(peer, "namespaceSelector"))
    if namespaces is not None and mapping_at(peer, "namespaceSelector"):
        return False
    pods = mapping_at(peer, "podSelector")
    return database is not None and matches(pods, database.labels)


def _namespace_fits(selector: Fields) -> bool:
    wanted = mapping_at(selector, "matchLabels").get("kubernetes.io/metadata.name")
    return wanted in (None, _DNS_NAMESPACE)


def _block_fits(block: Fields, *, outside: bool) -> bool:
    """Tells whether a block covers addresses in or out of the cluster; which ones, no manifest knows."""
    try:
        network = ipaddress.ip_network(text_at(block, "cidr"), strict=False)
    except ValueError:
        return False
    return network.prefixlen == 0 or network.is_private is not outside


def _ingress(workload: Workload, collector: Workload, policies: list[KubernetesObject], port: int) -> Finding:
    own = workload is not collector
    expected = f"TCP {port} open" + (f" for {collector.label}" if own else "")
    about = max(policies, key=lambda policy: len(policy.items("spec", "ingress")))
    for policy in policies:
        for place, rule in policy.items("spec", "ingress"):
            if has_port(rule, port, "TCP") and (not own or _admits(rule, collector)):
                return passed(policy.label, expected, "open", policy.where(*place))
    where: Place = ("spec", "ingress")
    return failed(about.label, expected, "no rule lets it in", about.where(*where))


def _admits(rule: Fields, collector: Workload) -> bool:
    peers = items_at(rule, "from")
    if not peers:
        return True
    return any(
        not mapping_at(peer, "namespaceSelector")
        and "ipBlock" not in peer
        and matches(mapping_at(peer, "podSelector"), collector.labels)
        for _, peer in peers
    )
