"""Which hours still have to be compacted.

Invariant: the answer comes from the journal's manifests, the lake's receipts and the files that these
speak of; nothing else remembers what was done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import date, datetime, timedelta
from pathlib import Path

from observer_core.clock import KST
from observer_core.errors import StorageError
from observer_core.journal import SealedSegment
from observer_core.journal.content import open_content
from observer_core.journal.segment import FINAL_SUFFIX, OPEN_SUFFIX, SegmentName
from observer_core.lake import receipts
from observer_core.lake.hours import segments_of
from observer_core.lake.receipts import HourReceipt
from observer_core.settings.paths import Paths, Track


def open_hours(paths: Paths, day: date, now: datetime) -> list[int]:
    """Returns the hours that are over, completely sealed, and not compacted as they are now.

    An hour of a closed day is among them when a late segment has come.

    Args:
        paths: The layout.
        day: Receive day, Korean time.
        now: The present.
    """
    unfinished = {name.hour for name in unsealed_segments(paths, day)}
    return [
        hour
        for hour in hours_to_compact(paths, day)
        if hour not in unfinished and _ends(day, hour) <= now.astimezone(KST)
    ]


def hours_to_compact(paths: Paths, day: date) -> list[int]:
    """Returns the hours that have sealed segments which the lake does not hold, over or not.

    An hour of which a file was lost is among them: whatever its receipt says, its rows are not there. So is
    one with a segment that was damaged when it was read, and now is what was sealed: it has been restored.
    """
    closed = receipts.is_closed(paths, day)
    segments = {segment.manifest.segment: segment for segment in segments_of(paths, day)}
    done = {
        (source.segment, source.sha256)
        for receipt in receipts.receipts(paths, day).values()
        if all(
            _table_file(paths, receipt, name, closed=closed).exists() for name, n in receipt.rows.items() if n
        )
        and (closed or _is_vouched_for(paths, receipt, segments.keys()))
        for source in receipt.sources
        if source.intact or not _is_restored(segments.get(source.segment))
    }
    manifests = [segment.manifest for segment in segments.values()]
    return sorted(
        {manifest.hour for manifest in manifests if (manifest.segment, manifest.sha256) not in done}
    )


def unsealed_segments(paths: Paths, day: date) -> list[SegmentName]:
    """Returns the segments of a day that are still being written, or wait for recovery."""
    sealed = {segment.path.name for segment in segments_of(paths, day)}
    folders = [folder for folder in (paths.journal(track, day) for track in Track) if folder.is_dir()]
    names = [path.name for folder in folders for path in folder.iterdir()]
    unsealed = (
        name
        for name in names
        if name.endswith(OPEN_SUFFIX) or (name.endswith(FINAL_SUFFIX) and name not in sealed)
    )
    found = (SegmentName.parse(name) for name in unsealed)
    return sorted((name for name in found if name is not None), key=lambda name: name.stem)


def _is_restored(segment: SealedSegment | None) -> bool:
    """Returns whether the bytes of a segment are those that were sealed."""
    if segment is None:
        return False
    try:
        with open_content(segment.path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == segment.manifest.sha256
    except StorageError:
        return False


def _is_vouched_for(paths: Paths, receipt: HourReceipt, here: Collection[str]) -> bool:
    """Returns whether an open hour's receipt tells what its files hold, or the journal cannot help it.

    Receipts of earlier versions do not; the hour is made anew while the journal has it.
    """
    known = receipts.read(paths.lake_hour_receipt(receipt.day, receipt.hour)).files
    told = all(table in known for table, rows in receipt.rows.items() if rows)
    return told or not all(source.segment in here for source in receipt.sources)


def _table_file(paths: Paths, receipt: HourReceipt, table: str, *, closed: bool) -> Path:
    return paths.lake_day(table, receipt.day) if closed else paths.lake_hour(table, receipt.day, receipt.hour)


def _ends(day: date, hour: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=KST) + timedelta(hours=1)
