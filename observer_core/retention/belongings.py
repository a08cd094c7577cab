"""What lies in a folder that is to go: the project's own, or somebody's.

Invariant: a folder goes only if it is a plain one of its volume, and every entry in it a plain file that a
program of ours has written; what is somebody's is named, and the folder stays with it as it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path

from observer_core.journal.segment import (
    COMPRESSED_SUFFIX,
    FINAL_SUFFIX,
    MANIFEST_SUFFIX,
    OPEN_SUFFIX,
    TORN_SUFFIXES,
    SegmentName,
)
from observer_core.settings.paths import Paths, Track

_SEGMENT_SUFFIXES = (OPEN_SUFFIX, FINAL_SUFFIX, COMPRESSED_SUFFIX, MANIFEST_SUFFIX, *TORN_SUFFIXES)
# What a writer, or a restore, that was killed has left.
_UNFINISHED_SUFFIXES = (".new", ".restored")
_MOST_SHOWN = 3


def journal_strangers(paths: Paths, day: date) -> Iterator[str]:
    """Yields why a day of the journal is not all the collector's own, for each track."""
    for track in Track:
        yield from _strangers(paths.journal(track, day), _is_of_segment)


def lake_strangers(paths: Paths, day: date, tables: Iterable[str]) -> Iterator[str]:
    """Yields why a day's folders of some tables, or its quarantine, are not all the lake's own."""
    for table in tables:
        file = paths.lake_day(table, day)
        yield from _strangers(file.parent, {file.name, f".{file.name}.restored"}.__contains__)
    yield from _strangers(paths.quarantine_folder(day), lambda _name: True)


def torn_files(paths: Paths, day: date) -> list[Path]:
    """Returns what recovery has cut off of a day's segments, for people to look at."""
    folders = (paths.journal(track, day) for track in Track)
    found = (path for folder in folders if folder.is_dir() for path in folder.iterdir())
    return sorted(path for path in found if path.name.endswith(TORN_SUFFIXES))


def not_plain(folder: Path) -> str:
    """Returns why a folder cannot go in one step; empty where it can, or where there is none."""
    if folder.is_symlink():
        return f"{folder} is a symbolic link: what it leads to is left alone"
    if os.path.ismount(folder):
        return f"{folder} is a volume of its own"
    return f"{folder} is no folder" if folder.exists() and not folder.is_dir() else ""


def _strangers(folder: Path, is_own: Callable[[str], bool]) -> Iterator[str]:
    if problem := not_plain(folder):
        yield problem
        return
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        found = sorted(
            entry.name
            for entry in entries
            if not (entry.is_file(follow_symlinks=False) and is_own(entry.name))
        )
    if found:
        more = f" and {len(found) - _MOST_SHOWN} more" if len(found) > _MOST_SHOWN else ""
        yield (
            f"{folder} holds what no program of ours has written: {', '.join(found[:_MOST_SHOWN])}{more}; "
            "move it elsewhere"
        )


def _is_of_segment(name: str) -> bool:
    if name.startswith(".") and name.endswith(_UNFINISHED_SUFFIXES):
        return SegmentName.parse(name[1:]) is not None
    segment = SegmentName.parse(name)
    return segment is not None and name.removeprefix(segment.stem) in _SEGMENT_SUFFIXES
