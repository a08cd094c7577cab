"""From sealed segments to finished table files, not yet published.

Invariant: of each segment, records = rows + lines set aside, checked between the manifest, the rows
of the finished files and the rejects; the files hold what the receipts say.

Two passes: first every segment is read and its lines spooled, then each table is taken out of the
spool in its final order, cut and typed range by range, and written.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path

import polars as pl

from observer_core.errors import ConservationError
from observer_core.journal import SealedSegment
from observer_core.lake import quarantine
from observer_core.lake.ahead import made_ahead
from observer_core.lake.extracting import extract
from observer_core.lake.merging import last_row, refuse_doubles
from observer_core.lake.ordering import in_order
from observer_core.lake.parquet import FileSource, TableWriter, row_count
from observer_core.lake.parsing import INDEX
from observer_core.lake.quarantine import Entry
from observer_core.lake.receipts import SourceReceipt
from observer_core.lake.runs import Lines
from observer_core.lake.schemas import SCHEMAS, Table
from observer_core.lake.segments import SegmentIntake, read_segments
from observer_core.lake.spool import Spool

# How a receipt calls a line whose channel is known from the manifest's count only.
UNREADABLE = "unreadable"

# Chunks of rows that wait for being written: now one takes longer to make, now one to write.
_CHUNKS_AHEAD = 2


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
            # Three threads at work: one puts lines together, one makes rows of them, this one writes those.
            with (
                closing(made_ahead(spool.take(table))) as chunks,
                closing(made_ahead(map(partial(_extracted, table, day), chunks), _CHUNKS_AHEAD)) as extracted,
            ):
                for rows in _rows(table, extracted, counts, entries):
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
    table: Table,
    extracted: Iterable[tuple[pl.DataFrame, Sequence[Entry]]],
    counts: defaultdict[str, _Counts],
    entries: list[Entry],
) -> Iterator[pl.DataFrame]:
    """Yields the rows of a table in its order, and counts them and what is no row."""
    schema = SCHEMAS[table]
    before: pl.DataFrame | None = None
    for rows, rejected in extracted:
        refuse_doubles(rows, schema, before)
        before = before if rows.is_empty() else last_row(rows, schema)
        for segment, number in rows.group_by("segment").len().iter_rows():
            counts[segment].rows[table] += number
        for entry in rejected:
            counts[entry.segment].quarantined[table][entry.reason] += 1
        entries.extend(rejected)
        yield rows


def _extracted(table: Table, day: date, lines: Lines) -> tuple[pl.DataFrame, Sequence[Entry]]:
    """Returns the rows of some lines in the table's order, and the lines that are none; their text goes."""
    numbered = replace(lines, frame=lines.frame.with_row_index(INDEX))
    parsed = extract(table, numbered, day)
    rejected = quarantine.reject_entries(numbered.frame, parsed.rejects)
    return in_order(parsed.rows, SCHEMAS[table].sort_key), rejected


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
