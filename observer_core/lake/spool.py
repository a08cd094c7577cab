"""Lines of one run of compaction, sorted by symbol, on their way from segments to tables.

Invariant: every line added comes out once, in the order (key, provider, shard, epoch, frame, record).
Memory holds `memory_lines`, `memory_bytes` of sorted runs and one chunk, whatever the size of all: what is
more lies in files, each a sorted run (`lake.runs`), of which a range of keys is read at a time. A key with
more lines than a chunk is cut where one run ends before the next begins, which is everywhere in a journal:
a shard writes in order.

Lines are put in order while they are narrow, as text: moving sixty typed columns costs ten times as
much.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from observer_core.lake.merging import symbol_ranges
from observer_core.lake.runs import Lines, Part, Run, joined
from observer_core.lake.schemas import Table

# About 45 MB of trades, and as much again twice while they are put in order.
MEMORY_LINES = 100_000
# Of sorted runs: 300,000 trades or so, which most hours have not. A file costs a copy each way, and pages.
MEMORY_BYTES = 96 * 1024 * 1024
# Of a line beside its payload.
_LINE_BYTES = 64
# A range of keys; about 190 MB of trades while they are cut and typed. A range costs 15 ms of processor time
# beside what its lines cost.
RANGE_LINES = 81_920


class Spool:
    """The lines of one run, by table.

    Args:
        folder: An empty folder of its own.
        memory_lines: Lines that may wait in memory for being sorted.
        memory_bytes: Size of the sorted runs that may stay in memory.
        range_lines: Lines to aim at in one chunk.
    """

    def __init__(
        self,
        folder: Path,
        *,
        memory_lines: int = MEMORY_LINES,
        memory_bytes: int = MEMORY_BYTES,
        range_lines: int = RANGE_LINES,
    ) -> None:
        self._folder = folder
        self._memory_lines = memory_lines
        self._memory_bytes = memory_bytes
        self._range_lines = range_lines
        self.clear()

    def clear(self) -> None:
        """Forgets every line."""
        self._waiting: dict[Table, list[pl.DataFrame]] = {}
        self._held = 0
        self._room = self._memory_bytes
        self._runs: dict[Table, list[Run]] = {}
        for pattern in ("*.arrow", "*.text"):
            for path in self._folder.glob(pattern):
                path.unlink()

    @property
    def tables(self) -> list[Table]:
        """The tables that have lines."""
        return sorted(self._waiting.keys() | self._runs.keys())

    def add(self, table: Table, lines: pl.DataFrame) -> None:
        """Takes lines of a table over.

        Args:
            table: Where they belong.
            lines: Envelopes, with the columns of the order and `payload`.
        """
        if lines.is_empty():
            return
        self._waiting.setdefault(table, []).append(lines)
        self._held += lines.height
        if self._held >= self._memory_lines:
            for waiting in list(self._waiting):
                self._sort(waiting, stored=True)

    def take(self, table: Table) -> Iterator[Lines]:
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
                yield from joined(parts)

    def _sort(self, table: Table, *, stored: bool) -> None:
        """Makes a run of the lines that wait."""
        lines = pl.concat(self._waiting.pop(table))
        self._held -= lines.height
        runs = self._runs.setdefault(table, [])
        size = int(lines["payload"].str.len_bytes().sum()) + _LINE_BYTES * lines.height
        stays = not stored or size <= self._room
        if stays:
            self._room -= size
        runs.append(Run(lines, None if stays else self._folder / f"{table}-{len(runs):06d}"))


def _pieces(parts: Sequence[Part], lines: int) -> Iterator[Lines]:
    """Yields one key's lines, some at a time."""
    edges = sorted(((part.edges(), part) for part in parts), key=lambda found: found[0])
    group: list[Part] = []
    height, end = 0, None
    for (first, last), part in edges:
        if end is not None and height + part.height > lines and first > end:
            yield from joined(group, lines=lines)
            group, height, end = [], 0, None
        group.append(part)
        height, end = height + part.height, last if end is None else max(end, last)
    yield from joined(group, lines=lines)
