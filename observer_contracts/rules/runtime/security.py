"""Contract 4 in the container: who the process is, and where it can write."""

from __future__ import annotations

from collections.abc import Iterator

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.runtime.observations import (
    MOUNT_FILE,
    STATUS_FILE,
    Attempt,
    Process,
    Runtime,
)
from observer_contracts.evidence.seeing import Unseen
from observer_contracts.model import Finding
from observer_contracts.rules.findings import failed, passed, shown, unknown
from observer_contracts.rules.runtime.seen import in_file, runtime_of

_FILTERED = 2


def runs_as_declared(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """CTX-001: user, group, capabilities and privileges are as declared, and the root takes no writes."""
    runtime = runtime_of(evidence)
    context = declaration.collector.context
    process = runtime.process
    if isinstance(process, Unseen):
        yield unknown(runtime.label, f"user {context.user} without privileges", process.reason)
    else:
        wanted: tuple[tuple[str, str, object, object], ...] = (
            ("Uid", f"user {context.user}", context.user, process.user),
            ("Gid", f"group {context.group}", context.group, process.group),
            ("CapEff", "no capabilities", 0, process.capabilities),
            ("NoNewPrivs", "no new privileges", True, process.no_new_privileges),
        )
        for field, expected, right, found in wanted:
            verdict = passed if found == right else failed
            observed = f"{found:#x}" if field == "CapEff" and found else str(found)
            yield verdict(runtime.label, expected, observed, in_file(runtime, STATUS_FILE, field))
    yield from _root_refuses(runtime)


def _root_refuses(runtime: Runtime) -> Iterator[Finding]:
    expected = "the root file system is read-only, and refuses writes"
    where = in_file(runtime, MOUNT_FILE, "/")
    root = runtime.mount_at("/")
    if isinstance(runtime.mounts, Unseen):
        yield unknown(runtime.label, expected, runtime.mounts.reason, where)
    elif root is None or not root.read_only:
        yield failed(runtime.label, expected, "mounted writable", where)
    written = [attempt for attempt in runtime.elsewhere if attempt.succeeded]
    if written:
        names = ", ".join(shown(attempt.path) for attempt in written)
        yield failed(
            runtime.label, "writes outside of the declared folders are refused", f"written in {names}"
        )
    elif not isinstance(runtime.mounts, Unseen) and root is not None and root.read_only:
        observed = f"read-only; {len(runtime.elsewhere)} folders refused"
        yield passed(runtime.label, expected, observed, where)


def groups_fit(process: Process, group: int) -> bool:
    """Tells whether a process may use what belongs to a group."""
    return group in (process.group, *process.groups)


def system_calls_filtered(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """PSS-001: the runtime's filter of system calls is in force."""
    runtime = runtime_of(evidence)
    expected = "seccomp filter in force (RuntimeDefault)"
    where = in_file(runtime, STATUS_FILE, "Seccomp")
    process = runtime.process
    if isinstance(process, Unseen):
        yield unknown(runtime.label, expected, process.reason, where)
    elif process.seccomp is None:
        yield unknown(runtime.label, expected, "the kernel does not say", where)
    else:
        verdict = passed if process.seccomp == _FILTERED else failed
        yield verdict(runtime.label, expected, f"mode {process.seccomp}", where)


def temporary_folders(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """CTX-003: the temporary folders take files."""
    runtime = runtime_of(evidence)
    for folder in declaration.collector.temporary_folders:
        attempt = runtime.attempts[folder]
        verdict = passed if attempt.succeeded else failed
        yield verdict(folder, f"{folder} takes temporary files", attempt.reason, in_file(runtime, folder))


def volumes_writable(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """CTX-004: each declared path takes a file, syncs, renames and removes it."""
    runtime = runtime_of(evidence)
    process, group = runtime.process, declaration.collector.context.file_system_group
    expected = f"the process has the volumes' group {group}"
    where = in_file(runtime, STATUS_FILE, "Groups")
    if isinstance(process, Unseen):
        yield unknown(runtime.label, expected, process.reason, where)
    else:
        observed = ", ".join(map(str, sorted({process.group, *process.groups})))
        verdict = passed if groups_fit(process, group) else failed
        yield verdict(runtime.label, expected, f"groups {observed}", where)
    for fact in declaration.paths:
        if fact.writable:
            yield _writable(runtime, runtime.attempts[fact.path], declaration.path(fact.mount).path)


def _writable(runtime: Runtime, attempt: Attempt, mount: str) -> Finding:
    expected = f"{attempt.path} takes files: create, fsync, rename, unlink"
    where = in_file(runtime, attempt.tried)
    if runtime.mount_at(mount) is None and not isinstance(runtime.mounts, Unseen):
        return unknown(attempt.path, expected, f"nothing is mounted at {mount} (PATH-001)", where)
    if attempt.succeeded:
        made = "" if attempt.tried == attempt.path else f"; not made yet, tried in {attempt.tried}"
        return passed(attempt.path, expected, f"all four{made}", where)
    if attempt.out_of_space:
        return unknown(attempt.path, expected, f"{attempt.reason} (VOL-008)", where)
    return failed(attempt.path, expected, attempt.reason, where)


def configuration_refuses(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """CTX-005: what the program must not write takes no file."""
    runtime = runtime_of(evidence)
    for fact in declaration.paths:
        if fact.writable:
            continue
        attempt = runtime.attempts[fact.path]
        expected, where = f"{fact.path} refuses writes", in_file(runtime, fact.path)
        if attempt.refused:
            yield passed(fact.path, expected, attempt.reason, where)
        elif attempt.succeeded:
            yield failed(fact.path, expected, "a file could be made", where)
        else:
            yield unknown(fact.path, expected, f"{attempt.reason} (PATH-001)", where)
