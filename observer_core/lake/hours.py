"""Compacting one receive hour.

Invariant: first every file of the hour is finished in a work folder and counted, then the files are
published one by one, and the receipt last. Whoever reads in between sees a table's old rows or its
new ones; whoever compacts after a crash finds no receipt and does the hour again.

The hour of a closed day is merged into the day's files: rows of the segments that are read again are
replaced, all others are kept, also those whose segment has left the journal since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from observer_core.errors import ConservationError
from observer_core.journal import SealedSegment, sealed_segments
from observer_core.lake import quarantine, receipts
from observer_core.lake.converting import Converted, convert
from observer_core.lake.merging import Part, merge_files
from observer_core.lake.parquet import read_sources
from observer_core.lake.receipts import HourReceipt
from observer_core.lake.schemas import JOURNAL_TABLES
from observer_core.lake.storage import LakeStorage, exclusive, work_folder
from observer_core.settings.paths import Paths, Track


@dataclass(frozen=True, slots=True)
class HourResult:
    """What compacting an hour did.

    Attributes:
        receipt: Where each line of the hour went.
        files: The table files written.
        quarantine_files: The quarantine files written.
        into_closed_day: Whether the rows were merged into day files.
    """

    receipt: HourReceipt
    files: tuple[Path, ...]
    quarantine_files: tuple[Path, ...]
    into_closed_day: bool

    @property
    def records(self) -> int:
        """Records in the journal; equal to rows plus quarantined."""
        return self.receipt.records

    @property
    def rows(self) -> dict[str, int]:
        """Table -> rows."""
        return self.receipt.rows

    @property
    def quarantined(self) -> dict[str, int]:
        """Reason -> records set aside."""
        return self.receipt.reasons


def compact_hour(paths: Paths, day: date, hour: int, *, storage: LakeStorage | None = None) -> HourResult:
    """Makes the tables of a receive hour from all its sealed segments.

    It may be called again at any time: the same segments give the same bytes, a late one is taken in.

    Args:
        paths: The layout.
        day: Receive day, Korean time.
        hour: Receive hour, 0 to 23; it should be over (see `pending.open_hours`).
        storage: The disk.

    Raises:
        ConservationError: Records in and out differ; nothing was published.
        StorageError: A segment or a file of the lake cannot be read.
    """
    with exclusive(paths.lake_lock(day)):
        return compact_hour_locked(paths, day, hour, storage or LakeStorage())


def compact_hour_locked(paths: Paths, day: date, hour: int, storage: LakeStorage) -> HourResult:
    """Does the work of `compact_hour` under the day's lock."""
    segments = segments_of(paths, day, hour)
    closed = receipts.is_closed(paths, day)
    with work_folder(paths.lake_work(day)) as work:
        converted = convert(segments, day, work)
        receipt = HourReceipt(day, hour, converted.receipts)
        _require_conservation(receipt)
        written = (
            _day_files(paths, receipt, converted, work) if closed else _hour_files(paths, receipt, converted)
        )
        quarantined = _write_quarantine(paths, segments, converted, storage)
        for source, target in written:
            storage.publish(source, target)
    if closed:
        _renew_day_receipt(paths, receipt, storage)
    else:
        _drop_stale_tables(paths, receipt, storage)
        if segments:
            storage.write(paths.lake_hour_receipt(day, hour), receipts.encode([receipt]))
    return HourResult(receipt, tuple(target for _, target in written), tuple(quarantined), closed)


def segments_of(paths: Paths, day: date, hour: int | None = None) -> list[SealedSegment]:
    """Returns the sealed segments of both tracks, of a whole receive day or of one hour."""
    found = [segment for track in Track for segment in sealed_segments(paths.journal(track, day))]
    wanted = [segment for segment in found if hour is None or segment.manifest.hour == hour]
    return sorted(wanted, key=lambda segment: segment.manifest.segment)


def _hour_files(paths: Paths, receipt: HourReceipt, converted: Converted) -> list[tuple[Path, Path]]:
    """Returns the finished files of an open day's hour, and where they belong."""
    return [
        (file, paths.lake_hour(table, receipt.day, receipt.hour)) for table, file in converted.files.items()
    ]


def _day_files(
    paths: Paths, receipt: HourReceipt, converted: Converted, work: Path
) -> list[tuple[Path, Path]]:
    """Merges the hour's rows into the files of a closed day; returns these, and where they belong."""
    anew = frozenset(source.segment for source in receipt.sources)
    written = []
    for table in JOURNAL_TABLES:
        target, fresh = paths.lake_day(table, receipt.day), converted.files.get(table)
        stored = read_sources(target) if target.exists() else ()
        if fresh is None and anew.isdisjoint(source.segment for source in stored):
            continue
        parts = [Part(fresh)] if fresh else []
        if stored:
            parts.append(Part(target, anew))
        sources = [*receipt.file_sources(table), *(old for old in stored if old.segment not in anew)]
        merged = work / f"{table}.day.parquet"
        merge_files(merged, table, parts, sources)
        written.append((merged, target))
    return written


def _write_quarantine(
    paths: Paths, segments: Sequence[SealedSegment], converted: Converted, storage: LakeStorage
) -> list[Path]:
    written = []
    for segment in segments:
        target = paths.quarantine_file(segment.manifest.day, segment.manifest.segment)
        entries = converted.set_aside.get(segment.manifest.segment)
        if entries:
            storage.write(target, quarantine.encode(segment.path, entries))
            written.append(target)
        elif target.exists():
            storage.remove(target)
    return written


def _require_conservation(receipt: HourReceipt) -> None:
    quarantined = sum(receipt.quarantined.values())
    if receipt.records != receipt.record_rows + quarantined:
        raise ConservationError(
            f"Hour {receipt.hour:02d} of {receipt.day}: {receipt.records} records were journaled, "
            f"{receipt.record_rows} became rows and {quarantined} are quarantined."
        )


def _drop_stale_tables(paths: Paths, receipt: HourReceipt, storage: LakeStorage) -> None:
    """Removes an hour's file of a table that has no rows any more."""
    for table in JOURNAL_TABLES:
        path = paths.lake_hour(table, receipt.day, receipt.hour)
        if table not in receipt.rows and path.exists():
            storage.remove(path)


def _renew_day_receipt(paths: Paths, receipt: HourReceipt, storage: LakeStorage) -> None:
    hours = receipts.receipts(paths, receipt.day)
    before = hours.get(receipt.hour)
    hours[receipt.hour] = before.replaced_by(receipt) if before else receipt
    storage.write(paths.lake_day_receipt(receipt.day), receipts.encode(hours.values()))
