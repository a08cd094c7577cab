"""Contract 4: who the containers run as, what they may, and where they may write."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from observer_contracts.declaration.facts import ContextFact, Declaration, VolumeFact, WorkloadFact
from observer_contracts.evidence.dockerfile import Image
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.objects import as_text, items_at, mapping_at, text_at
from observer_contracts.evidence.workloads import Container, Workload
from observer_contracts.model import Finding, Location, Source
from observer_contracts.rules.findings import failed, passed, shown, unknown, warned

_ALPINE_POSTGRES_USER = 70
# Volume types that the restricted pod standard allows.
_ALLOWED_VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
        "volumeClaimTemplate",
    }
)
_ENFORCE = "pod-security.kubernetes.io/enforce"
_PROFILES = frozenset({"RuntimeDefault", "Localhost"})


def collector_context(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """CTX-001: every container of the collector runs as declared."""
    yield from _context(declaration.collector, evidence)
    for image in evidence.manifests.images if evidence.manifests else ():
        yield _image_user(declaration.collector.context, image)


def _image_user(context: ContextFact, image: Image) -> Finding:
    """The pod's runAsUser wins over the image's; a name can only be resolved inside of the image."""
    expected = f"USER {context.user}"
    where = Location(Source.MANIFESTS, image.file, image.user_line, "image", "USER")
    user = image.user.partition(":")[0]
    if user == str(context.user):
        return passed("image", expected, f"USER {shown(user)}", where)
    if user in ("root", "0"):
        return failed("image", expected, f"USER {shown(user)}", where)
    if user and not user.isdigit():
        return unknown("image", expected, f"USER {shown(user)}, a name", where)
    return warned(
        "image",
        expected,
        f"USER {shown(user) if user else 'not set: root'}",
        where,
    )


def database_context(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """CTX-002: the other declared workloads run as their images need it."""
    for fact in declaration.workloads:
        if fact.name != declaration.collector.name:
            yield from _context(fact, evidence)


def _context(fact: WorkloadFact, evidence: Evidence) -> Iterator[Finding]:
    workload = evidence.workload(fact.name)
    if workload is None:
        yield unknown(fact.name, "the declared security context", "there is no such workload (WRK-001)")
        return
    for container in workload.containers:
        problems = list(_context_problems(container, _user_of(fact, container)))
        for field, expected, observed in problems:
            yield failed(
                workload.label, f"{field}: {expected}", observed, container.where("securityContext", field)
            )
        if not problems:
            expected = f"{container.name} runs as {_user_of(fact, container).user} without privileges"
            yield passed(workload.label, expected, "as declared", container.where("securityContext"))


def _user_of(fact: WorkloadFact, container: Container) -> ContextFact:
    context = fact.context
    if "postgres" in fact.name and "alpine" in text_at(container.fields, "image"):
        user = _ALPINE_POSTGRES_USER
        return ContextFact(user, user, user, context.read_only_root)
    return context


def _context_problems(container: Container, context: ContextFact) -> Iterator[tuple[str, str, str]]:
    wanted = {
        "runAsUser": context.user,
        "runAsGroup": context.group,
        "runAsNonRoot": True,
        "readOnlyRootFilesystem": context.read_only_root,
        "allowPrivilegeEscalation": False,
    }
    for field, expected in wanted.items():
        found = container.security(field)
        if type(found) is not type(expected) or found != expected:
            observed = "not set" if found is None else shown(as_text(found))
            yield field, as_text(expected), f"container {container.name}: {observed}"
    dropped = mapping_at(container.fields, "securityContext", "capabilities").get("drop")
    if not isinstance(dropped, list) or "ALL" not in dropped:
        yield (
            "capabilities",
            "drop ALL",
            f"container {container.name}: {shown(str(dropped)) if dropped else 'not set'}",
        )
    added = mapping_at(container.fields, "securityContext", "capabilities").get("add")
    if added:
        yield "capabilities", "add none", f"container {container.name} adds {_listed(added)}"


def _listed(added: object) -> str:
    return shown(", ".join(map(str, added)) if isinstance(added, list) else str(added))


def temporary_folders(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """CTX-003: a read-only root has writable folders where programs need them."""
    for fact in declaration.workloads:
        workload = evidence.workload(fact.name)
        if workload is None or workload.main is None:
            yield unknown(fact.name, "writable temporary folders", "there is no such workload (WRK-001)")
            continue
        if workload.main.security("readOnlyRootFilesystem") is not True:
            continue
        mounts = {mount.path: mount for mount in workload.main.mounts}
        for folder in fact.temporary_folders:
            mount = mounts.get(folder)
            expected = f"an emptyDir at {folder}, as the root is read-only"
            if mount is None:
                yield failed(
                    workload.label, expected, "nothing is mounted there", workload.main.where("volumeMounts")
                )
            elif mount.read_only:
                yield failed(
                    workload.label, expected, "mounted read-only", workload.object.where(*mount.place)
                )
            else:
                yield passed(workload.label, expected, "mounted", workload.object.where(*mount.place))


def volumes_writable(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """CTX-004: the volumes belong to the group, and nothing keeps a writing program from writing."""
    for fact in declaration.workloads:
        workload = evidence.workload(fact.name)
        if workload is None or workload.main is None:
            yield unknown(fact.name, "writable volumes", "there is no such workload (WRK-001)")
            continue
        wanted = _user_of(fact, workload.main).file_system_group
        found = mapping_at(workload.pod, "securityContext").get("fsGroup")
        observed = "not set" if found is None else f"fsGroup: {shown(as_text(found))}"
        where = workload.where("securityContext", "fsGroup")
        yield (passed if found == wanted else failed)(workload.label, f"fsGroup: {wanted}", observed, where)
        yield from _write_mounts(declaration.volumes_of(fact.name), workload)


def _write_mounts(facts: Iterable[VolumeFact], workload: Workload) -> Iterator[Finding]:
    mounts = {mount.path: mount for mount in workload.main.mounts} if workload.main else {}
    volumes = workload.volumes
    for fact in facts:
        mount = mounts.get(fact.mount_path)
        if mount is None or not fact.writable:
            continue
        where, expected = workload.object.where(*mount.place), f"{fact.mount_path} is writable"
        volume = volumes.get(mount.volume)
        if mount.read_only or (volume is not None and volume.source.get("readOnly") is True):
            yield failed(workload.label, expected, "mounted read-only", where)
        elif volume is not None and volume.type == "hostPath":
            yield warned(workload.label, expected, "fsGroup does not act on a hostPath volume", where)
        else:
            yield passed(workload.label, expected, "not read-only", where)


def read_only_mounts(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """CTX-005: what a program must not write is mounted read-only."""
    for fact in declaration.volumes:
        workload = evidence.workload(fact.workload)
        if fact.writable or workload is None or workload.main is None:
            continue
        mount = next((found for found in workload.main.mounts if found.path == fact.mount_path), None)
        expected = f"{fact.mount_path} mounted with readOnly: true"
        if mount is None:
            yield unknown(workload.label, expected, "nothing is mounted there (PATH-001)")
            continue
        verdict = passed if mount.read_only else failed
        observed = "read-only" if mount.read_only else "writable"
        yield verdict(workload.label, expected, observed, workload.object.where(*mount.place))


def restricted_standard(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """PSS-001: each pod fulfils the restricted pod security standard.

    Fields that CTX-001 and CTX-002 judge for the declared workloads are judged here for all others.
    """
    yield from _enforced(declaration, evidence)
    declared = {fact.name for fact in declaration.workloads}
    for workload in evidence.workloads:
        problems = list(_pod_problems(workload))
        for container in workload.containers:
            problems += _container_problems(container)
            if workload.name not in declared:
                problems += _privilege_problems(container)
        for expected, observed, where in problems:
            yield failed(workload.label, expected, observed, where)
        if not problems:
            yield passed(
                workload.label, "the restricted pod security standard", "fulfilled", workload.where()
            )


def _enforced(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """The namespace enforces the standard; where somebody else makes it, nothing is said."""
    namespace = evidence.manifests.find("Namespace", declaration.namespace) if evidence.manifests else None
    if namespace is None:
        return
    found = as_text(namespace.mapping("metadata", "labels").get(_ENFORCE))
    where = namespace.where("metadata", "labels", _ENFORCE)
    verdict = passed if found == "restricted" else failed
    yield verdict(namespace.label, f"{_ENFORCE}: restricted", shown(found) if found else "not set", where)


def _pod_problems(workload: Workload) -> Iterator[tuple[str, str, Location]]:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if workload.pod.get(field):
            yield f"no {field}", f"{field} is set", workload.where(field)
    for volume in workload.volumes.values():
        # hostPath is the subject of VOL-001.
        if volume.type not in _ALLOWED_VOLUMES and volume.type != "hostPath":
            yield (
                "volume types of the standard",
                f"volume {volume.name} is {volume.type}",
                workload.object.where(*volume.place),
            )


def _container_problems(container: Container) -> list[tuple[str, str, Location]]:
    found: list[tuple[str, str, Location]] = []
    own = mapping_at(container.fields, "securityContext")
    where, name = container.where("securityContext"), f"container {container.name}"
    if own.get("privileged"):
        found.append(("privileged: false", f"{name} is privileged", where))
    profile = container.security("seccompProfile")
    if text_at(profile, "type") not in _PROFILES:
        found.append(
            ("seccompProfile: RuntimeDefault", f"{name}: {text_at(profile, 'type') or 'not set'}", where)
        )
    for index, port in items_at(container.fields, "ports"):
        if port.get("hostPort"):
            found.append(("no hostPort", f"{name} uses {port['hostPort']}", container.where("ports", index)))
    return found


def _privilege_problems(container: Container) -> list[tuple[str, str, Location]]:
    where, name = container.where("securityContext"), f"container {container.name}"
    found: list[tuple[str, str, Location]] = []
    if container.security("runAsNonRoot") is not True:
        found.append(("runAsNonRoot: true", f"{name}: not set", where))
    if container.security("allowPrivilegeEscalation") is not False:
        found.append(("allowPrivilegeEscalation: false", f"{name}: not set", where))
    dropped = mapping_at(container.fields, "securityContext", "capabilities").get("drop")
    if not isinstance(dropped, list) or "ALL" not in dropped:
        found.append(("capabilities: drop ALL", f"{name}: not dropped", where))
    added = mapping_at(container.fields, "securityContext", "capabilities").get("add")
    if isinstance(added, list) and set(map(str, added)) - {"NET_BIND_SERVICE"}:
        found.append(("no added capabilities", f"{name} adds {_listed(added)}", where))
    return found
