"""Closing a day.

Invariant: the day's files are made from its hours and appear one by one, each whole; the day's
receipt follows, and makes the day closed; only then the hours go. A crash before the receipt leaves
a day that is closed again from the hours; one after it leaves hours that nobody reads any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from observer_core.lake import receipts
from observer_core.lake.bars import BarsResult, build_bars_locked
from observer_core.lake.fingerprints import Fingerprint, fingerprint
from observer_core.lake.hours import compact_hour_locked
from observer_core.lake.merging import Part, merge_files
from observer_core.lake.parquet import read_sources
from observer_core.lake.pending import hours_to_compact, unsealed_segments
from observer_core.lake.receipts import HourReceipt
from observer_core.lake.renewing import may_be_merged
from observer_core.lake.schemas import JOURNAL_TABLES, Table
from observer_core.lake.storage import LakeStorage, exclusive, work_folder
from observer_core.market.calendar import MarketCalendar
from observer_core.settings.paths import Paths


@dataclass(frozen=True, slots=True)
class DayResult:
    """What closing a day did.

    Attributes:
        day: The trading day.
        hours: The receipts of its hours.
        bars: Its bars.
        files: Table -> file of the day, for the tables that have rows.
        unsealed: Segments that were not sealed when the day was closed; they are merged in later.
    """

    day: date
    hours: tuple[HourReceipt, ...]
    bars: BarsResult
    files: dict[Table, Path]
    unsealed: tuple[str, ...]

    @property
    def records(self) -> int:
        """Records in the journal; equal to rows plus quarantined."""
        return sum(hour.records for hour in self.hours)

    @property
    def rows(self) -> dict[str, int]:
        """Table -> rows, bars included."""
        rows = {Table.BARS_1M: self.bars.rows} if self.bars.rows else {}
        for hour in self.hours:
            for table, number in hour.rows.items():
                rows[Table(table)] = rows.get(Table(table), 0) + number
        return {str(table): number for table, number in sorted(rows.items())}

    @property
    def quarantined(self) -> int:
        """Records set aside."""
        return sum(sum(hour.quarantined.values()) for hour in self.hours)


def close_day(
    paths: Paths, day: date, *, calendar: MarketCalendar | None = None, storage: LakeStorage | None = None
) -> DayResult:
    """Compacts what is left of a day and makes its day files.

    It may be called again at any time; a day that is closed already takes late segments in.

    Args:
        paths: The layout.
        day: Trading day, after its last data.
        calendar: The exchange's hours.
        storage: The disk.

    Raises:
        ConservationError: Records in and out differ; what was readable before still is.
        StorageError: A segment or a file of the lake cannot be read.
    """
    disk, calendar = storage or LakeStorage(), calendar or MarketCalendar()
    with exclusive(paths.lake_lock(day)):
        for hour in hours_to_compact(paths, day):
            compact_hour_locked(paths, day, hour, disk)
        hours = tuple(receipts.receipts(paths, day).values())
        closed, contents = receipts.is_closed(paths, day), {}
        if not closed:
            merged = {table: _merge_hours(paths, day, table, hours, disk) for table in JOURNAL_TABLES}
            contents = {str(table): (one,) for table, one in merged.items() if one is not None}
        bars = build_bars_locked(paths, day, paths.lake_day(Table.BARS_1M, day), calendar, disk)
        if hours:
            if not closed:
                disk.write(paths.lake_day_receipt(day), receipts.encode(hours, contents))
            for name in (*JOURNAL_TABLES, Table.BARS_1M, "receipts"):
                disk.remove(paths.lake_open_day(name, day))
    files = {table: paths.lake_day(table, day) for table in (*JOURNAL_TABLES, Table.BARS_1M)}
    return DayResult(
        day=day,
        hours=hours,
        bars=bars,
        files={table: path for table, path in files.items() if path.exists()},
        unsealed=tuple(name.stem for name in unsealed_segments(paths, day)),
    )


def _merge_hours(
    paths: Paths, day: date, table: Table, hours: tuple[HourReceipt, ...], storage: LakeStorage
) -> Fingerprint | None:
    """Makes a table's day file from its hours; returns what it holds, None where nobody vouches for it."""
    files = sorted(paths.lake_open_day(table, day).glob("hour=*/hour.parquet"))
    target = paths.lake_day(table, day)
    told = [source for hour in hours for source in hour.file_sources(table)]
    by_receipts = frozenset(source.segment for hour in hours for source in hour.sources)
    # Of hours whose receipt was lost, and of a day's file that an unfinished close left: no row may be lost.
    told += [source for path in files for source in read_sources(path) if source.segment not in by_receipts]
    named = by_receipts | {source.segment for source in told}
    stored = read_sources(target) if target.exists() else ()
    kept = [source for source in stored if source.segment not in named]
    if not files and len(kept) == len(stored):
        return None
    if not files and not kept:
        storage.remove(target)
        return None
    known = {path: _known(paths, day, table, path) for path in files}
    vouched = [may_be_merged(path, table, contents) for path, contents in known.items()]
    vouched += [may_be_merged(target, table, ())] if kept else []
    parts = [*(Part(path) for path in files), *([Part(target, named)] if kept else [])]
    with work_folder(paths.lake_work(day)) as work:
        merged = work / f"{table}.parquet"
        merge_files(merged, table, parts, [*told, *kept])
        content = fingerprint(merged) if all(vouched) else None
        storage.publish(merged, target)
    return content


def _known(paths: Paths, day: date, table: Table, path: Path) -> Sequence[Fingerprint]:
    """Returns what the file of an hour may hold, by the hour's receipt."""
    hour = int(path.parent.name.removeprefix("hour="))
    return receipts.read(paths.lake_hour_receipt(day, hour)).files.get(table, ())
