"""What has not left the node yet, and what should have.

Invariant: pure. A file counts as left only if its content was read back at the target: of a segment, the
content that its manifest states; of any other file, that of exactly its size and time of writing. Whatever
changed since leaves once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from observer_core.backup.objects import Candidate, Shipped

# Sealed data leave the node within the hour.
LONGEST_STAY = timedelta(hours=1)


def latest(entries: Iterable[Shipped]) -> dict[str, Shipped]:
    """Returns path -> what of it left last."""
    newest: dict[str, Shipped] = {}
    for entry in entries:
        before = newest.get(entry.path)
        if before is None or (before.left_ns, before.sha256) < (entry.left_ns, entry.sha256):
            newest[entry.path] = entry
    return newest


def has_left(candidate: Candidate, left: Mapping[str, Shipped]) -> bool:
    """Returns whether a file has left as it is now.

    Args:
        candidate: The file.
        left: Path -> what of it left last.
    """
    entry = left.get(candidate.path)
    if entry is None:
        return False
    if candidate.sha256:
        return entry.sha256 == candidate.sha256
    return (entry.bytes, entry.modified_ns) == (candidate.bytes, candidate.modified_ns)


def waiting(candidates: Sequence[Candidate], left: Mapping[str, Shipped]) -> list[Candidate]:
    """Returns the files that still have to leave, in their order."""
    return [candidate for candidate in candidates if not has_left(candidate, left)]


def overdue(
    candidates: Iterable[Candidate], *, now_ns: int, longest: timedelta = LONGEST_STAY
) -> list[Candidate]:
    """Returns those that have waited longer than allowed.

    Args:
        candidates: Files that have not left.
        now_ns: The machine's time: a file's age is not the market's.
        longest: How long a file may wait.
    """
    limit_ns = now_ns - int(longest.total_seconds()) * 1_000_000_000
    return [candidate for candidate in candidates if candidate.ready_ns < limit_ns]
