"""Frames in the binary form of COPY (PostgreSQL manual, COPY, "Binary Format").

Invariant: what PostgreSQL reads is what the frame holds: a null is one, an empty text is a text; instants
are exact to the microsecond, numbers to the bit. A text of PostgreSQL cannot hold the character NUL, and
shows U+FFFD in its place.

A row is the number of its fields, and of each field its length and its bytes. Columns are put into their
places one after the other, some thousand rows at once: those that have one length in all of these rows lie
side by side in one array and are moved as one piece, so that sixty columns are a few moves. That is a
fraction of the work of writing CSV, and the server then parses no text.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from observer_core.lake.text_views import pieces

_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
_TRAILER = struct.pack(">h", -1)
_NUL, _SHOWN = "\0", "\ufffd"
_NULL_LENGTH = -1
# What is made of them stays in the processor's cache.
_SLICE_ROWS = 8_192
# Object number of the type `text`, and the number of the first element of an array.
_TEXT_TYPE, _FIRST = 25, 1

# PostgreSQL counts from 2000 on.
_UNIX_TO_POSTGRES_DAYS = (date(2000, 1, 1) - date(1970, 1, 1)).days
_UNIX_TO_POSTGRES_MICROSECONDS = (
    int((datetime(2000, 1, 1, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 1_000_000
)

_Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Even:
    """A column whose field has one length in all rows.

    Attributes:
        length: What stands before each value: its bytes, or `_NULL_LENGTH`.
        values: Of each row; None where there is nothing in any.
        wire: Their type as PostgreSQL holds them: the highest byte first.
    """

    length: int
    values: npt.NDArray[np.generic] | None = None
    wire: str = ""


@dataclass(frozen=True, slots=True)
class _Uneven:
    """A column whose field differs in length.

    Attributes:
        content: The values, somewhere in it.
        starts: Where the value of each row begins.
        lengths: Its bytes; `_NULL_LENGTH` for a null.
    """

    content: bytes | memoryview
    starts: _Places
    lengths: _Places


_Column = _Even | _Uneven


def encode(frames: Iterable[pl.DataFrame]) -> Generator[bytes, None, None]:
    """Yields rows as the content of one COPY in binary form: pieces of a few MB, each when it is asked for.

    Args:
        frames: Rows, of any number. Columns of `Int64` (bigint), `Float64` (double precision), `Datetime` in
            microseconds (timestamptz), `Date` (date), `Boolean` (boolean), `String` (text) and
            `List(String)` (text[]).

    Raises:
        TypeError: A column is of another type.
    """
    yield _HEADER
    for rows in frames:
        for start in range(0, rows.height, _SLICE_ROWS):
            yield bytes(_encode_slice(rows.slice(start, _SLICE_ROWS)))
    yield _TRAILER


def _encode_slice(rows: pl.DataFrame) -> bytearray:
    groups = _together([_column(column) for column in rows.iter_columns()], rows.height)
    widths = [_widths(group) for group in groups]
    ends = np.cumsum(np.broadcast_to(sum(widths, np.zeros(1, np.int64)), (rows.height,)))
    out = bytearray(int(ends[-1]))
    places = np.zeros(rows.height, np.int64)
    places[1:] = ends[:-1]
    for group, width in zip(groups, widths, strict=True):
        if isinstance(group, _Uneven):
            _put_uneven(out, places, group)
        else:
            _put(out, places, group)
        places += width
    return out


def _together(columns: Sequence[_Column], height: int) -> list[npt.NDArray[np.void] | _Uneven]:
    """Joins neighbours of even length to one array; the number of fields stands before the first."""
    groups: list[npt.NDArray[np.void] | _Uneven] = []
    number = _Even(2, np.full(height, len(columns), np.int16), ">i2")
    waiting: list[tuple[_Even, bool]] = [(number, False)]
    for column in columns:
        if isinstance(column, _Even):
            waiting.append((column, True))
            continue
        if waiting:
            groups.append(_side_by_side(waiting, height))
            waiting = []
        groups.append(column)
    if waiting:
        groups.append(_side_by_side(waiting, height))
    return groups


def _side_by_side(columns: Sequence[tuple[_Even, bool]], height: int) -> npt.NDArray[np.void]:
    """Returns an array of fields, each with its length before it where that is wanted."""
    kinds: list[tuple[str, str]] = []
    for place, (column, with_length) in enumerate(columns):
        kinds += [(f"length_{place}", ">i4")] if with_length else []
        kinds += [(f"value_{place}", column.wire)] if column.values is not None else []
    row = np.zeros(1, np.dtype(kinds))
    for place, (column, with_length) in enumerate(columns):
        if with_length:
            row[f"length_{place}"] = column.length
    # The lengths of all columns in one move a row, then each column's values.
    group = np.full(height, row.view(f"V{row.itemsize}")[0]).view(row.dtype)
    for place, (column, _) in enumerate(columns):
        if column.values is not None:
            group[f"value_{place}"] = column.values
    return group


def _widths(group: npt.NDArray[np.void] | _Uneven) -> _Places:
    """Returns the bytes that a group takes in each row; one number where it is the same in all."""
    if isinstance(group, _Uneven):
        return np.maximum(group.lengths, 0) + 4
    return np.array([group.itemsize], np.int64)


def _put_uneven(out: bytearray, places: _Places, group: _Uneven) -> None:
    # Few lengths are different: each is one move.
    for length in np.unique(group.lengths).tolist():
        chosen = np.flatnonzero(group.lengths == length)
        column = _spans(group.content, group.starts[chosen], length)
        _put(out, places[chosen], _side_by_side([(column, True)], len(chosen)))


def _put(out: bytearray, places: _Places, fields: npt.NDArray[np.void]) -> None:
    """Writes a row of fields at each place."""
    length = fields.itemsize
    # Of a type without alignment: numpy then copies each row at once.
    everywhere = np.ndarray((len(out) - length + 1,), f"V{length}", out, strides=(1,))
    everywhere[places] = fields.view(f"V{length}")


def _spans(content: bytes | memoryview, starts: _Places, length: int) -> _Even:
    """Returns values of one length that begin at some places."""
    if length <= 0:
        return _Even(length)
    return _Even(length, pieces(content, starts, length).view(f"V{length}").ravel(), f"V{length}")


def _column(column: pl.Series) -> _Column:
    kind = column.dtype
    nulls = column.null_count()
    if nulls == len(column):
        return _Even(_NULL_LENGTH)
    if kind == pl.String:
        return _texts(column)
    if kind == pl.List(pl.String):
        return _arrays(column)
    values, wire = _fixed(column if not nulls else column.fill_null(strategy="zero"))
    length = np.dtype(wire).itemsize
    if not nulls:
        return _Even(length, values, wire)
    lengths = np.where(column.is_null().to_numpy(), _NULL_LENGTH, length)
    return _Uneven(values.astype(wire).tobytes(), np.arange(len(column)) * length, lengths)


def _fixed(column: pl.Series) -> tuple[npt.NDArray[np.generic], str]:
    """Returns values of one length, without nulls, and their type on the wire."""
    kind = column.dtype
    if kind == pl.Int64:
        return column.to_numpy(), ">i8"
    if kind == pl.Float64:
        return column.to_numpy(), ">f8"
    if kind == pl.Datetime("us", "UTC"):
        return column.to_physical().to_numpy() - _UNIX_TO_POSTGRES_MICROSECONDS, ">i8"
    if kind == pl.Date:
        return column.to_physical().to_numpy() - _UNIX_TO_POSTGRES_DAYS, ">i4"
    if kind == pl.Boolean:
        return column.to_numpy(), "u1"
    raise TypeError(f"{column.name} is of type {kind}, which no table of the warehouse has.")


def _texts(column: pl.Series) -> _Column:
    content, places = _as_text(column)
    if b"\0" in bytes(content):
        content, places = _as_text(column.str.replace_all(_NUL, _SHOWN, literal=True))
    lengths = np.diff(places)
    if column.null_count():
        lengths[column.is_null().to_numpy()] = _NULL_LENGTH
    length = int(lengths[0])
    if (lengths == length).all():
        return _spans(content, places[:-1], length)
    return _Uneven(content, places[:-1], lengths)


def _as_text(column: pl.Series) -> tuple[memoryview, _Places]:
    """Returns the texts one after the other, and where each begins and the last one ends."""
    array = column.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, text = array.buffers()
    places = np.frombuffer(offsets, np.int64)[array.offset :][: len(column) + 1]
    return memoryview(b"" if text is None else text), places


def _arrays(column: pl.Series) -> _Uneven:
    """Returns lists of texts; nearly all of them are null."""
    values = [b"" if found is None else _array(found) for found in column.to_list()]
    lengths = np.array([len(value) for value in values], np.int64)
    starts = np.cumsum(lengths) - lengths
    lengths[column.is_null().to_numpy()] = _NULL_LENGTH
    return _Uneven(b"".join(values), starts, lengths)


def _array(texts: Sequence[str | None]) -> bytes:
    if not texts:
        return struct.pack(">iii", 0, 0, _TEXT_TYPE)
    found = [None if text is None else text.replace(_NUL, _SHOWN).encode() for text in texts]
    head = struct.pack(">iiiii", 1, None in found, _TEXT_TYPE, len(texts), _FIRST)
    return head + b"".join(
        struct.pack(">i", _NULL_LENGTH) if text is None else struct.pack(">i", len(text)) + text
        for text in found
    )
