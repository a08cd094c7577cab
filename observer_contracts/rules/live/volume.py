"""The volumes in the cluster: bound, large enough, on a node that is there, with one writer and room."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from observer_contracts.declaration.facts import Declaration, VolumeFact
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.live.observations import Live, NodeDisk
from observer_contracts.evidence.live.pods import pods_of
from observer_contracts.evidence.objects import KubernetesObject, as_text, items_at, text_at, value_at
from observer_contracts.evidence.runtime.observations import Space
from observer_contracts.evidence.seeing import HttpAnswer, Unseen
from observer_contracts.model import Finding, Status
from observer_contracts.rules.findings import failed, passed, shown, unknown, warned
from observer_contracts.rules.live.seen import at, live_of
from observer_contracts.rules.runtime.volume import LEAST_SHARE, LOW_SHARE, free_share
from observer_contracts.rules.volume import GIB, quantity
from observer_core.probes import STATUS_PATH

_HOSTNAME = "kubernetes.io/hostname"
_WRITES = frozenset({"writer", "recovering"})


def claims_are_bound(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """VOL-002: each declared claim is bound to a volume of its size, on a node that is there."""
    live = live_of(evidence)
    for fact in declaration.volumes:
        claim = live.find("PersistentVolumeClaim", fact.claim) if fact.claim else None
        if claim is None:
            continue  # the rule about manifests says that it is missing
        yield _bound(fact, claim)
        if claim.text("status", "phase") == "Bound":
            yield _placed(declaration, live, claim)


def _bound(fact: VolumeFact, claim: KubernetesObject) -> Finding:
    expected, phase = f"bound to {fact.capacity_gib} GiB", claim.text("status", "phase")
    if phase != "Bound":
        remedy = "See its events; with local-path a claim waits for the first pod that mounts it."
        return failed(claim.label, expected, shown(phase), claim.where("status", "phase"), remedy=remedy)
    place = ("status", "capacity", "storage")
    size = quantity(claim.value(*place))
    verdict = passed if size is not None and size >= fact.capacity_gib * GIB else failed
    return verdict(
        claim.label, expected, f"bound, {shown(as_text(claim.value(*place)))}", claim.where(*place)
    )


def _placed(declaration: Declaration, live: Live, claim: KubernetesObject) -> Finding:
    expected = f"a volume below {declaration.cluster.storage_folder} of a node that is there"
    unseen = live.unseen("PersistentVolume", "Node")
    volume = live.find("PersistentVolume", claim.text("spec", "volumeName"))
    if unseen:
        return unknown(claim.label, expected, unseen)
    if volume is None:
        return failed(claim.label, expected, "its volume is gone", claim.where("spec", "volumeName"))
    folder = volume.text("spec", "hostPath", "path") or volume.text("spec", "local", "path")
    nodes = _nodes_of(volume)
    observed = f"{shown(folder)} on {', '.join(nodes) or 'any node'}"
    where = volume.where("spec")
    if nodes and not any(live.find("Node", name) for name in nodes):
        return failed(claim.label, expected, f"{observed}, which is no node of the cluster", where)
    inside = folder.startswith(f"{declaration.cluster.storage_folder}/")
    return (passed if inside else warned)(claim.label, expected, observed, where)


def _nodes_of(volume: KubernetesObject) -> list[str]:
    found: list[str] = []
    for place, _ in volume.items("spec", "nodeAffinity", "required", "nodeSelectorTerms"):
        for _, item in items_at(volume.fields, *place, "matchExpressions"):
            values = item.get("values")
            if text_at(item, "key") == _HOSTNAME and isinstance(values, list):
                found += map(str, values)
    return found


def room_on_the_node(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """VOL-008: the node's disk holds what the claims promise."""
    live, wanted = live_of(evidence), declaration.free_disk_gib
    expected = f"{wanted} GiB for the claims, and {LOW_SHARE:.0%} free"
    unseen = live.unseen("Node")
    if unseen:
        yield unknown("Node", expected, unseen)
    for name, disk in live.disks.items():
        about = f"Node/{name}"
        where = at(f"/api/v1/nodes/{name}/proxy/stats/summary", about, "node.fs")
        if isinstance(disk, Unseen):
            yield unknown(about, expected, disk.reason, where)
            continue
        room, share = _room(disk, declaration), free_share(Space(disk.total_bytes, disk.free_bytes, 0, 0))
        observed = f"{disk.free_bytes / GIB:.1f} of {disk.total_bytes / GIB:.1f} GiB free"
        observed += f", {room:.1f} with what the claims use"
        if share < LEAST_SHARE or room < wanted:
            yield failed(about, expected, observed, where)
        else:
            yield (warned if share < LOW_SHARE else passed)(about, expected, observed, where)


def _room(disk: NodeDisk, declaration: Declaration) -> float:
    """Returns the GiB that are free or already in use by the declared claims."""
    names = {fact.claim for fact in declaration.volumes if fact.claim}
    return (disk.free_bytes + sum(size for name, size in disk.claims.items() if name in names)) / GIB


def node_folders_take_files(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """CTX-004: on a folder of the node fsGroup changes nothing; the pods tell whether they can write."""
    live, collector = live_of(evidence), declaration.collector
    if live.unseen("PersistentVolume", "PersistentVolumeClaim", "Pod"):
        return  # VOL-002 says so
    pods = [pod.name for pod in pods_of(live, collector.name, collector.kind)]
    said = {name: _own_verdict(live, name, "CTX-004") for name in pods}
    for fact in declaration.volumes_of(collector.name):
        claim = live.find("PersistentVolumeClaim", fact.claim) if fact.claim and fact.writable else None
        volume = live.find("PersistentVolume", claim.text("spec", "volumeName")) if claim else None
        if claim is not None and volume is not None and volume.text("spec", "hostPath", "path"):
            yield _tried(claim, volume, said)


def _own_verdict(live: Live, pod: str, rule: str) -> str:
    """Returns what a collector's last verification of itself said of a rule; empty where nothing."""
    answer = live.answers.get((pod, STATUS_PATH))
    verdicts = value_at(answer.fields, "contracts", "rules") if isinstance(answer, HttpAnswer) else None
    return text_at(verdicts, rule)


def _tried(claim: KubernetesObject, volume: KubernetesObject, said: Mapping[str, str]) -> Finding:
    folder, where = shown(volume.text("spec", "hostPath", "path")), volume.where("spec", "hostPath", "path")
    expected = f"{folder} on the node takes the pods' files; fsGroup does not act there"
    refused = [pod for pod, verdict in said.items() if verdict == Status.FAIL]
    if refused:
        remedy = "Give the folder on the node to the volumes' group; `/status` of the pod names the path."
        return failed(claim.label, expected, f"refused in {', '.join(refused)}", where, remedy=remedy)
    if Status.PASS in said.values():
        tried = [pod for pod, verdict in said.items() if verdict == Status.PASS]
        return passed(claim.label, expected, f"tried by {', '.join(tried)}", where)
    return unknown(claim.label, expected, "no pod of the collector tells of having tried", where)


def one_pod_writes(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """VOL-007: exactly one of the collector's pods is the writer."""
    live, collector = live_of(evidence), declaration.collector
    about, expected = f"{collector.kind}/{collector.name}", "one writer, the others stand by"
    unseen = live.unseen(collector.kind, "Pod")
    if unseen:
        yield unknown(about, expected, unseen)
        return
    roles = _roles(live, [pod.name for pod in pods_of(live, collector.name, collector.kind)])
    silent = [f"{name}: {role.reason}" for name, role in roles.items() if isinstance(role, Unseen)]
    writers = [name for name, role in roles.items() if role in _WRITES]
    said = ", ".join(f"{name} {role}" for name, role in roles.items() if isinstance(role, str))
    if len(writers) > 1:
        yield failed(about, expected, f"{len(writers)} writers: {said}")
    elif silent or not roles:
        yield unknown(about, expected, "; ".join(silent) or "there is no pod (WRK-001)")
    elif not writers:
        yield failed(about, expected, f"nobody writes: {said}")
    else:
        yield passed(about, expected, said)


def _roles(live: Live, pods: list[str]) -> Mapping[str, str | Unseen]:
    roles: dict[str, str | Unseen] = {}
    for name in pods:
        answer = live.answers.get((name, STATUS_PATH), Unseen("not asked"))
        role = str(answer.fields.get("role", "")) if isinstance(answer, HttpAnswer) else ""
        roles[name] = role or (answer if isinstance(answer, Unseen) else Unseen("it does not tell its role"))
    return roles
