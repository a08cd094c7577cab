"""Sorted runs of lines, in memory or in files.

Invariant: the lines of a run are in order, and their payloads stand one after the other in its text, each
with a newline behind it. So a range of lines is a range of text, which whoever cuts it into values reads as
it lies here: payloads are moved once when a run is made, and once where lines of several runs are joined.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from observer_core.lake.ordering import is_in_order, order_by_first
from observer_core.lake.text_views import texts_at

ORDER = ("key", "provider", "shard", "epoch", "frame", "record")

# Lines in one piece of a file: little enough that reading a range reads little beside it.
_PIECE_LINES = 1_024
# Where a line's payload begins in the text of its run, and its bytes.
_START, _SIZE = "text_start", "text_size"

Identity = tuple[Any, ...]


class _Store(Protocol):
    """Where a run's lines lie."""

    def columns(self, start: int, length: int, /) -> pl.DataFrame:
        """Returns the columns of some lines; the payload is not among them."""
        ...

    def text(self, start: int, length: int, /) -> memoryview:
        """Returns some bytes of the text."""
        ...


@dataclass(frozen=True, slots=True)
class _InMemory:
    held: pl.DataFrame
    held_text: memoryview

    def columns(self, start: int, length: int) -> pl.DataFrame:
        return self.held.slice(start, length)

    def text(self, start: int, length: int) -> memoryview:
        return self.held_text[start : start + length]


class _InFiles:
    """Lines in two files; only what is asked for is read, and nothing stays mapped.

    A column of one value, such as the shard, stays here.
    """

    def __init__(self, path: Path, columns: pl.DataFrame, text: memoryview) -> None:
        self._columns, self._text = path.with_suffix(".arrow"), path.with_suffix(".text")
        self._text.write_bytes(text)
        self._schema = columns.schema
        same = [column.name for column in columns if _is_constant(column)]
        # Their values, and not a slice: that would keep all of the column.
        self._same = [pl.Series(name, [columns[name][0]], columns.schema[name]) for name in same]
        columns = columns.drop(same)
        # One chunk, so that every piece but the last has the same length; short texts stand in their views.
        table = columns.rechunk().to_arrow(compat_level=pl.CompatLevel.newest()).combine_chunks()
        with pa.OSFile(str(self._columns), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=_PIECE_LINES)

    def columns(self, start: int, length: int) -> pl.DataFrame:
        first, last = start // _PIECE_LINES, (start + length - 1) // _PIECE_LINES
        with pa.OSFile(str(self._columns), "rb") as file, pa.ipc.open_file(file) as reader:
            table = pa.Table.from_batches([reader.get_batch(piece) for piece in range(first, last + 1)])
        found = pl.DataFrame(pl.from_arrow(table.slice(start - first * _PIECE_LINES, length)))
        constant = (column.new_from_index(0, length) for column in self._same)
        return found.with_columns(constant).select(self._schema.names())

    def text(self, start: int, length: int) -> memoryview:
        with self._text.open("rb") as file:
            file.seek(start)
            return memoryview(file.read(length))


class Run:
    """Lines in order.

    Args:
        lines: Envelopes, with the columns of the order and `payload`; in any order.
        path: Name of the files to put them into, without ending; None leaves them in memory.
    """

    def __init__(self, lines: pl.DataFrame, path: Path | None) -> None:
        columns, text = _in_order(lines)
        self.counts = _key_counts(columns)
        self._keys = list(self.counts)
        self._ends = [0, *accumulate(self.counts.values())]
        self._store: _Store = _InMemory(columns, text) if path is None else _InFiles(path, columns, text)

    def part(self, first: str, last: str) -> Part:
        """Returns the lines of a range of keys, not yet read."""
        start = self._ends[bisect_left(self._keys, first)]
        return Part(self._store, start, self._ends[bisect_right(self._keys, last)] - start)


@dataclass(frozen=True, slots=True)
class Part:
    """Some lines of a run.

    Attributes:
        store: Where they lie.
        start: The first one's place in the run.
        height: How many there are.
    """

    store: _Store
    start: int
    height: int

    def edges(self) -> tuple[Identity, Identity]:
        """Returns the first and the last line's identity."""
        last = self.start + self.height - 1
        first, end = (self.store.columns(place, 1).select(ORDER).row(0) for place in (self.start, last))
        return first, end

    def columns(self) -> pl.DataFrame:
        """Returns the columns, with places in the run's text."""
        return self.store.columns(self.start, self.height)


def joined(parts: Sequence[Part]) -> pl.DataFrame:
    """Reads parts and returns their lines in one order, with `payload`."""
    owner = "part"
    read = [part.columns().with_columns(pl.lit(place).alias(owner)) for place, part in enumerate(parts)]
    columns = read[0] if len(read) == 1 else _sorted(pl.concat(read).rechunk())[0]
    sizes = columns[_SIZE]
    places = (sizes + 1).cum_sum() - sizes - 1
    text = _text(parts, columns[owner].to_numpy(), columns, places.to_numpy())
    return _with_payload(columns.drop(owner).with_columns(places.alias(_START)), text)


def _text(
    parts: Sequence[Part], owners: npt.NDArray[np.int32], columns: pl.DataFrame, places: npt.NDArray[np.int64]
) -> bytearray:
    """Returns the payloads in the order of the lines; the text of one part is in memory at a time."""
    starts = columns[_START].to_numpy()
    ends = starts + columns[_SIZE].to_numpy() + 1
    text = bytearray(int(places[-1] + ends[-1] - starts[-1]))
    # Lines that follow each other in their part as well are moved as one piece.
    breaks = np.flatnonzero((starts[1:] != ends[:-1]) | (owners[1:] != owners[:-1])) + 1
    firsts, lasts = np.append(0, breaks), np.append(breaks, len(starts)) - 1
    for owner, part in enumerate(parts):
        own = owners[firsts] == owner
        begin, end = int(starts[firsts[own]].min()), int(ends[lasts[own]].max())
        source = part.store.text(begin, end - begin)
        for first, last in zip(firsts[own].tolist(), lasts[own].tolist(), strict=True):
            piece = source[int(starts[first]) - begin : int(ends[last]) - begin]
            text[int(places[first]) : int(places[first]) + len(piece)] = piece
    return text


def _with_payload(columns: pl.DataFrame, text: bytearray) -> pl.DataFrame:
    payload = texts_at(text, columns[_START].to_numpy(), columns[_SIZE].to_numpy())
    return columns.drop(_START, _SIZE).with_columns(payload.alias("payload"))


def _in_order(lines: pl.DataFrame) -> tuple[pl.DataFrame, memoryview]:
    # Gathering from many chunks costs ten times as much as from one; of payloads it is their views only.
    whole = lines.rechunk()
    columns, order = _sorted(whole.drop("payload"))
    ended = (whole["payload"].gather(order) + "\n").rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, text = ended.buffers()
    places = np.frombuffer(offsets, np.int64)[ended.offset :][: len(ended) + 1]
    starts = places - places[0]
    placed = columns.with_columns(pl.Series(_START, starts[:-1]), pl.Series(_SIZE, np.diff(starts) - 1))
    return placed, memoryview(text)[int(places[0]) : int(places[-1])]


def _sorted(columns: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Returns lines in order, and the places that they had."""
    order = order_by_first(columns, ORDER)
    found = columns[order]
    if not is_in_order(found, ORDER):
        order = columns.select(pl.arg_sort_by(ORDER)).to_series()
        found = columns[order]
    return found, order


def _is_constant(column: pl.Series) -> bool:
    nulls = column.null_count()
    return nulls == len(column) or (not nulls and bool((column == column[0]).all()))


def _key_counts(lines: pl.DataFrame) -> dict[str, int]:
    """Returns the keys of lines in order, and how many each has."""
    counts = lines.select(pl.col("key").rle()).unnest("key")
    return dict(zip(counts["value"].to_list(), counts["len"].to_list(), strict=True))
