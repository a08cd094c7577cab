"""The ledger: what has left the node, and when.

Invariant: an entry is written after its object was read back at the target. The ledger lies on the node, by
day and by writer, and the same files lie at the target as its catalogue; whichever of the two is lost is made
from the other. A ledger belongs to one target, by the identity that is kept there: one that was emptied, or
is not mounted, is never taken for the one that files have left for.
"""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from observer_core.backup.objects import Kind, Shipped
from observer_core.backup.plan import latest
from observer_core.backup.target import Target, read_whole
from observer_core.clock.base import kst_datetime
from observer_core.errors import BackupTargetError, StorageError
from observer_core.files import write_atomically
from observer_core.settings.paths import Paths

_FORMAT = 1
_MARKER = "target.json"
_CATALOGUE = "catalogue/"


@dataclass(frozen=True, slots=True)
class _Binding:
    """Which target the ledger belongs to, and who writes it on this node."""

    target: str
    id: str
    writer: str


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
    *,
    existing: bool = False,
    new_id: Callable[[], str] = lambda: secrets.token_hex(8),
) -> Ledger:
    """Opens the ledger of a target; of one that is new to this node, its catalogue is taken over.

    Args:
        paths: The layout.
        target: The target.
        existing: Something must have been there before: who reads a backup never begins one.
        new_id: Makes a name that nobody else has.

    Raises:
        BackupTargetError: It does not answer, is not the one that files have left for, or is none at all.
    """
    bound, found = _read_binding(paths), _read_marker(target)
    if found is None:
        if bound is not None and bound.target == target.name:
            raise BackupTargetError(
                f"{target.name} has no {_MARKER}, but files have left for it: it is not mounted, or emptied.",
                remedy=f"Mount it. If it was emptied on purpose, remove {paths.backup / _MARKER}; "
                "everything on the node then leaves anew.",
            )
        if existing:
            raise BackupTargetError(
                f"{target.name} is no backup of Observer: it has no {_MARKER}.",
                remedy="Correct OBSERVER_BACKUP_TARGET (bucket, prefix or folder), or mount the volume.",
            )
        found = new_id()
        marker = {
            "format": _FORMAT,
            "id": found,
            "what": "backups of Observer; see docs/operations/backup.md",
        }
        target.put(_MARKER, io.BytesIO(json.dumps(marker).encode() + b"\n"))
    folder = paths.backup / f"ledger-{found}"
    if bound is None or bound.id != found:
        bound = _Binding(target.name, found, new_id())
        _fetch_catalogue(target, folder)
        write_atomically(paths.backup / _MARKER, json.dumps(asdict(bound)).encode() + b"\n")
    return Ledger(folder, bound.writer)


def known_ledger(paths: Paths) -> Ledger | None:
    """Returns the ledger as this node has it, without asking the target; None where nothing ever left."""
    bound = _read_binding(paths)
    return None if bound is None else Ledger(paths.backup / f"ledger-{bound.id}", bound.writer)


def _read_binding(paths: Paths) -> _Binding | None:
    content = _read_json(paths.backup / _MARKER)
    return None if content is None else _Binding(content["target"], content["id"], content["writer"])


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


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise StorageError(f"{path} is damaged: {error}.", remedy=f"Remove {path}.") from error
    return content


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
