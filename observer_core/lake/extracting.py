"""From journal lines to the rows of each table.

Invariant: each line becomes a row of the one table that its channel belongs to, or a reject; a control
record becomes a row only where it tells of a hole or a gap, and is never counted as a record.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from types import MappingProxyType
from typing import Any

import polars as pl

from observer_core.brokers.kis.catalogue import (
    ASKED_FIELDS,
    CHANNELS,
    EXECUTION_FIELDS,
    MULTI_PRICE_FIELDS,
    Channel,
    Field,
)
from observer_core.journal.envelope import CONTROL_CHANNEL, WHOLE_FRAME, ControlKind
from observer_core.lake import gap_records, splitting
from observer_core.lake.keyed_rows import split_by_key
from observer_core.lake.ordering import is_constant
from observer_core.lake.parsing import INDEX, REJECTS, Parsed, parse_values, received_at, reject_all
from observer_core.lake.runs import Lines
from observer_core.lake.schemas import SCHEMAS, Table, table_of

_BASE64 = "base64"

# Tables whose records are JSON objects, and their fields.
_KEYED: Mapping[Table, Sequence[Field]] = MappingProxyType(
    {
        Table.SWING_SNAPSHOTS: MULTI_PRICE_FIELDS,
        Table.BACKFILL_TRADES: (*ASKED_FIELDS, *EXECUTION_FIELDS),
    }
)


def extract(table: Table, lines: Lines, day: date) -> Parsed:
    """Returns the rows of a table.

    Args:
        table: The table.
        lines: Lines that belong to it, with `index` and `segment`.
        day: Receive day, Korean time.
    """
    if table is Table.GAPS:
        return gap_records.parse(lines.frame, day)
    groups = _groups(lines.frame, "channel")
    return _joined(table, [_records(channel, table, group, lines, day) for channel, group in groups])


def route(envelopes: pl.DataFrame) -> Iterator[tuple[Table, pl.DataFrame]]:
    """Yields the lines of a block by the table they belong to; other control records belong to none."""
    for channel, group in _groups(envelopes, "channel"):
        if channel == CONTROL_CHANNEL:
            tells = pl.col("key").is_in([ControlKind.HOLE, ControlKind.GAP])
            # The symbol of a gap stands in its payload: without one key they are put in order together.
            yield Table.GAPS, group.filter(tells).with_columns(kind=pl.col("key"), key=pl.lit(""))
        else:
            kind = pl.Series("kind", [None], pl.String).new_from_index(0, group.height)
            yield table_of(channel), group.hstack([kind])


def _records(channel: str, table: Table, group: pl.DataFrame, lines: Lines, day: date) -> Parsed:
    whole = group["record"] != WHOLE_FRAME
    parts: list[Parsed] = []
    if not whole.all():
        parts.append(_rejected(table, reject_all(group.filter(~whole), "frame_not_split")))
        group = group.filter(whole)
    if table is Table.RAW_RECORDS:
        return _joined(table, [*parts, _raw(group, day)])
    encoded = group["encoding"].is_not_null()
    if encoded.any():
        parts.append(_rejected(table, _encoded_rejects(group.filter(encoded))))
        group = group.filter(~encoded)
    broken = group["payload"].str.contains(splitting.LINE_BREAKS)
    if broken.any():
        parts.append(_rejected(table, reject_all(group.filter(broken), "line_break_in_record")))
        group = group.filter(~broken)
    if table in _KEYED:
        return _joined(table, [*parts, _by_key(table, group, day)])
    # Where none was taken out, they stand as lines already.
    text = lines.text if group.height == lines.frame.height else splitting.lines_of(group["payload"])
    return _joined(table, [*parts, *_by_position(CHANNELS[channel], table, group, text, day)])


def _by_position(
    channel: Channel, table: Table, group: pl.DataFrame, text: bytes, day: date
) -> Iterator[Parsed]:
    """Cuts and parses the records of a channel, all at once or width by width."""
    if group.is_empty():
        return
    own = group.with_columns(pl.lit(channel.venue.value).alias("venue"))
    together = splitting.likely_width(text, own.height)
    if together is not None and channel.accepts(together):
        with suppress(splitting.RaggedRecordsError):
            yield _cut(channel, table, own, text, width=together, day=day)
            return
    own = own.with_columns(splitting.width())
    for width, same in _groups(own, "width"):
        if not channel.accepts(width):
            reason = "width_too_small" if width < channel.smallest_width else "width_too_large"
            yield _rejected(table, reject_all(same, reason))
            continue
        yield _cut(channel, table, same, splitting.lines_of(same["payload"]), width=width, day=day)


def _cut(channel: Channel, table: Table, same: pl.DataFrame, text: bytes, *, width: int, day: date) -> Parsed:
    values = splitting.split_by_position(text, same.height, channel.fields, width)
    return parse_values(same, values, channel.fields[:width], SCHEMAS[table], day)


def _by_key(table: Table, group: pl.DataFrame, day: date) -> Parsed:
    """Parses rows of the broker's REST answers, which are JSON objects."""
    fields = _KEYED[table]
    values, objects = split_by_key(group["payload"], fields)
    parts: list[Parsed] = []
    if not objects.all():
        parts.append(_rejected(table, reject_all(group.filter(~objects), "payload_not_json")))
        group, values = group.filter(objects), values.filter(objects)
    return _joined(table, [*parts, parse_values(group, values, fields, SCHEMAS[table], day)])


def _raw(group: pl.DataFrame, day: date) -> Parsed:
    """Keeps records of channels without a table as they are."""
    rejects = _encoded_rejects(group.filter(pl.col("encoding").is_not_null()))
    rejects = rejects.filter(pl.col("reason") != "payload_not_utf8")
    rows = group.join(rejects, on=INDEX, how="anti", maintain_order="left").with_columns(
        pl.lit(day).alias("trading_day"), received_at(), pl.col("key").alias("symbol")
    )
    return Parsed(rows.select(SCHEMAS[Table.RAW_RECORDS].polars.names()), rejects)


def _encoded_rejects(group: pl.DataFrame) -> pl.DataFrame:
    """Names what is wrong with payloads that are not text."""
    reasons = [
        _encoding_fault(encoding, payload) for encoding, payload in group.select("encoding", "payload").rows()
    ]
    return group.select(
        INDEX, pl.Series("reason", reasons, dtype=pl.String), pl.lit("payload").alias("field")
    ).match_to_schema(REJECTS)


def _encoding_fault(encoding: str, payload: str) -> str:
    if encoding != _BASE64:
        return "encoding_unknown"
    try:
        base64.b64decode(payload, validate=True)
    except ValueError:
        return "base64_not_valid"
    return "payload_not_utf8"


def _groups(rows: pl.DataFrame, column: str) -> Iterator[tuple[Any, pl.DataFrame]]:
    """Yields the rows of each value of a column; most often there is one, and nothing is moved."""
    if not rows.is_empty() and is_constant(rows[column]):
        yield rows[column][0], rows
        return
    for (value,), group in rows.partition_by(column, as_dict=True, maintain_order=True).items():
        yield value, group


def _rejected(table: Table, rejects: pl.DataFrame) -> Parsed:
    return Parsed(SCHEMAS[table].empty(), rejects)


def _joined(table: Table, parts: Sequence[Parsed]) -> Parsed:
    if len(parts) == 1:
        return parts[0]
    return Parsed(
        pl.concat([SCHEMAS[table].empty(), *(part.rows for part in parts)]),
        pl.concat([pl.DataFrame(schema=REJECTS), *(part.rejects for part in parts)]),
    )
