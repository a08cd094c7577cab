"""Quarantine: the lines that compaction could not understand, whole and with the reason.

Invariant: a segment has at most one file of them, which is written anew as a whole; each line of it
tells the reason, the identity of the record as far as it could be read, and the journal line verbatim.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from observer_core.journal.content import open_content
from observer_core.lake.parsing import INDEX
from observer_core.lake.reading import Block, Unreadable

IDENTITY = ("provider", "shard", "epoch", "frame", "record", "channel", "key", "wall_ns")


@dataclass(frozen=True, slots=True)
class Entry:
    """A line set aside.

    Attributes:
        segment: The segment it stands in.
        number: Its number in the segment, from 1.
        reason: Why it is no row.
        column: The column at fault; empty where it is the line or the whole record.
        identity: Values of `IDENTITY` that name the record; none where the envelope cannot be read.
    """

    segment: str
    number: int
    reason: str
    column: str = ""
    identity: tuple[str | int, ...] = ()


def unreadable_entry(segment: str, block: Block, line: Unreadable) -> Entry:
    """Returns the entry of a line whose envelope cannot be read."""
    return Entry(segment, block.first_line + line.index + 1, line.reason)


def reject_entries(envelopes: pl.DataFrame, rejects: pl.DataFrame) -> list[Entry]:
    """Returns the entries of records that cannot become rows.

    Args:
        envelopes: Lines with `segment` and `number`.
        rejects: `index`, `reason` and `field` (see `parsing.Parsed`).
    """
    if rejects.is_empty():
        return []
    # A control record's key stands in `kind` (see `extracting.route`).
    named = envelopes.with_columns(pl.coalesce("kind", "key").alias("key")).select(
        INDEX, "segment", "number", *IDENTITY
    )
    found = rejects.join(named, on=INDEX, how="inner", validate="1:1").drop(INDEX)
    return [
        Entry(segment, number, reason, column, tuple(identity))
        for reason, column, segment, number, *identity in found.iter_rows()
    ]


def encode(segment: Path, entries: Sequence[Entry]) -> bytes:
    """Returns the content of a segment's quarantine file, in the order of the segment.

    Args:
        segment: The segment's file, from which the lines are taken.
        entries: Its lines that were set aside.
    """
    wanted = {entry.number: entry for entry in entries}
    with open_content(segment) as file:
        lines = [(wanted[n], line) for n, line in enumerate(file, start=1) if n in wanted]
    return b"".join(_encode(entry, line.removesuffix(b"\n")) for entry, line in lines)


def _encode(entry: Entry, line: bytes) -> bytes:
    content: dict[str, Any] = {
        "reason": entry.reason,
        "field": entry.column,
        "number": entry.number,
        "identity": dict(zip(IDENTITY, entry.identity, strict=False)),
    }
    try:
        content["line"] = line.decode()
    except UnicodeDecodeError:
        content |= {"line": base64.b64encode(line).decode(), "encoding": "base64"}
    return json.dumps(content, ensure_ascii=False).encode() + b"\n"


def by_segment(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Returns the entries of each segment."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.segment, []).append(entry)
    return found
