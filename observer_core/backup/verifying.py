"""Is everything that has left still there, and whole?

Invariant: what is judged is the target alone, against what the ledger says has left; a thorough look reads
every byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from observer_core.backup.dumps import stored_dumps
from observer_core.backup.ledger import Ledger, open_ledger
from observer_core.backup.objects import Fault
from observer_core.backup.ownership import Purpose
from observer_core.backup.target import Target, stored_digest
from observer_core.errors import BackupTargetError
from observer_core.settings.paths import Paths


@dataclass(frozen=True, slots=True)
class Verification:
    """What a look at the target has found.

    Attributes:
        objects: Objects that must be there, dumps included.
        bytes: Their size.
        thorough: Whether every byte was read.
        faults: Objects that are missing or something else.
    """

    objects: int
    bytes: int
    thorough: bool
    faults: tuple[Fault, ...]


def verify(paths: Paths, target: Target, *, thorough: bool) -> Verification:
    """Compares the target with what has left.

    Args:
        paths: The layout.
        target: The target.
        thorough: Read every object; else names and sizes only.

    Raises:
        BackupTargetError: The target does not answer, or is no backup.
        ConfigurationError: It is another deployment's backup.
    """
    dumps, faults = stored_dumps(paths, target)
    # Versions before this one dumped without making the target's own file.
    ledger = open_ledger(paths, target, Purpose.READ, existing=not dumps and not faults)
    expected = {entry.key: (entry.sha256, entry.bytes) for entry in ledger.entries}
    expected |= {dump.key: (dump.sha256, dump.bytes) for dump in dumps}
    faults += [Fault(key, problem) for key, problem in _problems(target, expected, thorough=thorough)]
    if ledger.damaged_lines:
        faults.append(Fault("catalogue", f"{ledger.damaged_lines} lines cannot be read"))
    if not expected:
        faults.append(Fault("catalogue", "it names no object: nothing has ever left for this target"))
    return Verification(
        len(expected), sum(size for _, size in expected.values()), thorough, tuple(sorted(faults))
    )


def missing(ledger: Ledger, target: Target, paths: set[str]) -> set[str]:
    """Returns which of some paths are not at the target with the size that they left with."""
    wanted = {path: ledger.left.get(path) for path in paths}
    return {path for path, entry in wanted.items() if entry is None or target.size(entry.key) != entry.bytes}


def _problems(
    target: Target, expected: dict[str, tuple[str, int]], *, thorough: bool
) -> Iterator[tuple[str, str]]:
    there = {stored.key: stored.bytes for prefix in ("files/", "dumps/") for stored in target.listing(prefix)}
    for key, (sha256, size) in expected.items():
        if key not in there:
            yield key, "missing"
        elif there[key] != size:
            yield key, f"{there[key]} bytes instead of {size}"
        elif thorough and (problem := _content_problem(target, key, (sha256, size))):
            yield key, problem


def _content_problem(target: Target, key: str, expected: tuple[str, int]) -> str:
    try:
        found = stored_digest(target, key)
    except BackupTargetError as error:
        return f"cannot be read: {error.message}"
    return "" if found == expected else "its content is not what had left"
