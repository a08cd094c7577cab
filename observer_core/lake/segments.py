"""Reading sealed segments into the spool.

Invariant: what the manifest counts, channel by channel, is found again; a line that cannot be read is
charged to the channel in which one is missing. Where that does not add up, nothing is compacted. A
segment whose SHA-256 is not the manifest's is read again, with the CRC of each line.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import polars as pl

from observer_core.errors import ConservationError
from observer_core.journal.content import open_content
from observer_core.journal.envelope import CONTROL_CHANNEL
from observer_core.journal.segment import Manifest, SealedSegment
from observer_core.lake import quarantine
from observer_core.lake.ahead import made_ahead
from observer_core.lake.extracting import route
from observer_core.lake.ordering import is_constant
from observer_core.lake.quarantine import Entry
from observer_core.lake.reading import BLOCK_BYTES, Block, Envelopes, open_envelopes, read_blocks
from observer_core.lake.schemas import Table, table_of
from observer_core.lake.spool import Spool

# The spool sorts now and then, for as long as this many blocks take to be read.
_BLOCKS_AHEAD = 6
# Columns of no use once lines are counted.
_NOT_SPOOLED = ("index", "v")


@dataclass(slots=True)
class SegmentIntake:
    """What was read of a segment.

    Attributes:
        sealed: The segment.
        lines: Lines found.
        channels: Channel -> readable lines.
        unreadable: Entries of the lines that cannot be read.
        missing: Channel -> lines of it that cannot be read, by the manifest's count.
        intact: Whether the file's SHA-256 is the manifest's.
    """

    sealed: SealedSegment
    lines: int = 0
    channels: Counter[str] = field(default_factory=Counter)
    unreadable: list[Entry] = field(default_factory=list)
    missing: dict[str, int] = field(default_factory=dict)
    intact: bool = False

    @property
    def unreadable_records(self) -> dict[Table, int]:
        """Table -> records that cannot be read."""
        found: Counter[Table] = Counter()
        for channel, number in self.missing.items():
            if channel != CONTROL_CHANNEL:
                found[table_of(channel)] += number
        return {table: number for table, number in found.items() if number}


def read_segments(
    segments: Sequence[SealedSegment], spool: Spool, *, block_bytes: int = BLOCK_BYTES
) -> list[SegmentIntake]:
    """Reads segments and spools their lines.

    Args:
        segments: The segments with their manifests.
        spool: Takes the lines.
        block_bytes: Bytes of a segment in memory at once.

    Raises:
        ConservationError: Lines and manifest of one do not add up; the message tells both counts.
    """
    suspect: frozenset[str] = frozenset()
    while True:
        intakes = [SegmentIntake(sealed) for sealed in segments]
        # Three threads at work: one reads and hashes, one opens lines, and this one puts them in order.
        with (
            closing(made_ahead(_read(intakes, block_bytes))) as blocks,
            closing(made_ahead(_opened(blocks, suspect), _BLOCKS_AHEAD)) as ready,
        ):
            for intake, block, opened in ready:
                _take_over(block, opened, intake, spool)
        damaged = {intake.sealed.manifest.segment for intake in intakes if not intake.intact}
        if damaged <= suspect:
            break
        spool.clear()
        suspect |= damaged
    for intake in intakes:
        _settle_unreadable(intake.sealed.manifest, intake)
    return intakes


def _read(intakes: Sequence[SegmentIntake], block_bytes: int) -> Iterator[tuple[SegmentIntake, Block]]:
    for intake in intakes:
        digest = hashlib.sha256()
        with open_content(intake.sealed.path) as file:
            for block in read_blocks(file, block_bytes=block_bytes):
                # Before it is handed on: who opens a block writes into it.
                digest.update(block.content)
                yield intake, block
        intake.intact = digest.hexdigest() == intake.sealed.manifest.sha256


def _opened(
    blocks: Iterator[tuple[SegmentIntake, Block]], suspect: frozenset[str]
) -> Iterator[tuple[SegmentIntake, Block, Envelopes]]:
    for intake, block in blocks:
        verify = intake.sealed.manifest.segment in suspect
        yield intake, block, open_envelopes(block, verify=verify)


def _take_over(block: Block, opened: Envelopes, intake: SegmentIntake, spool: Spool) -> None:
    intake.lines += len(block.ends)
    intake.unreadable.extend(
        quarantine.unreadable_entry(intake.sealed.manifest.segment, block, line) for line in opened.unreadable
    )
    if opened.frame.is_empty():
        return
    intake.channels.update(_counted(opened.frame["channel"]))
    segment = pl.Series("segment", [intake.sealed.manifest.segment]).new_from_index(0, opened.frame.height)
    number = (opened.frame["index"] + (block.first_line + 1)).alias("number")
    lines = opened.frame.hstack([segment, number])
    for table, routed in route(lines[[name for name in lines.columns if name not in _NOT_SPOOLED]]):
        spool.add(table, routed)


def _counted(values: pl.Series) -> dict[str, int]:
    """Returns how often each value occurs; most often there is one."""
    if is_constant(values):
        return {values[0]: len(values)}
    return dict(values.value_counts().iter_rows())


def _settle_unreadable(manifest: Manifest, intake: SegmentIntake) -> None:
    """Charges unreadable lines to the channels in which the manifest counts more than was found."""
    stated = {channel: sum(keys.values()) for channel, keys in manifest.counts.items()}
    missing = {
        channel: stated.get(channel, 0) - intake.channels[channel]
        for channel in sorted(stated.keys() | intake.channels.keys())
    }
    adds_up = (
        intake.lines == manifest.lines
        and manifest.records == manifest.lines - stated.get(CONTROL_CHANNEL, 0)
        and all(number >= 0 for number in missing.values())
        and sum(missing.values()) == len(intake.unreadable)
    )
    if not adds_up:
        differing = {channel: -number for channel, number in missing.items() if number}
        raise ConservationError(
            f"Segment {manifest.segment} of {manifest.day}: the manifest counts {manifest.lines} lines and "
            f"{manifest.records} records; found were {intake.lines} lines, {len(intake.unreadable)} of them "
            f"unreadable; difference by channel: {differing}.",
            remedy="Restore segment and manifest from the backup target. Where neither is there: move the "
            "manifest away and restart the collector, which seals what can be read of the segment anew.",
        )
    intake.missing = {channel: number for channel, number in missing.items() if number}
