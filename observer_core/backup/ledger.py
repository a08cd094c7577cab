"""The ledger: what has left the node, and when.

Invariant: an entry is written after its object was read back at the target. The ledger lies on the node, by
day and by writer, and the same files lie at the target as its catalogue; whichever of the two is lost is made
from the other. A ledger belongs to one target, by the identity that is kept there: one that was emptied, or
is not mounted, is never taken for the one that files have left for. The target of another deployment has none
for this one (`ownership`).
"""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path

from observer_core.backup.binding import Binding, binding_file, read_binding, write_binding
from observer_core.backup.objects import Kind, Shipped
from observer_core.backup.ownership import Purpose, admit
from observer_core.backup.plan import latest
from observer_core.backup.target import Target, read_whole
from observer_core.clock.base import kst_datetime
from observer_core.errors import BackupTargetError
from observer_core.files import write_atomically
from observer_core.settings.paths import Paths

_FORMAT = 1
_MARKER = "target.json"
_CATALOGUE = "catalogue/"


class Ledger:
    """What has left for one target.

    Attributes:
        left: Path -> what of it left last.
        damaged_lines: Lines that cannot be read; what they told has not left, and is looked for once more.

    Args:
        folder: The ledger's files.
        writer: Name of this node's own files among them.
    """

    def __init__(self, folder: Path, writer: str) -> None:
        self._folder = folder
        self._writer = writer
        self._entries: list[Shipped] = []
        self.damaged_lines = 0
        for path in sorted(folder.glob("*.jsonl")):
            entries, damaged = _read(path)
            self._entries += entries
            self.damaged_lines += damaged
        self.left = latest(self._entries)

    @property
    def entries(self) -> tuple[Shipped, ...]:
        """Everything that has left, replaced contents included."""
        return tuple(self._entries)

    def add(self, entries: Iterable[Shipped]) -> None:
        """Enters what has arrived, durably."""
        by_day: dict[Path, list[Shipped]] = {}
        for entry in entries:
            name = f"{kst_datetime(entry.left_ns):%Y%m%d}-{self._writer}.jsonl"
            by_day.setdefault(self._folder / name, []).append(entry)
            self._entries.append(entry)
        for path, added in by_day.items():
            before = _read(path)[0] if path.exists() else []
            write_atomically(path, b"".join(map(_encode, (*before, *added))))
        self.left = latest(self._entries)

    def publish(self, target: Target) -> None:
        """Brings the catalogue at the target up to date with this node's files of the ledger.

        Raises:
            BackupTargetError: The target failed; the next time makes up for it.
        """
        there = {stored.key: stored.bytes for stored in target.listing(_CATALOGUE)}
        for path in sorted(self._folder.glob(f"*-{self._writer}.jsonl")):
            content, key = path.read_bytes(), _CATALOGUE + path.name
            # A file of the ledger only grows.
            if there.get(key) != len(content):
                target.put(key, io.BytesIO(content))


def open_ledger(
    paths: Paths,
    target: Target,
    purpose: Purpose,
    *,
    existing: bool = False,
    new_id: Callable[[], str] = lambda: secrets.token_hex(8),
) -> Ledger:
    """Opens the ledger of a target; of one that is new to this node, its catalogue is taken over.

    Args:
        paths: The layout.
        target: The target.
        purpose: What for; only who ships begins a backup where there is none.
        existing: Something must have been there before.
        new_id: Makes a name that nobody else has.

    Raises:
        BackupTargetError: It does not answer, is not the one that files have left for, or is none at all.
        ConfigurationError: It belongs to another deployment.
    """
    bound, found = read_binding(paths), _read_marker(target)
    if found is None and bound is not None and bound.target == target.name:
        raise BackupTargetError(
            f"{target.name} has no {_MARKER}, but files have left for it: it is not mounted, or emptied.",
            remedy=f"Mount it. If it was emptied on purpose, remove {binding_file(paths)}; "
            "everything on the node then leaves anew.",
        )
    if found is None and existing:
        raise BackupTargetError(
            f"{target.name} is no backup of Observer: it has no {_MARKER}.",
            remedy="Correct OBSERVER_BACKUP_TARGET (bucket, prefix or folder), or mount the volume.",
        )
    deployment = admit(paths, target, purpose) or ("" if bound is None else bound.deployment)
    if found is None:
        if purpose is not Purpose.SHIP:
            # Nothing has left for it, and who only looks begins nothing.
            return Ledger(paths.backup / "ledger-none", "")
        found = _begin(target, new_id())
    folder = paths.backup / f"ledger-{found}"
    if bound is None or bound.id != found:
        bound = Binding(target.name, found, new_id(), deployment)
        _fetch_catalogue(target, folder)
        write_binding(paths, bound)
    elif bound.deployment != deployment:
        write_binding(paths, replace(bound, deployment=deployment))
    return Ledger(folder, bound.writer)


def known_ledger(paths: Paths) -> Ledger | None:
    """Returns the ledger as this node has it, without asking the target; None where nothing ever left."""
    bound = read_binding(paths)
    return None if bound is None else Ledger(paths.backup / f"ledger-{bound.id}", bound.writer)


def _begin(target: Target, new_id: str) -> str:
    """Makes an empty target a backup, and returns its identity."""
    what = "backups of Observer; see docs/operations/backup.md"
    marker = {"format": _FORMAT, "id": new_id, "what": what}
    target.put(_MARKER, io.BytesIO(json.dumps(marker).encode() + b"\n"))
    return new_id


def _read_marker(target: Target) -> str | None:
    content = read_whole(target, _MARKER)
    if content is None:
        return None
    try:
        return str(json.loads(content)["id"])
    except (ValueError, KeyError, TypeError) as error:
        raise BackupTargetError(
            f"{_MARKER} of {target.name} cannot be read: {error}.",
            remedy="Another program writes there, or it is damaged: choose another prefix, or restore it.",
        ) from error


def _fetch_catalogue(target: Target, folder: Path) -> None:
    for stored in sorted(target.listing(_CATALOGUE)):
        content = read_whole(target, stored.key)
        if content is not None:
            write_atomically(folder / stored.key.removeprefix(_CATALOGUE), content)


def _encode(entry: Shipped) -> bytes:
    return json.dumps(asdict(entry), ensure_ascii=False).encode() + b"\n"


def _read(path: Path) -> tuple[list[Shipped], int]:
    """Returns the entries of a file, and how many of its lines are damaged."""
    entries, damaged = [], 0
    for line in path.read_bytes().splitlines():
        try:
            fields = json.loads(line)
            entries.append(Shipped(kind=Kind(fields.pop("kind")), **fields))
        except (ValueError, KeyError, TypeError, AttributeError):
            damaged += 1
    return entries, damaged
