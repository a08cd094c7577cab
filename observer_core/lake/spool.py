"""Lines of one run, sorted by symbol, on their way from segments to tables.

Invariant: every line added comes out once, in the order (key, provider, shard, epoch, frame, record).
Memory holds `memory_lines` and one chunk, whatever the run's size: what is more lies in files, each a
sorted run, of which a range of keys is read at a time. A key with more lines than a chunk is cut where one
run ends before the next begins, which is everywhere in a journal: a shard writes in order.

Lines are put in order while they are narrow, as text: moving sixty typed columns costs ten times as
much.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol

import polars as pl
import pyarrow as pa

from observer_core.lake.merging import symbol_ranges
from observer_core.lake.ordering import sorted_by_first
from observer_core.lake.schemas import Table

# About 60 MB of trades as text.
MEMORY_LINES = 150_000
# A range of keys; about 150 MB of trades while they are cut and typed.
RANGE_LINES = 65_536
# Lines in one piece of a file: little enough that reading a range reads little beside it.
_PIECE_LINES = 4_096

_ORDER = ("key", "provider", "shard", "epoch", "frame", "record")

_Identity = tuple[Any, ...]


class _Lines(Protocol):
    """Where a run's lines lie."""

    def slice(self, start: int, length: int, /) -> pl.DataFrame:
        """Returns some of them."""
        ...


class _Stored:
    """Lines in a file; only what is asked for is read, and nothing stays mapped."""

    def __init__(self, path: Path, lines: pl.DataFrame) -> None:
        # One chunk, so that every piece but the last has the same length.
        table = lines.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest()).combine_chunks()
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=_PIECE_LINES)
        self._path = path

    def slice(self, start: int, length: int) -> pl.DataFrame:
        first, last = start // _PIECE_LINES, (start + length - 1) // _PIECE_LINES
        with pa.OSFile(str(self._path), "rb") as file, pa.ipc.open_file(file) as reader:
            table = pa.Table.from_batches([reader.get_batch(piece) for piece in range(first, last + 1)])
        return pl.DataFrame(pl.from_arrow(table.slice(start - first * _PIECE_LINES, length)))


class _Run:
    """Lines in order."""

    def __init__(self, lines: pl.DataFrame, path: Path | None) -> None:
        self.counts = _key_counts(lines)
        self._keys = list(self.counts)
        self._ends = [0, *accumulate(self.counts.values())]
        self._lines: _Lines = lines if path is None else _Stored(path, lines)

    def part(self, first: str, last: str) -> _Part:
        """Returns the lines of a range of keys, not yet read."""
        start = self._ends[bisect_left(self._keys, first)]
        return _Part(self._lines, start, self._ends[bisect_right(self._keys, last)] - start)


@dataclass(frozen=True, slots=True)
class _Part:
    """Some lines of a run."""

    run: _Lines
    start: int
    height: int

    def read(self) -> pl.DataFrame:
        return self.run.slice(self.start, self.height)

    def edges(self) -> tuple[_Identity, _Identity]:
        """Returns the first and the last line's identity."""
        last = self.start + self.height - 1
        first, end = (self.run.slice(place, 1).select(_ORDER).row(0) for place in (self.start, last))
        return first, end


class Spool:
    """The lines of one run, by table.

    Args:
        folder: An empty folder of its own.
        memory_lines: Lines that may stay in memory.
        range_lines: Lines to aim at in one chunk.
    """

    def __init__(
        self, folder: Path, *, memory_lines: int = MEMORY_LINES, range_lines: int = RANGE_LINES
    ) -> None:
        self._folder = folder
        self._memory_lines = memory_lines
        self._range_lines = range_lines
        self.clear()

    def clear(self) -> None:
        """Forgets every line."""
        self._waiting: dict[Table, list[pl.DataFrame]] = {}
        self._held = 0
        self._runs: dict[Table, list[_Run]] = {}
        for path in self._folder.glob("*.arrow"):
            path.unlink()

    @property
    def tables(self) -> list[Table]:
        """The tables that have lines."""
        return sorted(self._waiting.keys() | self._runs.keys())

    def add(self, table: Table, lines: pl.DataFrame) -> None:
        """Takes lines of a table over.

        Args:
            table: Where they belong.
            lines: Envelopes, with the columns of the order.
        """
        if lines.is_empty():
            return
        self._waiting.setdefault(table, []).append(lines)
        self._held += lines.height
        if self._held >= self._memory_lines:
            for waiting in list(self._waiting):
                self._sort(waiting, stored=True)

    def take(self, table: Table) -> Iterator[pl.DataFrame]:
        """Yields the lines of a table in order, chunk by chunk."""
        if table in self._waiting:
            self._sort(table, stored=False)
        runs = self._runs.pop(table, [])
        totals: Counter[str] = Counter()
        for run in runs:
            totals.update(run.counts)
        for first, last in symbol_ranges(totals, self._range_lines):
            parts = [part for part in (run.part(first, last) for run in runs) if part.height]
            # The rows of gaps are put in order of their symbols, which stand in their payloads, as a whole.
            if first == last and table is not Table.GAPS:
                yield from _pieces(parts, self._range_lines)
            else:
                yield _merged(parts)

    def _sort(self, table: Table, *, stored: bool) -> None:
        """Makes a run of the lines that wait."""
        lines = pl.concat(self._waiting.pop(table))
        self._held -= lines.height
        runs = self._runs.setdefault(table, [])
        path = self._folder / f"{table}-{len(runs):06d}.arrow" if stored else None
        runs.append(_Run(sorted_by_first(lines, _ORDER), path))


def _pieces(parts: Sequence[_Part], lines: int) -> Iterator[pl.DataFrame]:
    """Yields one key's lines, some at a time."""
    edges = sorted(((part.edges(), part) for part in parts), key=lambda found: found[0])
    group: list[_Part] = []
    height, end = 0, None
    for (first, last), part in edges:
        if end is not None and height + part.height > lines and first > end:
            yield from _merged(group).iter_slices(lines)
            group, height, end = [], 0, None
        group.append(part)
        height, end = height + part.height, last if end is None else max(end, last)
    yield from _merged(group).iter_slices(lines)


def _merged(parts: Sequence[_Part]) -> pl.DataFrame:
    if len(parts) == 1:
        return parts[0].read()
    return sorted_by_first(pl.concat([part.read() for part in parts]), _ORDER)


def _key_counts(lines: pl.DataFrame) -> dict[str, int]:
    """Returns the keys of lines in order, and how many each has."""
    counts = lines.select(pl.col("key").rle()).unnest("key")
    return dict(zip(counts["value"].to_list(), counts["len"].to_list(), strict=True))
