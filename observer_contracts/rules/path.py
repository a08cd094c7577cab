"""Contract 1: program, image, effective environment and mount name the same path."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from observer_contracts.declaration.facts import Declaration, PathFact, VolumeFact
from observer_contracts.evidence.environment import Layer
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.workloads import Container, Mount, Workload
from observer_contracts.model import Finding, Location, Source, Status
from observer_contracts.rules.findings import failed, passed, shown, unknown, warned

_LOST_WITH_THE_POD = frozenset({"emptyDir", "configMap", "secret", "downwardAPI", "projected", "ephemeral"})
_DATABASE_FOLDER = "PGDATA"
_NO_CONFIGURATION = frozenset({"emptyDir", "ephemeral"})


def mounted(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """PATH-001: each declared path is the mount of its own volume."""
    for fact in declaration.volumes:
        workload = evidence.workload(fact.workload)
        container = workload.main if workload else None
        expected = f"{fact.claim or 'the configuration'} mounted at {fact.mount_path}"
        if workload is None or container is None:
            yield unknown(fact.workload, expected, f"there is no workload {fact.workload} (WRK-001)")
            continue
        yield _mounted(declaration, fact, container, expected)
        if fact.workload == declaration.database.workload:
            yield _database_folder(declaration, fact, evidence, container)


def _database_folder(
    declaration: Declaration, fact: VolumeFact, evidence: Evidence, container: Container
) -> Finding:
    """The server's files lie where PGDATA says; the image's own default is the mount itself.

    A deployment that never said it has its files there; one that did, and loses the line, does not start:
    initdb refuses the mount, in which the folder of before lies.
    """
    wanted = declaration.database.folder
    expected = f"{_DATABASE_FOLDER} = {wanted}"
    value = evidence.environment(container).effective.get(_DATABASE_FOLDER)
    label = container.workload.label
    if value is None or value.layer is Layer.IMAGE or value.text == "":
        observed = (
            "not set: the image's default, the mount itself, where a database in that folder is not found"
        )
        remedy = f"Set {_DATABASE_FOLDER} in env; leave it out only where the files lie in the mount itself."
        return warned(label, expected, observed, container.where("env"), remedy=remedy)
    if value.text is None:
        return unknown(
            label, expected, f"the value comes from {value.origin} and cannot be seen", value.where
        )
    folder = posixpath.normpath(value.text)
    if folder == wanted:
        return passed(label, expected, shown(value.text), value.where)
    on_volume = folder.startswith("/") and _covers(fact.mount_path, folder)
    remedy = f"Write {wanted}, unless the server's files have always been where it says."
    return (warned if on_volume else failed)(label, expected, shown(value.text), value.where, remedy=remedy)


def _mounted(declaration: Declaration, fact: VolumeFact, container: Container, expected: str) -> Finding:
    workload = container.workload
    mount = next((found for found in container.mounts if found.path == fact.mount_path), None)
    if mount is None:
        near = _mount_of_claim(fact, container)
        observed = (
            f"volume {near.volume} is mounted at {shown(near.path)}" if near else "nothing is mounted there"
        )
        where = workload.object.where(*near.place, "mountPath") if near else container.where("volumeMounts")
        return failed(workload.label, expected, observed, where)
    volume = workload.volumes.get(mount.volume)
    where = workload.object.where(*mount.place)
    if volume is None:
        return passed(workload.label, expected, "a mount is there; its volume is judged by VOL-002", where)
    wrong = _LOST_WITH_THE_POD if fact.claim else _NO_CONFIGURATION
    if volume.type in wrong:
        return failed(workload.label, expected, f"the volume {volume.name} is of type {volume.type}", where)
    others = {other.claim for other in declaration.volumes if other.claim} - {fact.claim}
    if fact.claim and volume.claim in others:
        return failed(workload.label, expected, f"the claim {volume.claim} is mounted there", where)
    if mount.sub_path:
        observed = f"only the folder {shown(mount.sub_path)} of {volume.claim or volume.name}"
        return failed(workload.label, expected, observed, where)
    return passed(workload.label, expected, f"{volume.type} {volume.claim or volume.name}", where)


def _mount_of_claim(fact: VolumeFact, container: Container) -> Mount | None:
    volumes = container.workload.volumes
    for mount in container.mounts:
        volume = volumes.get(mount.volume)
        if volume is not None and fact.claim and volume.claim == fact.claim:
            return mount
    return None


def layers_agree(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """PATH-002: image and effective environment carry the program's default."""
    collector = evidence.workload(declaration.collector.name)
    for fact in declaration.paths:
        if collector is None or collector.main is None:
            yield unknown(declaration.collector.name, _layers(fact), "there is no collector (WRK-001)")
            continue
        yield from _image_layer(fact, evidence)
        yield from _environment_layer(fact, evidence, collector.main)
        for container in _others(evidence, collector):
            for finding in _environment_layer(fact, evidence, container):
                if finding.status is Status.FAIL:
                    yield finding


def environment_agrees(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """The part of PATH-002 that concerns the effective environment of the collector's container alone."""
    collector = evidence.workload(declaration.collector.name)
    if collector is not None and collector.main is not None:
        for fact in declaration.paths:
            yield from _environment_layer(fact, evidence, collector.main)


def _layers(fact: PathFact) -> str:
    return f"{fact.variable} = {fact.path} in program, image, environment and mount"


def _others(evidence: Evidence, collector: Workload) -> Iterator[Container]:
    for workload in evidence.workloads:
        for container in workload.containers:
            if (
                container.place != (collector.main.place if collector.main else ())
                or workload is not collector
            ):
                yield container


def _image_layer(fact: PathFact, evidence: Evidence) -> Iterator[Finding]:
    images = evidence.manifests.images if evidence.manifests else ()
    for image in images:
        for variable in image.variables:
            if (
                variable.name == fact.variable
                and variable.value not in (None, "")
                and _differs(variable.value, fact)
            ):
                where = Location(Source.MANIFESTS, image.file, variable.line, "image", f"ENV {fact.variable}")
                yield failed("image", _layers(fact), f"image: {shown(variable.value or '')}", where)


def _environment_layer(fact: PathFact, evidence: Evidence, container: Container) -> Iterator[Finding]:
    value = evidence.environment(container).effective.get(fact.variable)
    workload = container.workload
    if value is None or value.text == "":
        yield passed(workload.label, _layers(fact), "not set: the program's default holds")
    elif value.text is None:
        yield unknown(
            value.origin,
            _layers(fact),
            f"the value comes from {value.origin} and cannot be seen",
            value.where,
        )
    elif value.layer is Layer.IMAGE:
        yield passed(workload.label, _layers(fact), "set by the image only")
    elif _differs(value.text, fact):
        observed = f"effective environment ({value.layer} of {value.origin}): {shown(value.text)}"
        yield failed(value.origin, _layers(fact), observed, value.where)
    else:
        yield passed(value.origin, _layers(fact), f"{value.layer} of {value.origin}: the same", value.where)


def _differs(value: str | None, fact: PathFact) -> bool:
    return posixpath.normpath(value or "") != fact.path


def folders_in_their_mount(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """PATH-003: a folder lies on its parent's volume, and no other volume is mounted above or in it."""
    collector = evidence.workload(declaration.collector.name)
    if collector is None or collector.main is None:
        yield unknown(
            declaration.collector.name, "folders on their parent's volume", "there is no collector (WRK-001)"
        )
        return
    mounts = {mount.path: mount for mount in collector.main.mounts}
    for fact in declaration.paths:
        if fact.is_mount:
            continue
        parent = declaration.path(fact.mount).path
        expected = f"{fact.path} lies on the volume mounted at {parent}"
        if parent not in mounts:
            yield unknown(collector.label, expected, f"nothing is mounted at {parent} (PATH-001)")
            continue
        covering = max((path for path in mounts if _covers(path, fact.path)), key=len)
        between = [
            path for path in mounts if path != parent and _covers(path, fact.path) and len(path) > len(parent)
        ]
        if between:
            where = collector.object.where(*mounts[between[0]].place)
            yield failed(
                collector.label, expected, f"another volume is mounted at {shown(between[0])}", where
            )
        else:
            yield passed(collector.label, expected, f"on the volume mounted at {covering}")


def _covers(mount: str, path: str) -> bool:
    return path == mount or path.startswith(mount.rstrip("/") + "/")
