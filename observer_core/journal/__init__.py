"""The journal: what the broker sent, line by line, exactly as it came.

On disk, one folder a track and receive day (Korean time) holds the segments of every shard:

    <shard>_<HH>_<sequence>.jsonl.open       being written; nobody but its writer touches it
    <shard>_<HH>_<sequence>.jsonl            complete
    <shard>_<HH>_<sequence>.manifest.json    states what the segment holds; with it, it is sealed
    <shard>_<HH>_<sequence>.jsonl.torn       what recovery had to cut off, kept for people

Writing: lines are collected in memory and reach the disk in groups, by default every 500 ms of real
time; that is the window of loss when the machine dies, and it is the same when only the process
dies. A segment is sealed when the receive hour changes, when it is large enough, and at a stop:
flush, fsync, rename, fsync of the folder, manifest. Every step can be repeated, so a full disk only
delays it.

Reading: whoever reads takes sealed segments (`reader`). A segment that was open when its process
died is cut after its last whole line and sealed by the next writer (`recovery`).

Identity: (provider, shard, epoch, frame, record) names a line for ever. An epoch is one broker
connection; its number is persisted before its first line is written (`epochs`).
"""

from observer_core.journal.envelope import (
    CONTROL_CHANNEL,
    PLAIN_BYTES,
    WHOLE_FRAME,
    ControlKind,
    JournalLine,
    LineBuilder,
    Received,
    checked,
    is_plain,
    is_plain_bytes,
    parse_line,
)
from observer_core.journal.epochs import EpochStore
from observer_core.journal.open_segment import WriterSettings
from observer_core.journal.reader import read_lines, sealed_segments
from observer_core.journal.segment import Manifest, SealedSegment, SealReason, SegmentName
from observer_core.journal.writer import JournalState, JournalWriter

__all__ = [
    "CONTROL_CHANNEL",
    "PLAIN_BYTES",
    "WHOLE_FRAME",
    "ControlKind",
    "EpochStore",
    "JournalLine",
    "JournalState",
    "JournalWriter",
    "LineBuilder",
    "Manifest",
    "Received",
    "SealReason",
    "SealedSegment",
    "SegmentName",
    "WriterSettings",
    "checked",
    "is_plain",
    "is_plain_bytes",
    "parse_line",
    "read_lines",
    "sealed_segments",
]
