"""Reading the lines of a sealed segment for compaction.

Invariant: every line of the file is either a row of the envelopes or in `unreadable` with its reason,
once. Memory holds one block of the file, whatever its size.

A line's CRC need not be computed where the SHA-256 of the whole segment is the manifest's: writer and
recovery take it over lines whose CRC they have made or verified (decision 0024). Of any other segment the
CRC of each line is verified. Plain lines are opened by their form; only a block in which something is
wrong is looked at line by line.
"""

from __future__ import annotations

import io
import json
import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import numpy.typing as npt
import polars as pl
from polars.exceptions import PolarsError

from observer_core.journal.envelope import FORMAT, is_whole
from observer_core.lake.bytes_found import places_of
from observer_core.lake.plain_lines import PADDING, open_plain

# 4 MiB hold about 10,000 trades: what is made of them on the way stays in the processor's cache.
BLOCK_BYTES = 4 * 1024 * 1024
# Room behind it for the rest of its last line: longer ones make the block be copied.
_REST_BYTES = 64 * 1024

# Each line ends like this, with its own digits.
_SEAL = b',"crc":"00000000"}'
_SEAL_LENGTH = len(_SEAL)
_DIGITS = range(_SEAL.index(b"0"), _SEAL.index(b"0") + 8)

_ENVELOPE = pl.Schema(
    {
        "v": pl.Int64(),
        "provider": pl.String(),
        "shard": pl.String(),
        "epoch": pl.Int64(),
        "frame": pl.Int64(),
        "record": pl.Int64(),
        "wall_ns": pl.Int64(),
        "channel": pl.String(),
        "key": pl.String(),
        "payload": pl.String(),
        "encoding": pl.String(),
    }
)
_OPTIONAL = {"encoding"}
_TYPES = {name: int if dtype == pl.Int64 else str for name, dtype in _ENVELOPE.items()}


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines of a segment.

    Attributes:
        buffer: Their bytes, and `PADDING` zeros at least.
        size: How many bytes the lines have.
        ends: Where each line's newline stands; behind the lines where the last one has none.
        first_line: Number of the first line in the segment, from 0.
    """

    buffer: bytearray
    size: int
    ends: npt.NDArray[np.int64]
    first_line: int

    @property
    def content(self) -> memoryview:
        """The lines' bytes."""
        return memoryview(self.buffer)[: self.size]

    @property
    def is_ended(self) -> bool:
        """Whether the last line has its newline."""
        return int(self.ends[-1]) < self.size

    def line(self, index: int) -> bytes:
        """Returns a line of the block without its newline."""
        start = int(self.ends[index - 1]) + 1 if index else 0
        return bytes(self.buffer[start : self.ends[index]])


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line whose envelope cannot be read.

    Attributes:
        index: Its index in the block.
        reason: `not_json`, `crc_mismatch`, `envelope_not_valid` or `format_unknown`.
    """

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class Envelopes:
    """The lines of a block, opened.

    Attributes:
        frame: One row a readable line, with its `index` in the block.
        unreadable: The other lines.
    """

    frame: pl.DataFrame
    unreadable: Sequence[Unreadable]


def read_blocks(file: io.BufferedIOBase, *, block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """Yields the lines of a segment in blocks.

    Args:
        file: The segment, opened for reading bytes.
        block_bytes: Bytes to read at once; a block is larger where one line is.
    """
    first_line = 0
    while True:
        buffer, size = _read(file, block_bytes)
        if not size:
            return
        block = Block(buffer, size, _ends(buffer, size), first_line)
        yield block
        first_line += len(block.ends)


def _read(file: io.BufferedIOBase, block_bytes: int) -> tuple[bytearray, int]:
    """Reads a block into a buffer of its own, without a copy on the way; returns its bytes as well."""
    buffer = bytearray(block_bytes + _REST_BYTES)
    with memoryview(buffer) as whole, whole[:block_bytes] as room:
        size = file.readinto(room)
    rest = file.readline() if size else b""
    buffer[size : size + len(rest)] = rest
    size += len(rest)
    buffer.extend(bytes(max(0, size + PADDING - len(buffer))))
    return buffer, size


def open_envelopes(block: Block, *, verify: bool) -> Envelopes:
    """Reads the envelopes of a block.

    Args:
        block: The lines.
        verify: Whether each line's CRC is verified; else they count as sealed.
    """
    if verify and not _all_whole(block):
        return _open_one_by_one(block, range(len(block.ends)))
    plain = open_plain(block.buffer, block.ends) if block.is_ended else None
    if plain is None:
        return _open_json(block, np.arange(len(block.ends)))
    frame = plain.frame.hstack(
        [pl.Series("encoding", [None], pl.String).new_from_index(0, plain.frame.height)]
    )
    frame = frame[["index", *_ENVELOPE]]
    if not len(plain.others):
        return Envelopes(frame, [])
    rest = _open_json(block, plain.others)
    return Envelopes(pl.concat([frame, rest.frame]).sort("index"), rest.unreadable)


def _open_json(block: Block, lines: npt.NDArray[np.int64]) -> Envelopes:
    """Reads lines as JSON; where one is none, each is looked at alone."""
    whole = len(lines) == len(block.ends)
    content = block.content if whole else b"\n".join(block.line(index) for index in lines.tolist())
    try:
        frame = pl.read_ndjson(io.BytesIO(content), schema=_ENVELOPE)
    except PolarsError:
        return _open_one_by_one(block, lines.tolist())
    if frame.height != len(lines):
        return _open_one_by_one(block, lines.tolist())
    return _without_incomplete(_indexed(frame, lines.tolist()), [])


def _indexed(frame: pl.DataFrame, lines: Sequence[int]) -> pl.DataFrame:
    return frame.insert_column(0, pl.Series("index", lines, dtype=pl.get_index_type()))


def _ends(buffer: bytearray, size: int) -> npt.NDArray[np.int64]:
    ends = places_of(np.frombuffer(buffer, np.uint8, size), ord("\n"))
    return ends if len(ends) and ends[-1] == size - 1 else np.append(ends, size)


def _all_whole(block: Block) -> bool:
    """Returns whether every line is complete and its CRC fits (see `journal.envelope.is_whole`)."""
    view, start = block.content, 0
    computed, seals = [], []
    for end in block.ends.tolist():
        computed.append(crc32(view[start : end - _SEAL_LENGTH]))
        seals.append(view[max(0, end - _SEAL_LENGTH) : end])
        start = end + 1
    return _stated(b"".join(seals), len(seals)) == array("I", computed)


def _stated(seals: bytes, number: int) -> array[int] | None:
    """Returns the CRCs that seals state; None where one is no seal."""
    digits = bytearray(8 * number)
    for position, byte in enumerate(_SEAL):
        column = seals[position::_SEAL_LENGTH]
        if position in _DIGITS and len(column) == number:
            digits[position - _DIGITS[0] :: 8] = column
        elif column != bytes([byte]) * number:
            return None
    try:
        stated = array("I", bytes.fromhex(digits.decode("ascii")))
    except ValueError:
        return None
    if sys.byteorder == "little":
        stated.byteswap()
    return stated


def _open_one_by_one(block: Block, lines: Sequence[int]) -> Envelopes:
    """Reads lines of which at least one is not as it should be."""
    good: list[int] = []
    unreadable: list[Unreadable] = []
    for index in lines:
        reason = _fault(block.line(index))
        if reason is None:
            good.append(index)
        else:
            unreadable.append(Unreadable(index, reason))
    content = b"\n".join(block.line(index) for index in good)
    frame = pl.read_ndjson(io.BytesIO(content), schema=_ENVELOPE) if good else pl.DataFrame(schema=_ENVELOPE)
    return _without_incomplete(_indexed(frame, good), unreadable)


def _fault(line: bytes) -> str | None:
    """Returns why a line cannot be opened; None where it can."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return "not_json"
    if not is_whole(line + b"\n"):
        return "crc_mismatch"
    if not isinstance(fields, dict):
        return "envelope_not_valid"
    typed = all(_fits(fields.get(name), kind) for name, kind in _TYPES.items() if name not in _OPTIONAL)
    return None if typed and _fits(fields.get("encoding", ""), str) else "envelope_not_valid"


def _fits(value: object, kind: type) -> bool:
    """Returns whether a value of JSON fits a column of the envelope."""
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
    # A lone surrogate is no text that a file can hold.
    return isinstance(value, str) and _is_utf8(value)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _without_incomplete(frame: pl.DataFrame, unreadable: Sequence[Unreadable]) -> Envelopes:
    """Takes lines out that are whole, but no envelope of the format this version reads."""
    required = [name for name in _ENVELOPE if name not in _OPTIONAL]
    complete = pl.all_horizontal(pl.col(required).is_not_null())
    known = pl.col("v") == FORMAT
    bad = frame.filter(~(complete & known).fill_null(value=False))
    if bad.is_empty():
        return Envelopes(frame, unreadable)
    reasons = bad.select(
        "index",
        pl.when(complete)
        .then(pl.lit("format_unknown"))
        .otherwise(pl.lit("envelope_not_valid"))
        .alias("reason"),
    )
    more = [Unreadable(index, reason) for index, reason in reasons.iter_rows()]
    return Envelopes(frame.filter(complete & known), [*unreadable, *more])
