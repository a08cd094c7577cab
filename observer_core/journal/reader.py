"""Reading sealed segments.

Invariant: nobody reads a segment through this module that has no manifest, and no line leaves it
whose CRC does not fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from observer_core.errors import StorageError
from observer_core.journal.content import compressed_path, open_content
from observer_core.journal.envelope import JournalLine, parse_line
from observer_core.journal.segment import FINAL_SUFFIX, MANIFEST_SUFFIX, Manifest, SealedSegment


def sealed_segments(folder: Path) -> list[SealedSegment]:
    """Returns the sealed segments of a track's day, by shard and order of writing.

    Args:
        folder: Such as `Paths.journal(track, day)`; it need not exist.

    Raises:
        StorageError: A manifest cannot be read, or its segment is not there.
    """
    if not folder.is_dir():
        return []
    found = []
    for path in folder.iterdir():
        if path.name.startswith(".") or not path.name.endswith(MANIFEST_SUFFIX):
            continue
        manifest = Manifest.read(path)
        segment = folder / (path.name.removesuffix(MANIFEST_SUFFIX) + FINAL_SUFFIX)
        # The plain file first: it goes only once the compressed one is there.
        if not segment.is_file():
            if not compressed_path(segment).is_file():
                raise StorageError(f"{path} describes {segment.name}, which is not there.")
            segment = compressed_path(segment)
        found.append(SealedSegment(segment, manifest))
    return sorted(found, key=lambda sealed: (sealed.manifest.shard, sealed.manifest.sequence))


def read_lines(path: Path) -> Iterator[JournalLine]:
    """Yields the lines of a segment.

    Args:
        path: A sealed segment's file, compressed or not.

    Raises:
        StorageError: A line is damaged; the message names file and line.
    """
    with open_content(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                yield parse_line(line)
            except StorageError as error:
                raise StorageError(f"{path}, line {number}: {error.message}", remedy=error.remedy) from error
