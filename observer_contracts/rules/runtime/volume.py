"""The volumes in the container: one writer, and room for the days to come."""

from __future__ import annotations

from collections.abc import Iterator

from observer_contracts.declaration.facts import Declaration, VolumeFact
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.runtime.observations import LockFile, Runtime, Space
from observer_contracts.evidence.seeing import Unseen
from observer_contracts.model import Finding
from observer_contracts.rules.findings import failed, passed, shown, unknown, warned
from observer_contracts.rules.runtime.seen import in_file, runtime_of
from observer_contracts.rules.volume import GIB

# PostgreSQL and the journal stop at a full disk; a weekend must pass before somebody looks.
LEAST_SHARE, LOW_SHARE = 0.05, 0.15
_LEAST_DAYS, _LOW_DAYS = 3, 10


def lock_is_held(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """VOL-007: the writer's lock is held, and its holder is named."""
    runtime, folder = runtime_of(evidence), declaration.writer.lock
    expected, where = "the lock of this app key, held by the pod that writes", in_file(runtime, folder)
    if isinstance(runtime.locks, Unseen):
        yield unknown(folder, expected, runtime.locks.reason, where)
        return
    own = [lock for lock in runtime.locks if lock.own]
    for lock in own:
        yield _held(runtime, lock, expected)
    if not own:
        observed = "no lock file of this app key: no collector has started on this volume with it"
        yield unknown(folder, expected, observed, where)


def _held(runtime: Runtime, lock: LockFile, expected: str) -> Finding:
    where = in_file(runtime, lock.path)
    if not lock.held:
        last = f"; {shown(lock.holder)} had it last" if lock.holder else ""
        return warned(lock.path, expected, f"nobody holds it, so nobody records{last}", where)
    if not lock.holder:
        return warned(lock.path, expected, "held by somebody who does not say a name", where)
    role = "this pod writes" if lock.holder == runtime.pod else "this pod stands by"
    return passed(
        lock.path, expected, f"held by {shown(lock.holder)} since {shown(lock.since)}; {role}", where
    )


def room_left(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """VOL-008: each volume has room and inodes for the days to come."""
    runtime = runtime_of(evidence)
    for fact in declaration.volumes_of(declaration.collector.name):
        if not fact.writable:
            continue
        space, where = runtime.spaces[fact.mount_path], in_file(runtime, fact.mount_path)
        expected = f"{LOW_SHARE:.0%} of room and inodes free, and {_LOW_DAYS} days of growth"
        if runtime.mount_at(fact.mount_path) is None or isinstance(space, Unseen):
            reason = space.reason if isinstance(space, Unseen) else "no volume is mounted there (PATH-001)"
            yield unknown(fact.mount_path, expected, reason, where)
            continue
        share, days = free_share(space), _days(fact, space)
        observed = f"{space.free_bytes / GIB:.1f} of {space.total_bytes / GIB:.1f} GiB free"
        observed += f", about {min(days, 999):.0f} days; least free share {share:.0%}"
        if share < LEAST_SHARE or days < _LEAST_DAYS:
            yield failed(fact.mount_path, expected, observed, where)
        else:
            low = share < LOW_SHARE or days < _LOW_DAYS
            yield (warned if low else passed)(fact.mount_path, expected, observed, where)


def free_share(space: Space) -> float:
    """Returns the free share of bytes or of inodes, whichever is smaller; some file systems count none."""
    bytes_left = space.free_bytes / space.total_bytes if space.total_bytes else 0.0
    inodes_left = space.free_inodes / space.total_inodes if space.total_inodes else 1.0
    return min(bytes_left, inodes_left)


def _days(fact: VolumeFact, space: Space) -> float:
    return space.free_bytes / GIB / fact.growth_gib_per_day if fact.growth_gib_per_day else float("inf")
