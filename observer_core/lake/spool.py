"""Lines of one run of compaction, sorted by symbol, on their way from segments to tables.

Invariant: every line added comes out once, in the order (key, provider, shard, epoch, frame, record).
Memory holds `waiting_bytes` of lines, `memory_bytes` of sorted runs and one chunk, whatever the size of
all: what is more lies in files, each a sorted run (`lake.runs`), of which a range of keys is read at a time.
A key with lines that do not fit into a chunk is cut where one run ends before the next begins, which is
everywhere in a journal: a shard writes in order.

Lines are put in order while they are narrow, as text: moving sixty typed columns costs ten times as
much.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from observer_core.lake.runs import Lines, Part, Run, joined
from observer_core.lake.schemas import Table

# Of lines not yet sorted: 120,000 trades or so. As much again is taken twice while they are put in order;
# with less, an hour has more runs, and each range is read from all of them.
WAITING_BYTES = 36 * 1024 * 1024
# Of sorted runs: 240,000 trades or so, which most hours have not. A file costs a copy each way, and pages.
MEMORY_BYTES = 72 * 1024 * 1024
# Of a line beside its payload.
_LINE_BYTES = 64
# A range of keys. Four of them are in work at once, and a row group each in the file: fewer lines take less
# memory and more space.
RANGE_LINES = 57_344


class Spool:
    """The lines of one run, by table.

    Args:
        folder: An empty folder of its own.
        waiting_bytes: Size of the lines that may wait in memory for being sorted.
        memory_bytes: Size of the sorted runs that may stay in memory.
        range_lines: Lines at most in one chunk, where they can be parted.
    """

    def __init__(
        self,
        folder: Path,
        *,
        waiting_bytes: int = WAITING_BYTES,
        memory_bytes: int = MEMORY_BYTES,
        range_lines: int = RANGE_LINES,
    ) -> None:
        self._folder = folder
        self._waiting_bytes = waiting_bytes
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
        self._held += _size(lines)
        if self._held >= self._waiting_bytes:
            for waiting in list(self._waiting):
                self._sort(waiting, stored=True)

    def take(self, table: Table) -> Iterator[Lines]:
        """Yields the lines of a table in order, chunk by chunk."""
        if table in self._waiting:
            self._sort(table, stored=False)
        runs = self._runs.pop(table, [])
        # The rows of gaps are put in order of their symbols, which stand in their payloads, as a whole.
        lines = None if table is Table.GAPS else self._range_lines
        for parts in _packed(runs, lines):
            yield from joined(parts, lines=lines)

    def _sort(self, table: Table, *, stored: bool) -> None:
        """Makes a run of the lines that wait."""
        lines = pl.concat(self._waiting.pop(table))
        size = _size(lines)
        self._held -= size
        runs = self._runs.setdefault(table, [])
        stays = not stored or size <= self._room
        if stays:
            self._room -= size
        runs.append(Run(lines, None if stays else self._folder / f"{table}-{len(runs):06d}"))


def _size(lines: pl.DataFrame) -> int:
    return int(lines["payload"].str.len_bytes().sum()) + _LINE_BYTES * lines.height


def _packed(runs: Sequence[Run], lines: int | None) -> Iterator[list[Part]]:
    """Yields all lines of some runs in chunks, each with a part of every run that has lines in it.

    Chunks are as even as runs allow, since each is worked on while another one is written.

    Args:
        runs: Sorted runs.
        lines: How many at most in a chunk; None makes one chunk. Lines that cannot be parted are one of more.
    """
    totals: Counter[str] = Counter()
    for run in runs:
        totals.update(run.counts)
    given, held = [0] * len(runs), 0
    for key in sorted(totals):
        if lines is None or held + totals[key] <= lines:
            held += totals[key]
            continue
        reached = [run.start_of(key) for run in runs]
        for owners in _in_succession(runs, key):
            height = sum(runs[owner].counts[key] for owner in owners)
            if held and held + height > lines:
                yield _between(runs, given, reached)
                given, held = reached.copy(), 0
            for owner in owners:
                reached[owner] = runs[owner].end_of(key)
            held += height
    yield _between(runs, given, [run.height for run in runs])


def _in_succession(runs: Sequence[Run], key: str) -> Iterator[list[int]]:
    """Yields which runs have lines of a key, one after the other; together where their lines alternate."""
    edges = sorted(
        (run.edges(run.start_of(key), run.end_of(key)), owner)
        for owner, run in enumerate(runs)
        if key in run.counts
    )
    group: list[int] = []
    end = edges[0][0][1]
    for (first, last), owner in edges:
        if group and first > end:
            yield group
            group = []
        group.append(owner)
        end = max(end, last)
    yield group


def _between(runs: Sequence[Run], starts: Sequence[int], ends: Sequence[int]) -> list[Part]:
    places = zip(runs, starts, ends, strict=True)
    return [Part(run, start, end) for run, start, end in places if end > start]
