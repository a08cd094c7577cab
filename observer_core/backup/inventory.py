"""What lies on the node and must leave it.

Invariant: a file is listed only once nobody writes to it under its name: sealed segments with their
manifests, the files of closed days, and files that are replaced whole. Tokens, locks, logs, open segments and
the open day's hours, which the journal makes anew, are never listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

from observer_core.backup.objects import Candidate, Fault, Kind, Root, path_of
from observer_core.errors import StorageError
from observer_core.journal.content import compressed_path
from observer_core.journal.segment import (
    FINAL_SUFFIX,
    MANIFEST_SUFFIX,
    TORN_SUFFIXES,
    Manifest,
)
from observer_core.settings.paths import Paths, Track

_DAY_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a look at the node has found.

    Attributes:
        candidates: The files that must leave, the irreplaceable first.
        faults: Files that cannot be judged, such as a damaged manifest; they stay and are named.
    """

    candidates: tuple[Candidate, ...]
    faults: tuple[Fault, ...]


def take_inventory(paths: Paths) -> Inventory:
    """Lists the files that must leave the node; reads manifests and sizes, no data.

    Args:
        paths: The layout.
    """
    found: list[Candidate] = []
    faults: list[Fault] = []
    for track in Track:
        for folder in _day_folders(paths.journal(track)):
            _take_journal_day(paths, folder, found, faults)
    for kind, root, folder, pattern in _plain_files(paths):
        files = (path for path in folder.glob(pattern) if path.is_file() and not path.name.startswith("."))
        found.extend(one for path in files if (one := _candidate(paths, root, kind, path)) is not None)
    order = list(Kind)
    found.sort(key=lambda one: (order.index(one.kind), one.path))
    return Inventory(tuple(found), tuple(sorted(faults)))


def _plain_files(paths: Paths) -> Iterator[tuple[Kind, Root, Path, str]]:
    """Yields kind, root, folder and pattern of everything but segments."""
    for track in Track:
        yield Kind.EPOCHS, Root.DATA, paths.journal(track), "epochs-*.json"
        yield Kind.JOURNAL, Root.DATA, paths.journal(track), "manifests_*.jsonl.gz"
    yield Kind.UNIVERSE, Root.UNIVERSE, paths.settings.snapshot_dir, "*_kr_stocks.json"
    yield Kind.SYMBOLS, Root.DATA, paths.data / "symbols", "symbols_*.json"
    yield Kind.REFERENCE, Root.DATA, paths.reference, "**/*"
    yield Kind.QUARANTINE, Root.DATA, paths.quarantine, "*/*"
    yield Kind.LAKE, Root.LAKE, paths.lake, "[!.]*/date=*/*.parquet"
    yield Kind.LAKE, Root.LAKE, paths.lake, "receipts/date=*.json"


def _take_journal_day(paths: Paths, folder: Path, found: list[Candidate], faults: list[Fault]) -> None:
    day = _day_of(folder.name)
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.name.endswith(MANIFEST_SUFFIX):
            _take_segment(paths, path, found, faults)
        elif path.name.endswith(TORN_SUFFIXES):
            torn = _candidate(paths, Root.DATA, Kind.JOURNAL, path, day=day)
            if torn is not None:
                found.append(torn)


def _take_segment(paths: Paths, manifest_file: Path, found: list[Candidate], faults: list[Fault]) -> None:
    """Adds a segment and its manifest, in this order: at the target too, a manifest means a segment."""
    try:
        manifest = Manifest.read(manifest_file)
    except FileNotFoundError:
        # Retention has taken the day meanwhile.
        return
    except StorageError as error:
        faults.append(Fault(path_of(Root.DATA, paths, manifest_file), error.message))
        return
    stem = manifest_file.name.removesuffix(MANIFEST_SUFFIX)
    segment = manifest_file.with_name(stem + FINAL_SUFFIX)
    sealed = _candidate(paths, Root.DATA, Kind.JOURNAL, manifest_file, day=manifest.day)
    if sealed is None:
        return
    path = path_of(Root.DATA, paths, segment)
    if not segment.exists() and not compressed_path(segment).exists():
        faults.append(Fault(path, "its manifest is there, but not the segment"))
        return
    # It waits from its seal on: its last line may be much older.
    found.append(replace(sealed, path=path, file=segment, bytes=manifest.bytes, sha256=manifest.sha256))
    found.append(sealed)


def _candidate(
    paths: Paths, root: Root, kind: Kind, file: Path, *, day: date | None = None
) -> Candidate | None:
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    path = path_of(root, paths, file)
    written = status.st_mtime_ns
    return Candidate(path, file, kind, status.st_size, written, written, "", day or day_in(path))


def _day_folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and _day_of(path.name) is not None)


def _day_of(name: str) -> date | None:
    if len(name) != _DAY_LENGTH or not name.isdigit():
        return None
    try:
        return datetime.strptime(name, "%Y%m%d").date()  # noqa: DTZ007 - a day, no instant
    except ValueError:
        return None


def day_in(path: str) -> date | None:
    """Returns the day that the names of a path tell: `date=YYYY-MM-DD`, or eight digits."""
    for part in path.replace("_", "/").split("/"):
        day = _day_of(part.partition(".")[0].removeprefix("date=").replace("-", ""))
        if day is not None:
            return day
    return None
