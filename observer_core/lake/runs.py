"""Sorted runs of lines, in memory or in files.

Invariant: the lines of a run are in order, and their payloads stand one after the other in its text, each
with a newline behind it. So a range of lines is a range of text, which whoever cuts it into values reads as
it lies here: payloads are moved once when a run is made, and once where lines of several runs are joined.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl
import pyarrow as pa

from observer_core.lake.ordering import is_constant, is_in_order, order_by_first
from observer_core.lake.text_views import ended, texts_at

ORDER = ("key", "provider", "shard", "epoch", "frame", "record")

# Lines in one piece of a file: little enough that reading a range reads little beside it.
_PIECE_LINES = 1_024
# Where a line's payload begins in the text of its run, and its bytes.
_START, _SIZE = "text_start", "text_size"
# Which part a line is of.
_OWNER = "part"
# What differs from line to line of a connection.
_COUNTING = "frame"

Identity = tuple[Any, ...]


class _Store(Protocol):
    """Where a run's lines lie."""

    def columns(self, start: int, length: int, /) -> pl.DataFrame:
        """Returns the columns of some lines; the payload is not among them."""
        ...

    def text(self, start: int, length: int, /) -> memoryview:
        """Returns some bytes of the text."""
        ...


class _Constants:
    """Columns of one value, such as the shard, which are kept as that."""

    def __init__(self, columns: pl.DataFrame) -> None:
        self._names = columns.columns
        # A column stays in any case: the others know from it how many lines there are.
        same = [column.name for column in columns if column.name != _START and is_constant(column)]
        # Their values, and not a slice: that would keep all of the column.
        self._values = [pl.Series(name, [columns[name][0]], columns.schema[name]) for name in same]
        self.others = [name for name in self._names if name not in same]

    def added_to(self, others: pl.DataFrame, length: int) -> pl.DataFrame:
        """Returns all columns of so many lines."""
        constant = [value.new_from_index(0, length) for value in self._values]
        return pl.DataFrame([*others.get_columns(), *constant])[self._names]


class _InMemory:
    def __init__(self, columns: pl.DataFrame, text: memoryview) -> None:
        self._constants, self._text = _Constants(columns), text
        self._columns = columns[self._constants.others]

    def columns(self, start: int, length: int) -> pl.DataFrame:
        return self._constants.added_to(self._columns.slice(start, length), length)

    def text(self, start: int, length: int) -> memoryview:
        return self._text[start : start + length]


class _InFiles:
    """Lines in two files; only what is asked for is read, and nothing stays mapped or open."""

    def __init__(self, path: Path, columns: pl.DataFrame, text: memoryview) -> None:
        self._columns, self._text = path.with_suffix(".arrow"), path.with_suffix(".text")
        self._text.write_bytes(text)
        self._constants = _Constants(columns)
        columns = columns[self._constants.others]
        # One chunk, so that every piece but the last has the same length; short texts stand in their views.
        table = columns.rechunk().to_arrow(compat_level=pl.CompatLevel.newest()).combine_chunks()
        self._schema, self._places = table.schema, [0]
        # Pieces alone, and their places here: a file of Arrow has them at its end, and reading that for each
        # range costs half as much again as the range.
        with self._columns.open("wb") as file:
            for piece in table.to_batches(max_chunksize=_PIECE_LINES):
                self._places.append(self._places[-1] + file.write(piece.serialize()))

    def columns(self, start: int, length: int) -> pl.DataFrame:
        first, last = start // _PIECE_LINES, (start + length - 1) // _PIECE_LINES
        begin, *ends = self._places[first : last + 2]
        content = pa.py_buffer(_part_of(self._columns, begin, ends[-1] - begin))
        pieces = [
            pa.ipc.read_record_batch(content[place - begin : end - begin], self._schema)
            for place, end in pairwise([begin, *ends])
        ]
        table = pa.Table.from_batches(pieces).slice(start - first * _PIECE_LINES, length)
        return self._constants.added_to(pl.DataFrame(pl.from_arrow(table)), length)

    def text(self, start: int, length: int) -> memoryview:
        return memoryview(_part_of(self._text, start, length))


def _part_of(path: Path, start: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(length)


class _Edges:
    """Of each key its first and its last line, for putting parts side by side without reading them."""

    def __init__(self, lines: pl.DataFrame) -> None:
        same = {name: lines[name][0] for name in ORDER if name != _COUNTING and is_constant(lines[name])}
        self._others = lines[[name for name in ORDER if name not in same]]
        self._of_all = dict.fromkeys(ORDER) | same

    def __getitem__(self, place: int) -> Identity:
        return tuple({**self._of_all, **self._others.row(place, named=True)}.values())


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
        edges = np.repeat(self._ends, 2)[1:-1] - np.tile([0, 1], len(self._keys))
        self._edges = _Edges(columns.select(ORDER)[edges])
        self.store: _Store = _InMemory(columns, text) if path is None else _InFiles(path, columns, text)

    @property
    def height(self) -> int:
        """Lines in all."""
        return self._ends[-1]

    def start_of(self, key: str) -> int:
        """Returns the place of a key's first line; where it has none, where it would stand."""
        return self._ends[bisect_left(self._keys, key)]

    def end_of(self, key: str) -> int:
        """Returns the place behind a key's last line."""
        return self._ends[bisect_right(self._keys, key)]

    def edges(self, start: int, end: int) -> tuple[Identity, Identity]:
        """Returns the first and the last line's identity between two places that are ends of keys."""
        first, behind = bisect_left(self._ends, start), bisect_left(self._ends, end)
        return self._edges[2 * first], self._edges[2 * behind - 1]


@dataclass(frozen=True, slots=True)
class Part:
    """Some lines of a run, not yet read.

    Attributes:
        run: The run.
        start: The first one's place.
        end: The place behind the last one; both are ends of keys.
    """

    run: Run
    start: int
    end: int

    @property
    def height(self) -> int:
        """How many lines there are."""
        return self.end - self.start

    def edges(self) -> tuple[Identity, Identity]:
        """Returns the first and the last line's identity."""
        return self.run.edges(self.start, self.end)

    def columns(self) -> pl.DataFrame:
        """Returns the columns, with places in the run's text."""
        return self.run.store.columns(self.start, self.height)


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines in order.

    Attributes:
        frame: Envelopes, with `payload`.
        text: The payloads, one after the other, each with a newline behind it.
    """

    frame: pl.DataFrame
    text: bytes


def joined(parts: Sequence[Part], *, lines: int | None = None) -> Iterator[Lines]:
    """Reads parts and yields their lines in one order.

    Args:
        parts: Some parts with lines.
        lines: How many to yield at once; None yields all.
    """
    read = [
        part.columns().hstack([pl.Series(_OWNER, [place], pl.Int32).new_from_index(0, part.height)])
        for place, part in enumerate(parts)
    ]
    columns = pl.concat(read, rechunk=True)
    if any(before.edges()[1] > after.edges()[0] for before, after in pairwise(parts)):
        columns, _ = _sorted(columns)
    for some in columns.iter_slices(lines or columns.height):
        text = _text(parts, some)
        sizes = some[_SIZE].to_numpy()
        payload = texts_at(text, np.cumsum(sizes + 1) - sizes - 1, sizes)
        frame = some.drop(_OWNER, _START, _SIZE).with_columns(payload.alias("payload"))
        yield Lines(frame, text)


def _text(parts: Sequence[Part], columns: pl.DataFrame) -> bytes:
    """Returns the payloads in the order of the lines."""
    owners, starts = columns[_OWNER].to_numpy(), columns[_START].to_numpy()
    ends = starts + columns[_SIZE].to_numpy() + 1
    # Lines that follow each other in their part as well are moved as one piece.
    breaks = np.flatnonzero((starts[1:] != ends[:-1]) | (owners[1:] != owners[:-1])) + 1
    firsts, lasts = np.append(0, breaks), np.append(breaks, len(starts)) - 1
    sources = {}
    for owner in np.unique(owners[firsts]).tolist():
        own = owners[firsts] == owner
        begin, end = int(starts[firsts[own]].min()), int(ends[lasts[own]].max())
        sources[owner] = (parts[owner].run.store.text(begin, end - begin), begin)
    pieces = []
    for owner, first, last in zip(
        owners[firsts].tolist(), starts[firsts].tolist(), ends[lasts].tolist(), strict=True
    ):
        source, begin = sources[owner]
        pieces.append(source[first - begin : last - begin])
    return b"".join(pieces)


def _in_order(lines: pl.DataFrame) -> tuple[pl.DataFrame, memoryview]:
    # Gathering from many chunks costs ten times as much as from one; of payloads it is their views only.
    whole = lines.rechunk()
    columns, order = _sorted(whole.drop("payload"))
    # Texts in their order in memory; to move them is what costs most here.
    lined = ended(whole["payload"]).gather(order).to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, text = lined.buffers()
    places = np.frombuffer(offsets, np.int64)[lined.offset :][: len(lined) + 1]
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


def _key_counts(lines: pl.DataFrame) -> dict[str, int]:
    """Returns the keys of lines in order, and how many each has."""
    counts = lines.select(pl.col("key").rle()).unnest("key")
    return dict(zip(counts["value"].to_list(), counts["len"].to_list(), strict=True))
