"""Lines of one run, sorted by symbol, on their way from segments to tables.

Invariant: every line added comes out once, in the order (key, provider, shard, epoch, frame, record);
memory holds one range of keys, and at most `MEMORY_LINES` more lines: a normal hour needs no file.

Lines are put in order while they are narrow, as text: moving sixty typed columns costs ten times as
much.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import polars as pl

from observer_core.lake.merging import symbol_ranges
from observer_core.lake.ordering import in_order
from observer_core.lake.schemas import Table

# About 150 MB of trades as text.
MEMORY_LINES = 300_000
# A range of keys; about 150 MB of trades while they are cut and typed.
RANGE_LINES = 65_536

_ORDER = ("key", "provider", "shard", "epoch", "frame", "record")


class _Part:
    """Lines of one block in order, in memory or on disk."""

    def __init__(self, lines: pl.DataFrame) -> None:
        counts = lines.select(pl.col("key").rle()).unnest("key")
        self.counts: dict[str, int] = dict(
            zip(counts["value"].to_list(), counts["len"].to_list(), strict=True)
        )
        self._keys = list(self.counts)
        self._ends = [0, *accumulate(self.counts.values())]
        self._lines: pl.LazyFrame = lines.lazy()
        self.height = lines.height

    def move_to(self, path: Path) -> None:
        """Frees the memory."""
        self._lines.collect().write_ipc(path, compression="uncompressed")
        self._lines = pl.scan_ipc(path)

    def lines(self, first: str, last: str) -> pl.DataFrame:
        """Returns the lines of a range of keys."""
        start = self._ends[bisect_left(self._keys, first)]
        end = self._ends[bisect_right(self._keys, last)]
        return self._lines.slice(start, end - start).collect()


class Spool:
    """The lines of one run, by table.

    Args:
        folder: An empty folder of its own.
        memory_lines: Lines that may stay in memory.
        range_lines: Lines to aim at in one range; a key is never cut.
    """

    def __init__(
        self, folder: Path, *, memory_lines: int = MEMORY_LINES, range_lines: int = RANGE_LINES
    ) -> None:
        self._folder = folder
        self._memory_left = memory_lines
        self._range_lines = range_lines
        self._parts: dict[Table, list[_Part]] = {}
        self._files = 0

    @property
    def tables(self) -> list[Table]:
        """The tables that have lines."""
        return sorted(self._parts)

    def add(self, table: Table, lines: pl.DataFrame) -> None:
        """Takes lines of a table over.

        Args:
            table: Where they belong.
            lines: Envelopes, with the columns of the order.
        """
        if lines.is_empty():
            return
        part = _Part(in_order(lines, _ORDER))
        self._memory_left -= part.height
        if self._memory_left < 0:
            part.move_to(self._folder / f"{table}-{self._files:06d}.arrow")
            self._files += 1
        self._parts.setdefault(table, []).append(part)

    def take(self, table: Table) -> Iterator[pl.DataFrame]:
        """Yields the lines of a table in order, range by range."""
        parts = self._parts[table]
        totals: Counter[str] = Counter()
        for part in parts:
            totals.update(part.counts)
        for first, last in symbol_ranges(totals, self._range_lines):
            found = [part.lines(first, last) for part in parts]
            yield in_order(pl.concat(found), _ORDER)
