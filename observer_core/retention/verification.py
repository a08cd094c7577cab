"""Is the close of a day true?

Invariant: a day is verified only if every sealed segment that lies on the node was compacted as it is, byte
for byte; if the day's files are those that were published, byte for byte, and give back, read to their end,
exactly the rows that the receipts say, segment by segment; and the quarantine the lines that are no rows.
What cannot be read, for whatever reason, is a doubt about that day and ends nothing else. A day without a
session is closed by nobody: it is in order when no record of the broker came on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from polars.exceptions import PanicException

from observer_core.lake import receipts
from observer_core.lake.fingerprints import Fingerprints, is_vouched_for
from observer_core.lake.hours import segments_of
from observer_core.lake.parquet import read_rows
from observer_core.lake.pending import unsealed_segments
from observer_core.lake.receipts import SourceReceipt
from observer_core.lake.schemas import JOURNAL_TABLES, SCHEMAS, Table
from observer_core.market.calendar import MarketCalendar
from observer_core.settings.paths import Paths


def doubts_about(paths: Paths, day: date) -> tuple[str, ...]:
    """Returns why a day's close cannot be relied on; empty where it is verified.

    Args:
        paths: The layout; the caller holds the day's lock where it acts on the answer.
        day: The trading day.
    """
    try:
        if not receipts.is_closed(paths, day):
            return () if _needs_no_close(paths, day) else ("the day is not closed",)
        book = receipts.read(paths.lake_day_receipt(day))
        sources = {source.segment: source for hour in book.hours.values() for source in hour.sources}
        return (
            *_segment_doubts(paths, day, sources),
            *_file_doubts(paths, day, sources, book.files),
            *_quarantine_doubts(paths, day, sources),
        )
    except (Exception, PanicException) as error:  # noqa: BLE001 - what keeps a day from being verified is a doubt
        return (f"it cannot be read: {error}",)


def _needs_no_close(paths: Paths, day: date) -> bool:
    """Returns whether a day is none of the exchange's, and holds no more than the collector's own notes."""
    if MarketCalendar().is_trading_day(day) or unsealed_segments(paths, day):
        return False
    return not any(segment.manifest.records for segment in segments_of(paths, day))


def _segment_doubts(paths: Paths, day: date, sources: dict[str, SourceReceipt]) -> Iterator[str]:
    for name in unsealed_segments(paths, day):
        yield f"segment {name.stem} is not sealed"
    for segment in segments_of(paths, day):
        manifest, source = segment.manifest, sources.get(segment.manifest.segment)
        if source is None or source.sha256 != manifest.sha256:
            yield f"segment {manifest.segment} is not in the lake as it is"
        elif not source.intact:
            yield f"segment {manifest.segment} was damaged when it was compacted"
        elif (source.records, source.lines) != (manifest.records, manifest.lines):
            yield f"segment {manifest.segment} counts other records than its receipt"


def _file_doubts(
    paths: Paths, day: date, sources: dict[str, SourceReceipt], files: Fingerprints
) -> Iterator[str]:
    for table in JOURNAL_TABLES:
        expected = {name: source.rows[table] for name, source in sources.items() if source.rows.get(table)}
        path = paths.lake_day(table, day)
        if not path.exists():
            if expected:
                yield f"{table} has no file of the day"
            continue
        if not is_vouched_for(path, files.get(table, ())):
            yield _unvouched(table, paths.lake_day_receipt(day))
            continue
        found: Counter[str] = Counter()
        # Every column is decoded: a damaged page shows, wherever it is.
        for rows in read_rows(path, SCHEMAS[table]):
            found.update(dict(rows.group_by("segment").len().iter_rows()))
        if found != Counter(expected):
            differing = sorted(
                name for name in found.keys() | expected.keys() if found[name] != expected.get(name, 0)
            )
            yield f"{table} holds other rows than its receipts say, of {', '.join(differing[:3])}"


def _unvouched(table: Table, receipt: Path) -> str:
    """Tells of a file that an earlier version has written, or that was made of one nobody vouches for."""
    return (
        f"no receipt tells what the bytes of {table} were: while the journal has the whole day, remove "
        f"{receipt}; compact_hours and close_day then make the day anew"
    )


def _quarantine_doubts(paths: Paths, day: date, sources: dict[str, SourceReceipt]) -> Iterator[str]:
    for name, source in sources.items():
        records = sum(sum(reasons.values()) for reasons in source.quarantined.values())
        expected = records + source.control_quarantined
        path = paths.quarantine_file(day, name)
        found = len(path.read_bytes().splitlines()) if path.exists() else 0
        if found != expected:
            yield f"the quarantine of {name} has {found} lines instead of {expected}"
