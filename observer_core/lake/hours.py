"""Compacting one receive hour.

Invariant: first every file of the hour is finished in a work folder and counted, then the files are
published one by one, and the receipt last. Whoever reads in between sees a table's old rows or its
new ones; whoever compacts after a crash finds no receipt and does the hour again.

The hour of a closed day is merged into the day's files. Rows of the segments that are read again are
replaced, all others are kept, also those whose segment has left the journal since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from observer_core.errors import ConservationError, StorageError
from observer_core.journal import SealedSegment, sealed_segments
from observer_core.lake import quarantine, receipts
from observer_core.lake.converting import Converted, convert
from observer_core.lake.receipts import Book, HourReceipt
from observer_core.lake.renewing import Fresh, Renewed, Stored, once_replaced, renew, while_replaced
from observer_core.lake.schemas import JOURNAL_TABLES
from observer_core.lake.storage import LakeStorage, exclusive, work_folder
from observer_core.settings.paths import Paths, Track


@dataclass(frozen=True, slots=True)
class HourResult:
    """What compacting an hour did.

    Attributes:
        receipt: Where each line of the hour went, of the segments that the journal has.
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
    place = paths.lake_day_receipt(day) if closed else paths.lake_hour_receipt(day, hour)
    book = receipts.read(place)
    with work_folder(paths.lake_work(day)) as work:
        converted = convert(segments, day, work)
        receipt = HourReceipt(day, hour, converted.receipts)
        _require_conservation(receipt)
        renewed = _renewed(paths, receipt, converted, book, work)
        quarantined = _write_quarantine(paths, segments, converted, storage)
        if book.hours and renewed:
            storage.write(place, receipts.encode(book.hours.values(), while_replaced(book.files, renewed)))
        for file in renewed:
            if file.source is not None:
                storage.publish(file.source, file.target)
            else:
                storage.remove(file.target)
    if segments:
        before = book.hours.get(hour)
        hours = {**book.hours, hour: before.replaced_by(receipt) if before else receipt}
        storage.write(place, receipts.encode(hours.values(), once_replaced(book.files, renewed)))
    written = tuple(file.target for file in renewed if file.source is not None)
    return HourResult(receipt, written, tuple(quarantined), closed)


def segments_of(paths: Paths, day: date, hour: int | None = None) -> list[SealedSegment]:
    """Returns the sealed segments of both tracks, of a whole receive day or of one hour."""
    found = [segment for track in Track for segment in sealed_segments(paths.journal(track, day))]
    wanted = [segment for segment in found if hour is None or segment.manifest.hour == hour]
    return sorted(wanted, key=lambda segment: segment.manifest.segment)


def _renewed(
    paths: Paths, receipt: HourReceipt, converted: Converted, book: Book, work: Path
) -> list[Renewed]:
    """Returns the tables' files that change, finished: the hour's, or those of a closed day."""
    day, hour, closed = receipt.day, receipt.hour, receipts.is_closed(paths, receipt.day)
    anew = frozenset(source.segment for source in receipt.sources)
    renewed = []
    for table in JOURNAL_TABLES:
        named = {source.segment for one in book.hours.values() for source in one.file_sources(table)}
        target = paths.lake_day(table, day) if closed else paths.lake_hour(table, day, hour)
        stored = Stored(target, book.files.get(table, ()), frozenset(named - anew))
        if not closed:
            _require_held(stored, paths.lake_hour_receipt(day, hour))
        fresh = Fresh(converted.files.get(table), receipt.file_sources(table), anew)
        file = renew(table, stored, fresh, work, as_day=closed)
        renewed += [file] if file is not None else []
    return renewed


def _require_held(stored: Stored, receipt: Path) -> None:
    """Checks that the rows of segments that have left the journal are still in the lake."""
    if not stored.needed:
        return
    lost = stored.needed - {source.segment for source in stored.sources or ()}
    if lost:
        raise StorageError(
            f"The rows of {', '.join(sorted(lost))} are lost: the journal has the segment no more, and "
            f"{stored.target} does not hold them.",
            remedy="Restore the segment and its manifest from the backup target. Where it is not there, "
            f"remove {receipt}: the hour is then made of what is left.",
        )


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
