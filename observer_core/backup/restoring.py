"""From the target to an empty node.

Invariant: a file appears on the node only whole and with the content that had left; a file that is there
already is never replaced. What makes others count (a segment's manifest, a closed day's receipt) is restored
last, and only if all that it vouches for is there: a damaged segment then is no segment, and a day with a
damaged file is open and made anew from the journal.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from observer_core import logs
from observer_core.backup.inventory import day_in
from observer_core.backup.ledger import open_ledger
from observer_core.backup.objects import Fault, Kind, Shipped, file_of, parse_key
from observer_core.backup.ownership import Purpose
from observer_core.backup.target import Target, blocks_of_object, digest
from observer_core.errors import BackupTargetError, StorageError
from observer_core.files import sync_folder, write_atomically
from observer_core.journal.content import compressed_path, open_content
from observer_core.journal.segment import FINAL_SUFFIX, MANIFEST_SUFFIX
from observer_core.lake.storage import exclusive
from observer_core.settings.paths import Paths

# Epochs that were given out after the last shipment must not be given out again (journal, identity). A
# collector connects a few dozen times a day.
EPOCHS_SKIPPED = 1000

_RECEIPTS = "lake/receipts/"
_log = logs.logger(__name__)


@dataclass(slots=True)
class Restoration:
    """What was brought back.

    Attributes:
        restored: Files that were written.
        present: Files that were there already, with the same content.
        bytes: Bytes written.
        faults: Files that were not restored, and why.
    """

    restored: int = 0
    present: int = 0
    bytes: int = 0
    faults: list[Fault] = field(default_factory=list)


def restore_files(paths: Paths, target: Target, *, since: date | None = None) -> Restoration:
    """Brings everything back that had left.

    Args:
        paths: The layout; the mounts exist, and the collector does not run yet.
        target: The target.
        since: Leaves out what belongs to an earlier day.

    Raises:
        BackupTargetError: The target is no backup, or does not answer; what was restored until then stays.
        ConfigurationError: It is another deployment's backup.
    """
    done = Restoration()
    with exclusive(paths.backup_lock):
        ledger = open_ledger(paths, target, Purpose.RESTORE, existing=True)
        wanted, unclear = _with_uncatalogued(ledger.left, target)
        done.faults += unclear
        if not wanted and not unclear:
            done.faults.append(Fault("files", "there is none: no file has ever left for this target"))
        chosen = [one for one in wanted if since is None or (day := day_in(one.path)) is None or day >= since]
        vouching = {path: members for path, members in _vouched(chosen).items() if members}
        whole = {one.path for one in chosen if one.path not in vouching and _bring(paths, target, one, done)}
        for one in chosen:
            lost = vouching.get(one.path, set()) - whole
            if lost:
                names = ", ".join(sorted(lost))
                done.faults.append(Fault(one.path, f"left out: what it vouches for is not whole ({names})"))
            elif one.path in vouching:
                _bring(paths, target, one, done)
    done.faults.sort()
    _log.info(
        "backup.restored",
        target=target.name,
        restored=done.restored,
        bytes=done.bytes,
        faults=len(done.faults),
    )
    return done


def _with_uncatalogued(left: Mapping[str, Shipped], target: Target) -> tuple[list[Shipped], list[Fault]]:
    """Adds objects that arrived without being entered: the node died, or lines of the catalogue are lost."""
    versions: dict[str, list[Shipped]] = {}
    for stored in target.listing("files/"):
        named = parse_key(stored.key)
        if named is not None and named[0] not in left:
            path, sha256 = named
            versions.setdefault(path, []).append(Shipped(path, Kind.JOURNAL, sha256, stored.bytes, 0, 0))
    found = [*left.values(), *(several[0] for several in versions.values() if len(several) == 1)]
    unclear = [
        Fault(path, f"{len(several)} contents at the target, and no catalogue tells which came last")
        for path, several in versions.items()
        if len(several) > 1
    ]
    return sorted(found, key=lambda one: one.path), unclear


def _vouched(entries: Iterable[Shipped]) -> dict[str, set[str]]:
    """Returns path of a manifest or receipt -> the paths that it vouches for."""
    paths = {entry.path for entry in entries}
    found: dict[str, set[str]] = {}
    for path in paths:
        if path.endswith(MANIFEST_SUFFIX):
            found[path] = {path.removesuffix(MANIFEST_SUFFIX) + FINAL_SUFFIX}
        elif path.startswith(_RECEIPTS):
            day = path.removeprefix(_RECEIPTS).removesuffix(".json")
            found[path] = {one for one in paths if one.startswith("lake/") and f"/{day}/" in one}
    return found


def _bring(paths: Paths, target: Target, entry: Shipped, done: Restoration) -> bool:
    """Restores one file; returns whether it is now there with its content."""
    try:
        file = file_of(paths, entry.path)
        if file.exists() or compressed_path(file).exists():
            return _is_present(file, entry, done)
        _download(target, entry, file)
    except FileNotFoundError:
        done.faults.append(Fault(entry.path, "missing at the target"))
        return False
    except (BackupTargetError, StorageError) as error:
        done.faults.append(Fault(entry.path, error.message))
        return False
    if entry.kind is Kind.EPOCHS:
        _skip_epochs(file)
    done.restored += 1
    done.bytes += entry.bytes
    return True


def _is_present(file: Path, entry: Shipped, done: Restoration) -> bool:
    # A segment may have been compressed since it left.
    with open_content(file) as source:
        same = digest(blocks_of_object(source))[0] == entry.sha256
    if same:
        done.present += 1
    elif entry.kind is not Kind.EPOCHS:
        done.faults.append(Fault(entry.path, f"{file} is there with another content; it was left as it is"))
    return same


def _download(target: Target, entry: Shipped, file: Path) -> None:
    """Writes a file durably under its name, once its content has proved to be the right one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.restored")
    found, size = hashlib.sha256(), 0
    try:
        with target.open(entry.key) as source, temporary.open("wb") as copy:
            for block in blocks_of_object(source):
                found.update(block)
                size += len(block)
                copy.write(block)
            copy.flush()
            os.fsync(copy.fileno())
        if found.hexdigest() != entry.sha256:
            raise StorageError(
                f"damaged at the target: {size} bytes that are not the {entry.bytes} that left"
            )
        if entry.modified_ns:
            os.utime(temporary, ns=(entry.modified_ns, entry.modified_ns))
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(file.parent)


def _skip_epochs(file: Path) -> None:
    content = json.loads(file.read_bytes())
    write_atomically(file, json.dumps({**content, "last": content["last"] + EPOCHS_SKIPPED}).encode() + b"\n")
