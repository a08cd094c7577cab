"""Contract 1 in the container: the paths are mounts, and nothing is written beside them."""

from __future__ import annotations

from collections.abc import Iterator

from observer_contracts.declaration.facts import Declaration, VolumeFact
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.runtime.observations import MOUNT_FILE, MountPoint
from observer_contracts.evidence.seeing import Unseen
from observer_contracts.model import Finding
from observer_contracts.rules.findings import failed, passed, shown, unknown
from observer_contracts.rules.runtime.seen import in_environment, in_file, runtime_of

# File systems that are lost with the pod.
_LOST_WITH_THE_POD = frozenset({"tmpfs", "ramfs", "overlay", "aufs"})
_MOST_SHOWN = 10


def mounted(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """PATH-001: each declared path is a mount point, on a file system that outlives the pod."""
    runtime = runtime_of(evidence)
    volumes = declaration.volumes_of(declaration.collector.name)
    claims = {fact.claim for fact in volumes if fact.claim}
    for fact in volumes:
        expected = f"{fact.claim or 'the configuration'} mounted at {fact.mount_path}"
        where = in_file(runtime, MOUNT_FILE, fact.mount_path)
        if isinstance(runtime.mounts, Unseen):
            yield unknown(fact.mount_path, expected, runtime.mounts.reason, where)
            continue
        mount = runtime.mount_at(fact.mount_path)
        if mount is None:
            yield failed(
                fact.mount_path, expected, "no mount point: a folder of the image, or nothing", where
            )
            continue
        wrong = _wrong(fact, mount, claims)
        verdict = failed if wrong else passed
        yield verdict(fact.mount_path, expected, wrong or f"{mount.kind} of {shown(mount.source)}", where)


def _wrong(fact: VolumeFact, mount: MountPoint, claims: set[str]) -> str:
    if fact.claim and mount.kind in _LOST_WITH_THE_POD:
        return f"a {mount.kind}, which is lost with the pod"
    # The provisioner `local-path` ends the name of a volume's folder on the node with that of its claim.
    other = next((claim for claim in claims - {fact.claim} if mount.root.endswith(f"_{claim}")), "")
    return f"the volume of {other} is mounted there" if other else ""


def layers_agree(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """PATH-002: the effective environment carries the program's paths."""
    runtime = runtime_of(evidence)
    for fact in declaration.paths:
        expected = f"{fact.variable} = {fact.path}"
        value = runtime.text(fact.variable)
        where = in_environment(runtime, fact.variable)
        if not value:
            yield passed(runtime.label, expected, "not set: the program's default holds", where)
        else:
            verdict = passed if value.rstrip("/") == fact.path else failed
            yield verdict(runtime.label, expected, shown(value), where)


def folders_in_their_mount(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """PATH-003: a folder lies on its parent's volume."""
    runtime = runtime_of(evidence)
    for fact in declaration.paths:
        if fact.is_mount:
            continue
        parent = declaration.path(fact.mount).path
        expected = f"{fact.path} on the volume mounted at {parent}"
        where = in_file(runtime, MOUNT_FILE, fact.path)
        if isinstance(runtime.mounts, Unseen):
            yield unknown(fact.path, expected, runtime.mounts.reason, where)
        elif runtime.mount_at(parent) is None:
            yield unknown(fact.path, expected, f"nothing is mounted at {parent} (PATH-001)", where)
        else:
            covering = runtime.mount_of(fact.path)
            found = covering.path if covering else ""
            verdict = passed if found == parent else failed
            yield verdict(fact.path, expected, f"on the volume mounted at {shown(found)}", where)


def nothing_beside(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """PATH-004: no file was written outside of the declared folders since the container started."""
    runtime = runtime_of(evidence)
    expected = "no file outside of the declared folders since the container started"
    where = in_file(runtime, "/")
    strays = runtime.strays
    if isinstance(strays, Unseen):
        yield unknown(runtime.label, expected, strays.reason, where)
    elif strays.number:
        more = f" and {strays.number - _MOST_SHOWN} more" if strays.number > _MOST_SHOWN else ""
        names = ", ".join(shown(name) for name in strays.found[:_MOST_SHOWN])
        yield failed(runtime.label, expected, f"{names}{more}", where)
    elif strays.looked_at:
        yield passed(runtime.label, expected, f"none among {strays.looked_at:,} files", where)
    else:
        yield passed(runtime.label, expected, "nothing else there takes writes", where)
