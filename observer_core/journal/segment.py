"""Names and manifests of segments.

Invariant: a segment's name tells shard, receive hour (Korean time) and sequence; sequences count on
within a shard's day, so the order of names by sequence is the order of writing. A manifest states
what the segment holds, and its existence is what makes the segment sealed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

from observer_core.errors import StorageError
from observer_core.json_text import parse_json

MANIFEST_FORMAT = 1
OPEN_SUFFIX = ".jsonl.open"
FINAL_SUFFIX = ".jsonl"
COMPRESSED_SUFFIX = ".jsonl.zst"
TORN_SUFFIX = ".jsonl.torn"
# Of lines, and of a compressed file that could not be read to its end.
TORN_SUFFIXES = (TORN_SUFFIX, f"{COMPRESSED_SUFFIX}.torn")
MANIFEST_SUFFIX = ".manifest.json"

_STEM = re.compile(r"(?P<shard>[^_]+)_(?P<hour>\d{2})_(?P<sequence>\d{6,})")


class SealReason(StrEnum):
    """Why a segment ended."""

    HOUR = "hour"
    SIZE = "size"
    STOP = "stop"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True)
class SegmentName:
    """What the name of a segment's files says.

    Attributes:
        shard: The shard whose lines it holds.
        hour: Receive hour of its lines, 0 to 23, Korean time.
        sequence: Its number within the shard's day, from 1.
    """

    shard: str
    hour: int
    sequence: int

    @property
    def stem(self) -> str:
        return f"{self.shard}_{self.hour:02d}_{self.sequence:06d}"

    @classmethod
    def parse(cls, file_name: str) -> SegmentName | None:
        """Returns what a file name says, or None where it is none of ours."""
        match = _STEM.fullmatch(file_name.partition(".")[0])
        if match is None:
            return None
        return cls(match["shard"], int(match["hour"]), int(match["sequence"]))


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a sealed segment holds.

    Attributes:
        segment: The segment's file name.
        provider: The broker.
        shard: The shard.
        track: `scalp` or `swing`.
        day: Receive day of its lines, Korean time.
        hour: Receive hour.
        sequence: Number within the shard's day.
        lines: All lines.
        records: Lines that are records of the broker: all but control records.
        bytes: Size of its content, uncompressed.
        sha256: Of its content, uncompressed, in hex.
        first_wall_ns: Receive time of the first line.
        last_wall_ns: Receive time of the last line.
        first_epoch: Epoch of the first line.
        last_epoch: Epoch of the last line.
        counts: Lines by channel and key, control records included.
        sealed_by: Why the segment ended.
        continuity: State of the volume accounting after its last line.
    """

    segment: str
    provider: str
    shard: str
    track: str
    day: date
    hour: int
    sequence: int
    lines: int
    records: int
    bytes: int
    sha256: str
    first_wall_ns: int
    last_wall_ns: int
    first_epoch: int
    last_epoch: int
    counts: Mapping[str, Mapping[str, int]]
    sealed_by: SealReason
    continuity: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Reads a manifest file.

        Raises:
            StorageError: The file is no manifest of a known format.
        """
        return parse_manifest(path.read_bytes(), path)


def parse_manifest(content: bytes, path: Path) -> Manifest:
    """Reads a manifest from what a file holds.

    Args:
        content: The manifest as JSON.
        path: The file, for the message of an error.

    Raises:
        StorageError: The content is no manifest of a known format.
    """
    try:
        fields = parse_json(content)
        version = fields.pop("format")
        reader = _MANIFEST_READERS.get(version)
        if reader is None:
            raise StorageError(
                f"{path} has format {version}; this version reads {sorted(_MANIFEST_READERS)}.",
                remedy="Read it with the version that wrote it, or a later one.",
            )
        return reader(fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StorageError(
            f"{path} is no segment manifest: {error}.",
            remedy="Remove it while the collector is stopped; recovery then writes it anew.",
        ) from error


def _read_version_1(fields: dict[str, Any]) -> Manifest:
    day, reason = date.fromisoformat(fields.pop("day")), SealReason(fields.pop("sealed_by"))
    return Manifest(day=day, sealed_by=reason, **fields)


# One for every version ever written; none is ever taken out.
_MANIFEST_READERS: Mapping[int, Callable[[dict[str, Any]], Manifest]] = {1: _read_version_1}


def encode_manifest(manifest: Manifest) -> bytes:
    """Returns a manifest file's content, in ASCII: whatever text is in it can be written."""
    fields = {"format": MANIFEST_FORMAT, **asdict(manifest), "day": manifest.day.isoformat()}
    return json.dumps(fields, indent=1).encode("ascii") + b"\n"


@dataclass(frozen=True, slots=True)
class SealedSegment:
    """A segment that is complete, with its manifest."""

    path: Path
    manifest: Manifest


def manifest_path(folder: Path, name: SegmentName) -> Path:
    """Returns the file of a segment's manifest."""
    return folder / f"{name.stem}{MANIFEST_SUFFIX}"


def names_in(folder: Path, shard: str, suffix: str) -> list[SegmentName]:
    """Returns a shard's segments that have a file with a suffix, in order of writing."""
    if not folder.is_dir():
        return []
    found = (SegmentName.parse(path.name) for path in folder.iterdir() if path.name.endswith(suffix))
    return sorted(
        (name for name in found if name is not None and name.shard == shard), key=lambda name: name.sequence
    )


def next_sequence(folder: Path, shard: str) -> int:
    """Returns the first sequence of a shard's day that no file of any kind has used."""
    used = (
        names_in(folder, shard, suffix)
        for suffix in (OPEN_SUFFIX, FINAL_SUFFIX, COMPRESSED_SUFFIX, TORN_SUFFIX, MANIFEST_SUFFIX)
    )
    return max((names[-1].sequence for names in used if names), default=0) + 1
