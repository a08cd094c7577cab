"""From sealed segments to finished table files, not yet published.

Invariant: of each segment, records = rows + lines set aside, checked between the manifest, the rows
of the finished files and the rejects; the files hold what the receipts say.

Two passes: first every segment is read and its lines spooled, then each table is taken out of the
spool in its final order, cut and typed range by range, and written.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import polars as pl

from observer_core.errors import ConservationError
from observer_core.journal import SealedSegment
from observer_core.lake import quarantine
from observer_core.lake.ahead import one_ahead
from observer_core.lake.extracting import extract
from observer_core.lake.merging import refuse_doubles
from observer_core.lake.ordering import in_order
from observer_core.lake.parquet import FileSource, TableWriter, row_count
from observer_core.lake.parsing import INDEX
from observer_core.lake.quarantine import Entry
from observer_core.lake.receipts import SourceReceipt
from observer_core.lake.schemas import SCHEMAS, Table
from observer_core.lake.segments import SegmentIntake, read_segments
from observer_core.lake.spool import Spool

# How a receipt calls a line whose channel is known from the manifest's count only.
UNREADABLE = "unreadable"


@dataclass(slots=True)
class _Counts:
    """Where the lines of one segment went."""

    rows: Counter[str] = field(default_factory=Counter)
    quarantined: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))


@dataclass(frozen=True, slots=True)
class Converted:
    """Finished files and what they account for.

    Attributes:
        files: Table -> its file in the work folder.
        receipts: Of each segment.
        set_aside: Segment -> its lines that are no rows.
    """

    files: dict[Table, Path]
    receipts: tuple[SourceReceipt, ...]
    set_aside: dict[str, list[Entry]]


def convert(segments: Sequence[SealedSegment], day: date, work: Path) -> Converted:
    """Makes the table files of some segments of one receive day.

    Args:
        segments: The segments; of one hour, as a rule.
        day: Their receive day, Korean time.
        work: An empty folder.

    Raises:
        ConservationError: What came out is not what the manifests say.
    """
    spool = Spool(work)
    intakes = read_segments(segments, spool)
    entries = [entry for intake in intakes for entry in intake.unreadable]
    counts: defaultdict[str, _Counts] = defaultdict(_Counts)
    files: dict[Table, Path] = {}
    for table in spool.tables:
        path = work / f"{table}.parquet"
        with TableWriter(path, SCHEMAS[table]) as writer:
            for rows in one_ahead(_rows(table, spool, day, counts, entries)):
                writer.write(rows)
            sources = _sources(table, intakes, counts)
            writer.name_sources(sources)
        written, expected = row_count(path), sum(source.rows for source in sources)
        if written != expected:
            raise ConservationError(f"{table} of {day} has {written} rows; its segments have {expected}.")
        if written:
            files[table] = path
    receipts = tuple(_receipt(intake, counts[intake.sealed.manifest.segment]) for intake in intakes)
    return Converted(files, receipts, quarantine.by_segment(entries))


def _rows(
    table: Table, spool: Spool, day: date, counts: defaultdict[str, _Counts], entries: list[Entry]
) -> Iterator[pl.DataFrame]:
    """Yields the rows of a table in its order, and counts them."""
    schema = SCHEMAS[table]
    before: pl.DataFrame | None = None
    for lines in spool.take(table):
        envelopes = lines.with_row_index(INDEX)
        parsed = extract(table, envelopes, day)
        rows = in_order(parsed.rows, schema.sort_key)
        refuse_doubles(rows, schema, before)
        # A value each, and not a slice: that would keep all of the rows.
        before = before if rows.is_empty() else rows.select(pl.all().last())
        for segment, number in rows.group_by("segment").len().iter_rows():
            counts[segment].rows[table] += number
        rejected = quarantine.reject_entries(envelopes, parsed.rejects)
        for entry in rejected:
            counts[entry.segment].quarantined[table][entry.reason] += 1
        entries.extend(rejected)
        yield rows


def _sources(
    table: Table, intakes: Sequence[SegmentIntake], counts: defaultdict[str, _Counts]
) -> list[FileSource]:
    manifests = [intake.sealed.manifest for intake in intakes]
    found = [
        FileSource(manifest.segment, manifest.sha256, manifest.hour, counts[manifest.segment].rows[table])
        for manifest in manifests
    ]
    return [source for source in found if source.rows]


def _receipt(intake: SegmentIntake, count: _Counts) -> SourceReceipt:
    manifest, quarantined = intake.sealed.manifest, count.quarantined
    control = sum(quarantined.pop(Table.GAPS, Counter()).values())
    for table, number in intake.unreadable_records.items():
        quarantined[table][UNREADABLE] += number
    records_unreadable = sum(intake.unreadable_records.values())
    return SourceReceipt(
        segment=manifest.segment,
        track=manifest.track,
        sha256=manifest.sha256,
        lines=manifest.lines,
        records=manifest.records,
        rows={str(table): rows for table, rows in sorted(count.rows.items()) if rows},
        quarantined={
            str(table): dict(sorted(reasons.items())) for table, reasons in sorted(quarantined.items())
        },
        control_quarantined=control + len(intake.unreadable) - records_unreadable,
        intact=intake.intact,
    )
