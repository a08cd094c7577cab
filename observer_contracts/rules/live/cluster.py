"""The cluster itself: it answers, its node is well, and what volumes and Secrets need runs."""

from __future__ import annotations

from collections.abc import Iterator

from observer_contracts.declaration.facts import ControllerFact, Declaration
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.live.observations import Live
from observer_contracts.evidence.live.pods import is_ready
from observer_contracts.evidence.objects import KubernetesObject, as_text
from observer_contracts.model import Finding
from observer_contracts.rules.findings import failed, passed, shown, unknown, warned
from observer_contracts.rules.live.seen import at, live_of

_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")


def api_answers(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """API-001: the API answers every question that the contracts ask."""
    live = live_of(evidence)
    about, expected = live.server or "the cluster", "the API answers"
    if live.away:
        yield unknown(about, expected, live.away)
        return
    for kind, reason in sorted(live.refused.items()):
        yield unknown(kind, "it can be read", reason)
    if not live.refused:
        observed = f"version {shown(live.version)}; {len(live.objects.objects)} objects"
        yield passed(about, expected, observed, at("/version"))


def nodes_are_well(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """NOD-001: each node is ready, takes pods, is under no pressure, and has the declared version."""
    live = live_of(evidence)
    unseen = live.unseen("Node")
    nodes = live.of("Node")
    if unseen:
        yield unknown("Node", "ready nodes", unseen)
    elif not nodes:
        yield failed("Node", "ready nodes", "there is no node")
    for node in nodes:
        yield _condition(node)
        yield _version(node, declaration.cluster.version)


def _condition(node: KubernetesObject) -> Finding:
    expected, where = "ready and under no pressure", node.where("status", "conditions")
    found = {item.get("type"): as_text(item.get("status")) for _, item in node.items("status", "conditions")}
    if found.get("Ready") != "True":
        return failed(node.label, expected, f"Ready is {shown(found.get('Ready', 'not told'))}", where)
    pressures = [name for name in _PRESSURES if found.get(name) == "True"]
    if pressures:
        return failed(node.label, expected, ", ".join(pressures), where)
    if node.value("spec", "unschedulable") is True:
        return warned(
            node.label, expected, "takes no new pods (cordoned)", node.where("spec", "unschedulable")
        )
    return passed(node.label, expected, "it is", where)


def _version(node: KubernetesObject, wanted: str) -> Finding:
    place = ("status", "nodeInfo", "kubeletVersion")
    found = node.text(*place)
    fits = found.lstrip("v").startswith(f"{wanted}.")
    architecture = node.text("status", "nodeInfo", "architecture")
    observed = f"{shown(found)}, {architecture or 'unknown architecture'}"
    return (passed if fits else warned)(node.label, f"Kubernetes {wanted}", observed, node.where(*place))


def namespace_is_active(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """NSP-001: the declared namespace is there and active."""
    live, name = live_of(evidence), declaration.namespace
    about, expected = f"Namespace/{name}", "active"
    unseen = live.unseen("Namespace")
    found = live.find("Namespace", name)
    if unseen:
        yield unknown(about, expected, unseen)
    elif found is None:
        yield failed(about, expected, "no such namespace", at(f"/api/v1/namespaces/{name}"))
    else:
        phase = found.text("status", "phase")
        yield (passed if phase == "Active" else failed)(about, expected, shown(phase), found.where("status"))


def volumes_are_provided(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """STO-001: the declared storage class is the default one, and its provisioner runs."""
    live, fact = live_of(evidence), declaration.cluster
    about, expected = f"StorageClass/{fact.storage_class}", f"the default class, made by {fact.provisioner}"
    unseen = live.unseen("StorageClass")
    found = live.find("StorageClass", fact.storage_class)
    if unseen:
        yield unknown(about, expected, unseen)
    elif found is None:
        names = ", ".join(other.name for other in live.of("StorageClass")) or "none"
        yield failed(about, expected, f"no such class; there are: {names}")
    else:
        default = found.mapping("metadata", "annotations").get(_DEFAULT) == "true"
        provisioner = found.text("provisioner")
        observed = f"{'default' if default else 'not the default class'}, made by {shown(provisioner)}"
        right = default and provisioner == fact.provisioner
        yield (passed if right else failed)(about, expected, observed, found.where("provisioner"))
    yield _runs(live, fact.provisioner_pods)


def secrets_are_unsealed(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """SEC-012: the controller of SealedSecrets is installed and runs."""
    live, fact = live_of(evidence), declaration.cluster.sealing_pods
    if "SealedSecret" in live.missing_kinds:
        yield failed("SealedSecret", "a kind that the cluster knows", "the controller is not installed")
    yield _runs(live, fact)


def _runs(live: Live, fact: ControllerFact) -> Finding:
    about, expected = f"Namespace/{fact.namespace}", f"a running {fact.name}"
    unseen = live.away or live.refused.get(fact.name, "")
    if unseen:
        return unknown(about, expected, unseen)
    pods = [pod for pod in live.of("Pod") if pod.namespace == fact.namespace and _fits(pod, fact.label)]
    ready = [pod for pod in pods if is_ready(pod)]
    if ready:
        return passed(
            ready[0].label, expected, f"{len(ready)} of {len(pods)} ready", ready[0].where("status")
        )
    where = at(f"/api/v1/namespaces/{fact.namespace}/pods")
    if not pods:
        return failed(about, expected, "there is no such pod", where)
    return failed(pods[0].label, expected, f"none of {len(pods)} is ready", pods[0].where("status"))


def _fits(pod: KubernetesObject, label: str) -> bool:
    key, _, value = label.partition("=")
    return not label or pod.mapping("metadata", "labels").get(key) == value
