"""Volumes: they exist, are large enough, survive, and have one writer."""

from __future__ import annotations

import re
from collections.abc import Iterator

from observer_contracts.declaration.facts import Declaration, VolumeFact
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.objects import (
    KubernetesObject,
    Place,
    as_text,
    items_at,
    mapping_at,
    text_at,
)
from observer_contracts.evidence.workloads import Container, Workload
from observer_contracts.model import Finding
from observer_contracts.rules.findings import candidates, failed, passed, shown, unknown, warned

_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)([EPTGMk]i?|Ki|m)?")
_UNITS = {
    "": 1,
    "m": 1e-3,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "P": 1e15,
    "E": 1e18,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
    "Pi": 2**50,
    "Ei": 2**60,
}
GIB = 2**30
_HOSTNAME = "kubernetes.io/hostname"
_PRUNE = "argocd.argoproj.io/sync-options"


def quantity(value: object) -> float | None:
    """Returns a quantity of Kubernetes as a number, or None where it is none."""
    match = _QUANTITY.fullmatch(as_text(value).strip())
    return float(match[1]) * _UNITS[match[2] or ""] if match else None


def no_host_paths(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """VOL-001: no volume is a folder of the node."""
    for workload in evidence.workloads:
        found = [volume for volume in workload.volumes.values() if volume.type == "hostPath"]
        for volume in found:
            observed = f"volume {volume.name} is hostPath {shown(text_at(volume.source, 'path'))}"
            yield failed(workload.label, "no hostPath volume", observed, workload.object.where(*volume.place))
        if not found:
            yield passed(workload.label, "no hostPath volume", "none")


def mounts_have_volumes(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """VOL-002: each mount has its volume, each volume its claim, each claim its size and access mode."""
    for workload in evidence.workloads:
        yield from _dangling(workload, evidence)
    for fact in declaration.volumes:
        if not fact.claim:
            continue
        claim = evidence.manifests.find("PersistentVolumeClaim", fact.claim) if evidence.manifests else None
        if claim is not None:
            yield from _claim(fact, claim, ("spec",))
            continue
        template = _claim_template(fact, evidence)
        if template is not None:
            yield from _claim(fact, *template)
        elif not _is_referenced(fact, evidence):
            yield failed(f"PersistentVolumeClaim/{fact.claim}", f"{fact.capacity_gib}Gi", "no such claim")


def _dangling(workload: Workload, evidence: Evidence) -> Iterator[Finding]:
    volumes, missing = workload.volumes, False
    for container in workload.containers:
        for mount in container.mounts:
            if mount.volume not in volumes:
                missing = True
                hint = candidates(mount.volume, volumes)
                observed = f"{container.name} mounts {shown(mount.volume)}, which is no volume. {hint}"
                where = workload.object.where(*mount.place)
                expected = f"a volume for the mount at {mount.path}"
                yield failed(workload.label, expected, observed.strip(), where)
    for volume in volumes.values():
        if volume.type != "persistentVolumeClaim":
            continue
        where = workload.object.where(*volume.place, "persistentVolumeClaim", "claimName")
        expected = f"a PersistentVolumeClaim {volume.claim}"
        if evidence.manifests and evidence.manifests.find("PersistentVolumeClaim", volume.claim) is None:
            missing = True
            names = [found.name for found in evidence.manifests.of("PersistentVolumeClaim")]
            yield failed(
                workload.label, expected, f"no such claim. {candidates(volume.claim, names)}".strip(), where
            )
    if not missing:
        yield passed(workload.label, "a volume for each mount, a claim for each volume", "all there")


def _is_referenced(fact: VolumeFact, evidence: Evidence) -> bool:
    workload = evidence.workload(fact.workload)
    return workload is not None and any(volume.claim == fact.claim for volume in workload.volumes.values())


def _claim_template(fact: VolumeFact, evidence: Evidence) -> tuple[KubernetesObject, Place] | None:
    workload = evidence.workload(fact.workload)
    main = workload.main if workload else None
    mount = next((m for m in main.mounts if m.path == fact.mount_path), None) if main else None
    volume = workload.volumes.get(mount.volume) if workload and mount else None
    if workload is None or volume is None or volume.type != "volumeClaimTemplate":
        return None
    for place, template in workload.object.items("spec", "volumeClaimTemplates"):
        if text_at(template, "metadata", "name") == volume.name:
            return workload.object, (*place, "spec")
    return None


def _claim(fact: VolumeFact, claim: KubernetesObject, place: Place) -> Iterator[Finding]:
    size_place = (*place, "resources", "requests", "storage")
    size = quantity(claim.value(*size_place))
    expected = f"{fact.capacity_gib}Gi, as about {fact.growth_gib_per_day:g} GiB come in a day"
    verdict = passed if size is not None and size >= fact.capacity_gib * GIB else failed
    yield verdict(claim.label, expected, shown(as_text(claim.value(*size_place))), claim.where(*size_place))
    modes = claim.value(*place, "accessModes")
    named = [as_text(mode) for mode in modes] if isinstance(modes, list) else []
    verdict = passed if named and set(named) <= set(fact.access_modes) else failed
    observed = ", ".join(named) or "none"
    yield verdict(
        claim.label, f"access mode {fact.access_modes[0]}", observed, claim.where(*place, "accessModes")
    )
    storage_class = claim.value(*place, "storageClassName")
    if storage_class is not None:
        verdict = passed if storage_class == fact.storage_class else failed
        where = claim.where(*place, "storageClassName")
        yield verdict(
            claim.label, f"storage class {fact.storage_class}", shown(as_text(storage_class)), where
        )


def pinned_to_one_node(declaration: Declaration, workload: Workload) -> bool:
    """Tells whether all pods of a workload run on one node, where a lock file holds."""
    selector = mapping_at(workload.pod, "nodeSelector")
    if set(selector) - set(declaration.writer.shared_labels) or text_at(workload.pod, "nodeName"):
        return True
    affinity = mapping_at(workload.pod, "affinity")
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    for _, term in items_at(affinity, "podAffinity", required):
        if text_at(term, "topologyKey") == _HOSTNAME:
            return True
    for _, term in items_at(affinity, "nodeAffinity", required, "nodeSelectorTerms"):
        for _, expression in items_at(term, "matchExpressions"):
            values = expression.get("values")
            if text_at(expression, "operator") == "In" and isinstance(values, list) and len(values) == 1:
                return text_at(expression, "key") not in declaration.writer.shared_labels
    return False


def one_writer(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """VOL-003: a single-writer volume has one writer; on one node the declared lock sees to it."""
    for fact in declaration.volumes:
        if not fact.single_writer:
            continue
        writers = [w for w in evidence.workloads if any(_writes(c, fact.claim) for c in w.containers)]
        for workload in writers:
            yield _writer(declaration, fact, workload, alone=len(writers) == 1)
        if not writers:
            yield unknown(
                f"PersistentVolumeClaim/{fact.claim}",
                "one writer",
                "no workload mounts it (PATH-001, VOL-002)",
            )


def _writes(container: Container, claim: str) -> bool:
    volumes = container.workload.volumes
    for mount in container.mounts:
        volume = volumes.get(mount.volume)
        if volume is not None and volume.claim == claim and not mount.read_only:
            return True
    return False


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
        return passed(
            workload.label,
            expected,
            f"{reason}; the lock in {declaration.writer.lock} holds on one node",
            where,
        )
    return failed(
        workload.label, expected, f"{reason}, and nothing pins them to one node, where the lock holds", where
    )


def update_keeps_one_writer(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """VOL-004: two pods at the same time are on one node, explicitly, and an update keeps the standby."""
    fact = declaration.writer
    workload = evidence.workload(fact.workload)
    if workload is None:
        yield unknown(fact.workload, "one node, said explicitly", "there is no collector (WRK-001)")
        return
    strategy = workload.object.text("spec", "strategy", "type") or "RollingUpdate"
    where = workload.object.where("spec", "strategy", "type")
    alone = workload.replicas <= 1 and strategy == "Recreate"
    if pinned_to_one_node(declaration, workload):
        yield passed(workload.label, "pinned to one node", "a selector", workload.where("nodeSelector"))
    elif alone:
        yield passed(workload.label, "never two pods at the same time", "one replica, Recreate", where)
    else:
        observed = f"{workload.replicas} replicas, {strategy}: ReadWriteOnce assumes one node silently"
        expected = "pinned to one node by a selector"
        yield failed(workload.label, expected, observed, workload.where("nodeSelector"))
    if workload.replicas > 1 and strategy != fact.strategy:
        expected = f"{fact.strategy}: the standby takes over"
        yield warned(workload.label, expected, f"{strategy} stops both pods at once", where)


def no_nested_mounts(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """VOL-005: no volume is mounted inside of another one; declared paths are PATH-003's."""
    declared = {fact.path for fact in declaration.paths}
    for workload in evidence.workloads:
        for container in workload.containers:
            paths = sorted(mount.path for mount in container.mounts)
            pairs = [(a, b) for a in paths for b in paths if a != b and b.startswith(a.rstrip("/") + "/")]
            nested = [(outer, inner) for outer, inner in pairs if inner not in declared]
            for outer, inner in nested:
                observed = f"{shown(inner)} lies in {shown(outer)}"
                yield warned(
                    workload.label, "mounts beside each other", observed, container.where("volumeMounts")
                )
            if not nested:
                yield passed(workload.label, f"mounts of {container.name} beside each other", "none nested")


def claims_kept(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """VOL-006: each claim is used, and a synchronisation does not prune it."""
    used = {volume.claim for workload in evidence.workloads for volume in workload.volumes.values()}
    for claim in evidence.manifests.of("PersistentVolumeClaim") if evidence.manifests else []:
        options = as_text(claim.mapping("metadata", "annotations").get(_PRUNE))
        where = claim.where("metadata")
        if claim.name not in used:
            yield warned(claim.label, "used by a workload", "no workload mounts it", where)
        elif "Prune=false" not in options:
            yield warned(
                claim.label, f"annotation {_PRUNE}: Prune=false", "a pruned claim loses its data", where
            )
        else:
            yield passed(claim.label, "used and kept", "as declared", where)
