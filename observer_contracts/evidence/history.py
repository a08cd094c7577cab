"""The history of a repository: every content that any ref reaches, under every path where it lay.

Invariant: either every content was read, or the answer says why not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from observer_contracts.evidence.disclosures import Disclosure, disclosures
from observer_contracts.evidence.git import git
from observer_core.errors import ConfigurationError

LARGEST_FILE = 1024 * 1024
_MOST_BYTES = 192 * 1024 * 1024
_MOST_PATHS = 200
_COMMIT_DIGITS = 10
_MOST_NAMED = 10


def history(root: Path) -> tuple[tuple[Disclosure, ...], str]:
    """Reads every blob that any ref reaches, and returns what they disclose and why that may not be all."""
    head = ["HEAD"] if git(root, "rev-parse", "--verify", "-q", "HEAD", accepted=(0, 1)).strip() else []
    listed = git(root, "rev-list", "--objects", "--all", *head)
    paths = dict(_named_objects(listed))
    sizes = _blob_sizes(root, list(paths))
    readable = [oid for oid, size in sizes.items() if size <= LARGEST_FILE]
    chosen, total = [], 0
    for oid in readable:
        total += sizes[oid]
        if total > _MOST_BYTES:
            break
        chosen.append(oid)
    partial = "the history is larger than what is read" if len(chosen) < len(readable) else ""
    large = [paths[oid] for oid, size in sizes.items() if size > LARGEST_FILE]
    if large:
        named = ", ".join(sorted(large)[:_MOST_NAMED])
        partial = f"{len(large)} contents are larger than {LARGEST_FILE // 1024} KiB: {named}"
    if git(root, "rev-parse", "--is-shallow-repository").strip() == b"true":
        partial = "the clone is shallow"
    places, unlisted = _places(root, set(chosen))
    found = [
        item.at(*places[oid].get(path, ("", "")))
        for oid, content in _blobs(root, chosen)
        for path in sorted({paths[oid], *places[oid]})
        for item in disclosures(path, content)
    ]
    return tuple(found), partial or unlisted


def _named_objects(listed: bytes) -> Iterator[tuple[str, str]]:
    for line in listed.splitlines():
        oid, space, name = line.partition(b" ")
        if space and name:
            yield oid.decode(), name.decode("utf-8", "replace")


def _blob_sizes(root: Path, oids: Sequence[str]) -> dict[str, int]:
    if not oids:
        return {}
    answer = git(
        root,
        "cat-file",
        "--batch-check=%(objectname) %(objecttype) %(objectsize)",
        stdin="\n".join(oids).encode(),
    )
    rows = [line.split() for line in answer.decode().splitlines()]
    return {row[0]: int(row[2]) for row in rows if len(row) == 3 and row[1] == "blob"}


def _blobs(root: Path, oids: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    answer = git(root, "cat-file", "--batch", stdin="\n".join(oids).encode()) if oids else b""
    position = 0
    while position < len(answer):
        end = answer.index(b"\n", position)
        oid, _, size = answer[position:end].decode().split()
        yield oid, answer[end + 1 : end + 1 + int(size)]
        position = end + 1 + int(size) + 1


def _places(root: Path, oids: set[str]) -> tuple[dict[str, dict[str, tuple[str, str]]], str]:
    """Returns each path under which a content ever lay, with commit and day that first put it there.

    Git lists an object once, under one of its paths; the same secret may lie under others too. A merge is
    compared with all of its parents: what comes from one of them was put there before.

    Returns:
        The places by content, and why they may not be all.
    """
    found: dict[str, dict[str, tuple[str, str]]] = {oid: {} for oid in oids}
    try:
        answer = git(
            root, "log", "--all", "--root", "-c", "-r", "--raw", "--no-abbrev", "--no-renames", "-z",
            "--format=%x01%H %cs",
        )  # fmt: skip
    except ConfigurationError as error:
        return found, f"paths and commits were not listed: {error.message}"
    partial = ""
    for oid, path, commit, day in _changes(answer.decode("utf-8", "replace")):
        known = found.get(oid)
        if known is None:
            continue
        if path in known or len(known) < _MOST_PATHS:
            # The log begins with the newest commit, so that the first one comes last.
            known[path] = (commit, day)
        else:
            partial = f"a content lies under more than {_MOST_PATHS} paths"
    return found, partial


def _changes(log: str) -> Iterator[tuple[str, str, str, str]]:
    """Yields content, path, commit and day of each change of a raw log.

    A change of a merge has a colon for each parent.
    """
    commit, day, content = "", "", ""
    for part in log.split("\0"):
        word = part.lstrip("\n")
        if content:
            yield content, part, commit, day
            content = ""
        elif word.startswith("\x01"):
            commit, day = word[1 : 1 + _COMMIT_DIGITS], word.rpartition(" ")[2]
        elif word.startswith(":"):
            fields = word.lstrip(":").split(" ")
            parents = len(word) - len(word.lstrip(":"))
            content = fields[2 * parents + 1]
