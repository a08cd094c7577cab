"""Volumes: they exist, are large enough, and survive."""

from __future__ import annotations

import re
from collections.abc import Iterator

from observer_contracts.declaration.facts import Declaration, VolumeFact
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.objects import (
    KubernetesObject,
    Place,
    as_text,
    text_at,
)
from observer_contracts.evidence.workloads import Workload
from observer_contracts.model import Finding
from observer_contracts.rules.findings import candidates, failed, passed, shown, warned

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
            yield from _claim(fact, claim, ("spec",), declaration.free_disk_gib)
            continue
        template = _claim_template(fact, evidence)
        if template is not None:
            yield from _claim(fact, *template, declaration.free_disk_gib)
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


def _claim(fact: VolumeFact, claim: KubernetesObject, place: Place, total_gib: int) -> Iterator[Finding]:
    size_place = (*place, "resources", "requests", "storage")
    size = quantity(claim.value(*size_place))
    expected = f"{fact.capacity_gib}Gi, as about {fact.growth_gib_per_day:g} GiB come in a day"
    verdict = passed if size is not None and size >= fact.capacity_gib * GIB else failed
    yield verdict(claim.label, expected, shown(as_text(claim.value(*size_place))), claim.where(*size_place))
    if size is not None and size > fact.capacity_gib * GIB:
        bound = f"{fact.capacity_gib}Gi: the node has room for the declared claims, together {total_gib} GiB"
        yield warned(claim.label, bound, shown(as_text(claim.value(*size_place))), claim.where(*size_place))
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
    """VOL-006: each claim is used, and a synchronisation prunes neither it nor the database on it."""
    used = {volume.claim for workload in evidence.workloads for volume in workload.volumes.values()}
    for claim in evidence.manifests.of("PersistentVolumeClaim") if evidence.manifests else []:
        where = claim.where("metadata")
        if claim.name not in used and claim.name != declaration.backup.claim:
            yield warned(claim.label, "used by a workload", "no workload mounts it", where)
        elif not _kept(claim):
            yield warned(
                claim.label, f"annotation {_PRUNE}: Prune=false", "a pruned claim loses its data", where
            )
        else:
            yield passed(claim.label, "used and kept", "as declared", where)
    database = evidence.workload(declaration.database.workload)
    if database is not None:
        expected, where = f"annotation {_PRUNE}: Prune=false", database.object.where("metadata")
        if _kept(database.object):
            yield passed(database.label, expected, "as declared", where)
        else:
            observed = "a synchronisation that loses its manifest removes the server"
            remedy = f"Annotate the StatefulSet with {_PRUNE}: Prune=false,Delete=false."
            yield warned(database.label, expected, observed, where, remedy=remedy)


def _kept(found: KubernetesObject) -> bool:
    return "Prune=false" in as_text(found.mapping("metadata", "annotations").get(_PRUNE))
