"""Receipts: from which segments an hour of the lake was made, and where each line went.

Invariant: a receipt is written after the files it speaks of; so an hour without one, or one that
does not name a sealed segment with its SHA-256, still has to be compacted. The count of each segment
adds up: records = rows + quarantined (architecture, conservation).

It also tells what the files are, byte for byte. While they are replaced, the receipt of before stays and
tells both contents of each: no file is taken for damaged because a run was killed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

from observer_core.errors import StorageError
from observer_core.lake.fingerprints import Fingerprint, Fingerprints, fingerprint
from observer_core.lake.parquet import FileSource
from observer_core.lake.schemas import JOURNAL_TABLES, Table
from observer_core.settings.paths import Paths

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class SourceReceipt:
    """Where the lines of one segment went.

    Attributes:
        segment: File name of the segment.
        track: `scalp` or `swing`.
        sha256: Of the segment, by its manifest.
        lines: Lines by its manifest.
        records: Lines that are records, by its manifest.
        rows: Table -> rows; holes and gaps are rows, but no records.
        quarantined: Table -> reason -> records.
        control_quarantined: Control records set aside.
        intact: Whether the file's SHA-256 was the manifest's.
    """

    segment: str
    track: str
    sha256: str
    lines: int
    records: int
    rows: Mapping[str, int] = field(default_factory=dict)
    quarantined: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    control_quarantined: int = 0
    intact: bool = True


@dataclass(frozen=True, slots=True)
class HourReceipt:
    """What one receive hour was made from.

    Attributes:
        day: Receive day, Korean time.
        hour: Receive hour.
        sources: Its segments, by name.
    """

    day: date
    hour: int
    sources: tuple[SourceReceipt, ...]

    @property
    def records(self) -> int:
        """Records in the journal, by the manifests."""
        return sum(source.records for source in self.sources)

    @property
    def rows(self) -> dict[str, int]:
        """Table -> rows in the lake; of `gaps` too, which are no records."""
        return _summed(source.rows for source in self.sources)

    @property
    def quarantined(self) -> dict[str, int]:
        """Table -> records set aside."""
        return _summed(
            {table: sum(reasons.values()) for table, reasons in source.quarantined.items()}
            for source in self.sources
        )

    @property
    def reasons(self) -> dict[str, int]:
        """Reason -> records set aside."""
        return _summed(reasons for source in self.sources for reasons in source.quarantined.values())

    @property
    def record_rows(self) -> int:
        """Rows that are records of the broker."""
        return sum(rows for table, rows in self.rows.items() if table != Table.GAPS)

    @property
    def damaged(self) -> tuple[str, ...]:
        """Segments whose bytes were not those that were sealed."""
        return tuple(source.segment for source in self.sources if not source.intact)

    def file_sources(self, table: Table) -> list[FileSource]:
        """Returns the segments that have rows in a table."""
        return [
            FileSource(source.segment, source.sha256, self.hour, source.rows[table])
            for source in self.sources
            if source.rows.get(table)
        ]

    def replaced_by(self, newer: HourReceipt) -> HourReceipt:
        """Returns the receipt with newer sources in place of those of the same name."""
        sources = {source.segment: source for source in (*self.sources, *newer.sources)}
        return HourReceipt(self.day, self.hour, tuple(sources[name] for name in sorted(sources)))


def _summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for count in counts:
        for name, number in count.items():
            total[name] = total.get(name, 0) + number
    return dict(sorted(total.items()))


def encode(receipts: Iterable[HourReceipt], files: Fingerprints) -> bytes:
    """Returns the content of a receipt file: one hour of an open day, or all hours of a closed one.

    Args:
        receipts: Its hours.
        files: What the table files of the hour or of the day are.
    """
    hours = [
        {
            "day": receipt.day.isoformat(),
            "hour": receipt.hour,
            "sources": [asdict(s) for s in receipt.sources],
        }
        for receipt in sorted(receipts, key=lambda receipt: receipt.hour)
    ]
    contents = {table: [asdict(one) for one in known] for table, known in files.items()}
    content = {"format": _FORMAT, "hours": hours, "files": contents}
    return json.dumps(content, indent=1, sort_keys=True).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Book:
    """What a receipt file tells.

    Attributes:
        hours: Hour -> its receipt; nothing where there is no file.
        files: What the table files are; nothing where an earlier version has written it.
    """

    hours: Mapping[int, HourReceipt]
    files: Fingerprints


class FileState(StrEnum):
    """What the bytes of a day's file are."""

    WHOLE = "whole"
    DAMAGED = "damaged"
    MISSING = "missing"
    UNTOLD = "untold"


def read(path: Path) -> Book:
    """Reads a receipt file, of one hour of an open day or of a closed day.

    Raises:
        StorageError: The file is no receipt of a known format.
    """
    try:
        content = json.loads(path.read_bytes())
        if content["format"] != _FORMAT:
            raise StorageError(f"{path} has format {content['format']}; this version reads {_FORMAT}.")
        hours = {hour["hour"]: _decode(hour) for hour in content["hours"]}
        files = {
            table: tuple(Fingerprint(**one) for one in known)
            for table, known in content.get("files", {}).items()
        }
    except FileNotFoundError:
        return Book({}, {})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StorageError(
            f"{path} is no receipt of the lake: {error}.",
            remedy="Restore it; for an open day, remove it and the hour is compacted anew.",
        ) from error
    return Book(hours, files)


def _decode(hour: Mapping[str, Any]) -> HourReceipt:
    sources = tuple(SourceReceipt(**source) for source in hour["sources"])
    return HourReceipt(date.fromisoformat(hour["day"]), hour["hour"], sources)


def is_closed(paths: Paths, day: date) -> bool:
    """Returns whether a day has been closed: its day files are all there."""
    return paths.lake_day_receipt(day).exists()


def receipts(paths: Paths, day: date) -> dict[int, HourReceipt]:
    """Returns the receipts of a day's hours, open or closed.

    Raises:
        StorageError: A receipt cannot be read.
    """
    # The hours first: a close that comes in between leaves them or the day's receipt to be found.
    hours = sorted(paths.lake_hour_receipt(day, 0).parent.glob("hour=*.json"))
    found = {hour: receipt for path in hours for hour, receipt in read(path).hours.items()}
    return dict(read(paths.lake_day_receipt(day)).hours) or found


def day_files(paths: Paths, day: date) -> dict[Path, FileState]:
    """Returns the files of a closed day: those that the receipt tells of, and those that are there.

    Raises:
        StorageError: The receipt cannot be read.
    """
    known = read(paths.lake_day_receipt(day)).files
    files = {table: paths.lake_day(table, day) for table in JOURNAL_TABLES}
    return {
        path: _state(path, known.get(table, ()))
        for table, path in files.items()
        if table in known or path.exists()
    }


def closed_days(paths: Paths) -> list[date]:
    """Returns the days that are closed, in order."""
    receipts = (paths.lake / "receipts").glob("date=*.json")
    return sorted(day for path in receipts if (day := _day_of(path)) is not None)


def _day_of(receipt: Path) -> date | None:
    """Returns the day that a file is named after; None where somebody else has made it."""
    try:
        return date.fromisoformat(receipt.stem.removeprefix("date="))
    except ValueError:
        return None


def _state(path: Path, known: tuple[Fingerprint, ...]) -> FileState:
    if not path.exists():
        return FileState.MISSING
    if not known:
        return FileState.UNTOLD
    return FileState.WHOLE if fingerprint(path) in known else FileState.DAMAGED
