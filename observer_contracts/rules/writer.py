"""Who writes on a volume that one process may write: the declared programs, on one node, and nobody else.

Invariant: only a program that is known to take the lock, or whose writing is declared, counts as a lawful
writer; whatever else could write there breaks the contract, even if it is alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from observer_contracts.declaration.facts import Declaration, VolumeFact
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.objects import items_at, mapping_at, text_at
from observer_contracts.evidence.workloads import Container, Mount, Workload
from observer_contracts.model import Finding
from observer_contracts.rules.findings import failed, passed, shown, unknown, warned
from observer_contracts.rules.network import matches
from observer_contracts.rules.program import image_parts, is_collector, is_own_image, is_run

_HOSTNAME = "kubernetes.io/hostname"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def pinned_to_one_node(declaration: Declaration, workload: Workload) -> bool:
    """Tells whether all pods of a workload are meant to run on one node, where a lock file holds."""
    return _names_one_node(workload) or bool(_pinning_labels(declaration, workload))


def _names_one_node(workload: Workload) -> bool:
    """Tells whether no second node can fit: by its name, by its hostname, or beside a pod that is there."""
    if text_at(workload.pod, "nodeName") or _HOSTNAME in mapping_at(workload.pod, "nodeSelector"):
        return True
    affinity = mapping_at(workload.pod, "affinity")
    beside = any(
        text_at(term, "topologyKey") == _HOSTNAME for _, term in items_at(affinity, "podAffinity", _REQUIRED)
    )
    return beside or _HOSTNAME in _required_labels(workload)


def _pinning_labels(declaration: Declaration, workload: Workload) -> list[str]:
    """Returns the labels by which a workload chooses its node, without those that many nodes always carry."""
    named = {*mapping_at(workload.pod, "nodeSelector"), *_required_labels(workload)}
    return sorted(named - set(declaration.writer.shared_labels))


def _required_labels(workload: Workload) -> list[str]:
    """Returns the labels that node affinity ties to one value; of several terms any one is enough."""
    terms = items_at(mapping_at(workload.pod, "affinity"), "nodeAffinity", _REQUIRED, "nodeSelectorTerms")
    found = []
    for _, term in terms if len(terms) == 1 else []:
        for _, expression in items_at(term, "matchExpressions"):
            values = expression.get("values")
            if text_at(expression, "operator") == "In" and isinstance(values, list) and len(values) == 1:
                found.append(text_at(expression, "key"))
    return found


def one_writer(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """VOL-003: a single-writer volume has one writer; on one node the declared lock sees to it."""
    for fact in declaration.volumes:
        if fact.single_writer:
            yield from _writers(declaration, fact, evidence)
    yield from _autoscaled(declaration, evidence)


def _writers(declaration: Declaration, fact: VolumeFact, evidence: Evidence) -> Iterator[Finding]:
    lawful, found = [], False
    for workload in evidence.workloads:
        writing = [(c, mount) for c in workload.containers if (mount := _writes(c, fact.claim)) is not None]
        strangers = [(c, mount) for c, mount in writing if not _may_write(declaration, fact, c)]
        found = found or bool(writing)
        for container, mount in strangers:
            observed = f"container {container.name} ({shown(text_at(container.fields, 'image'))}) may write"
            where = workload.object.where(*mount.place)
            expected = f"only {fact.workload} writes on {fact.claim}"
            remedy = "Mount the volume with readOnly: true, or give the container a volume of its own."
            observed += " there: it is no declared writer, and takes no lock"
            yield failed(workload.label, expected, observed, where, remedy=remedy)
        if writing and not strangers:
            lawful.append(workload)
    for workload in lawful:
        yield _writer(declaration, fact, workload, alone=len(lawful) == 1)
        if workload.object.kind == "Deployment" and workload.name != fact.workload:
            yield _another_collector(fact, workload)
    if not found:
        about, observed = (
            f"PersistentVolumeClaim/{fact.claim}",
            "no workload mounts it (PATH-001, VOL-002)",
        )
        yield unknown(about, "one writer", observed)


def _writes(container: Container, claim: str) -> Mount | None:
    volumes = container.workload.volumes
    for mount in container.mounts:
        volume = volumes.get(mount.volume)
        if volume is None or volume.claim != claim or mount.read_only:
            continue
        if volume.source.get("readOnly") is not True:
            return mount
    return None


def _may_write(declaration: Declaration, fact: VolumeFact, container: Container) -> bool:
    """Tells whether a container is a declared writer: the owner, a second collector, or a run of Dagster."""
    workload, own = container.workload, is_own_image(declaration, container)
    main = workload.main
    if workload.name == fact.workload:
        # What the owner's own container runs is the subject of WRK-001 and IMG-001; a step beside it has its
        # image or the collector's, or is a stranger in its pod.
        return own or (main is not None and _repository(container) == _repository(main))
    if fact.workload != declaration.writer.workload:
        return False
    if workload.name == declaration.writer.maintenance:
        # A template for a person's hand; one that is scheduled would write unattended.
        return own and workload.object.value("spec", "suspend") is True
    return own and (is_run(workload) or (main is not None and is_collector(declaration, main)))


def _repository(container: Container) -> str:
    return image_parts(text_at(container.fields, "image"))[0]


def _writer(declaration: Declaration, fact: VolumeFact, workload: Workload, *, alone: bool) -> Finding:
    expected = f"one writer on {fact.claim}"
    where = workload.object.where("spec", "replicas")
    locked = fact.workload == declaration.writer.workload
    if workload.replicas <= 1 and alone:
        return passed(workload.label, expected, f"{workload.replicas} pod", where)
    reason = (
        f"{workload.replicas} replicas" if workload.replicas > 1 else "another workload writes there as well"
    )
    if not locked:
        return failed(workload.label, expected, f"{reason}, and no lock is declared", where)
    if pinned_to_one_node(declaration, workload):
        observed = f"{reason}; the lock in {declaration.writer.lock} holds on one node"
        return passed(workload.label, expected, observed, where)
    observed = f"{reason}, and nothing pins them to one node, where the lock holds"
    return failed(workload.label, expected, observed, where)


def _another_collector(fact: VolumeFact, workload: Workload) -> Finding:
    """It waits for the lock like a standby, with nobody who counts, updates or watches it as one."""
    expected, where = f"standbys of {fact.workload} as its own replicas", workload.object.where("metadata")
    observed = f"{workload.label} runs another {fact.workload} on {fact.claim}"
    remedy = f"Remove it; {fact.workload} has a standby by its replicas (WRK-002)."
    return warned(workload.label, expected, observed, where, remedy=remedy)


def _autoscaled(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    owners = {fact.workload for fact in declaration.volumes if fact.single_writer}
    for scaler in evidence.manifests.of("HorizontalPodAutoscaler") if evidence.manifests else []:
        target = scaler.text("spec", "scaleTargetRef", "name")
        if target in owners:
            observed = f"{scaler.label} makes up to {scaler.value('spec', 'maxReplicas')} pods of {target}"
            expected = f"no autoscaler over {target}, whose volume has one writer"
            where = scaler.where("spec", "scaleTargetRef")
            yield failed(scaler.label, expected, observed, where, remedy="Remove the autoscaler.")


def update_keeps_one_writer(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """VOL-004: two pods at the same time are on one node, explicitly, and an update keeps the standby."""
    fact = declaration.writer
    workload = evidence.workload(fact.workload)
    if workload is None:
        yield unknown(fact.workload, "one node, said explicitly", "there is no collector (WRK-001)")
        return
    strategy = workload.object.text("spec", "strategy", "type") or "RollingUpdate"
    yield _one_node(declaration, workload, strategy)
    yield from _kept_apart(workload)
    if workload.replicas > 1 and strategy != fact.strategy:
        expected = f"{fact.strategy}: the standby takes over"
        where = workload.object.where("spec", "strategy", "type")
        yield warned(workload.label, expected, f"{strategy} stops both pods at once", where)


def _kept_apart(workload: Workload) -> Iterator[Finding]:
    """The volumes' node is the only one: what must not run beside its like never runs."""
    affinity = mapping_at(workload.pod, "affinity")
    for index, term in items_at(affinity, "podAntiAffinity", _REQUIRED):
        if workload.replicas > 1 and matches(mapping_at(term, "labelSelector"), workload.labels):
            where = workload.where("affinity", "podAntiAffinity", _REQUIRED, index)
            expected = "writer and standby on one node, where their volumes are"
            observed = (
                f"no second pod within one {shown(text_at(term, 'topologyKey'))}: the standby stays Pending"
            )
            remedy = "Remove the required podAntiAffinity; a preferred one does no harm."
            yield failed(workload.label, expected, observed, where, remedy=remedy)


def _one_node(declaration: Declaration, workload: Workload, strategy: str) -> Finding:
    expected, where = "pinned to one node by a selector", workload.where("nodeSelector")
    labels = _pinning_labels(declaration, workload)
    if _names_one_node(workload):
        return passed(workload.label, "pinned to one node", "a selector", where)
    if workload.replicas <= 1 and strategy == "Recreate":
        strategy_where = workload.object.where("spec", "strategy", "type")
        expected = "never two pods at the same time"
        return passed(workload.label, expected, "one replica, Recreate", strategy_where)
    if labels:
        observed = f"a selector by {', '.join(map(shown, labels))}, which more than one node may carry"
        remedy = f"Select by {_HOSTNAME}, or make sure that only one node ever carries the label."
        return warned(workload.label, expected, observed, where, remedy=remedy)
    observed = f"{workload.replicas} replicas, {strategy}: ReadWriteOnce assumes one node silently"
    return failed(workload.label, expected, observed, where)
