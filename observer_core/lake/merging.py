"""Merging sorted parts of a table into one order, in bounded memory.

Invariant: each row of the parts comes out once, in the table's order, and no two rows share the
table's unique key. Memory holds one chunk: a range of symbols, or some rows of one symbol that has more;
a part gives it as one slice, because it is sorted.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import polars as pl

from observer_core.errors import ConservationError
from observer_core.lake.columns import TableSchema
from observer_core.lake.ordering import in_order
from observer_core.lake.parquet import FileSource, TableWriter, row_count
from observer_core.lake.schemas import SCHEMAS, Table

# Of which part a row is, and at which place of its file.
_PART, _PLACE = "merged_part", "stored_place"

# About 75 MB of trades; several such stand beside each other while parts are put together.
CHUNK_ROWS = 125_000


@dataclass(frozen=True, slots=True)
class Part:
    """A table file to merge.

    Attributes:
        path: The file, in the table's order.
        without: Segments whose rows are left out, because other parts hold them anew.
    """

    path: Path
    without: frozenset[str] = frozenset()


class _OpenPart:
    """A part with the places of its symbols."""

    def __init__(self, part: Part) -> None:
        self._part = part
        kept = ~pl.col("segment").is_in(part.without)
        found = (
            pl.scan_parquet(part.path)
            .group_by("symbol")
            .agg(pl.len().alias("stored"), kept.sum().alias("kept"))
            .sort("symbol")
            .collect()
        )
        self.symbols: list[str] = found["symbol"].to_list()
        self.kept: list[int] = found["kept"].to_list()
        self._ends = [0, *accumulate(found["stored"].to_list())]

    def rows(self, first: str, last: str) -> pl.DataFrame:
        """Returns the kept rows of a range of symbols."""
        start, end = self._places(first, last)
        return self.slice(start, end - start)

    def slice(self, start: int, length: int) -> pl.DataFrame:
        """Returns the kept ones of some stored rows."""
        return self._kept(pl.scan_parquet(self._part.path).slice(start, length)).collect()

    def keys(self, symbol: str, names: Sequence[str]) -> pl.DataFrame:
        """Returns some columns of a symbol's kept rows, and at which place of the file each is stored."""
        start, end = self._places(symbol, symbol)
        stored = pl.scan_parquet(self._part.path).slice(start, end - start).with_row_index(_PLACE, start)
        return self._kept(stored).select(*names, _PLACE).collect()

    def _places(self, first: str, last: str) -> tuple[int, int]:
        start, end = bisect_left(self.symbols, first), bisect_right(self.symbols, last)
        return self._ends[start], self._ends[end]

    def _kept(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        without = self._part.without
        return rows.filter(~pl.col("segment").is_in(without)) if without else rows


def merge(
    parts: Sequence[Part], schema: TableSchema, *, chunk_rows: int = CHUNK_ROWS
) -> Iterator[pl.DataFrame]:
    """Yields the rows of all parts in the table's order.

    Args:
        parts: Files with the table's columns; an older file may lack some of them.
        schema: The table.
        chunk_rows: Rows to aim at in one chunk.

    Raises:
        ConservationError: Two rows share the unique key: a journal line is stored twice.
    """
    opened = [_OpenPart(part) for part in parts]
    kept = _kept_rows(opened)
    before: pl.DataFrame | None = None
    for first, last in symbol_ranges(kept, chunk_rows):
        if first == last and kept[first] > chunk_rows:
            found = _pieces(opened, schema, first, chunk_rows)
        else:
            found = iter([[part.rows(first, last) for part in opened]])
        for slices in found:
            whole = pl.concat([schema_adapted(rows, schema) for rows in slices])
            chunk = in_order(whole, schema.sort_key)
            refuse_doubles(chunk, schema, before)
            before = last_row(chunk, schema)
            yield chunk


def _pieces(
    parts: Sequence[_OpenPart], schema: TableSchema, symbol: str, chunk_rows: int
) -> Iterator[list[pl.DataFrame]]:
    """Yields a symbol's rows, some of each part at a time, no row before one that was yielded already."""
    names = schema.sort_key[1:]
    keys = pl.concat(
        [
            part.keys(symbol, names).with_columns(pl.lit(number).alias(_PART))
            for number, part in enumerate(parts)
        ]
    )
    places = in_order(keys, names).select(_PART, _PLACE)
    # Rows of a part that follow each other in the table's order do so in the part: a piece of it is a slice.
    for piece in places.iter_slices(chunk_rows):
        edges = piece.group_by(_PART).agg(
            pl.col(_PLACE).min().alias("first"), pl.col(_PLACE).max().alias("last")
        )
        yield [
            parts[part].slice(first, last - first + 1) for part, first, last in edges.sort(_PART).iter_rows()
        ]


def merge_files(path: Path, table: Table, parts: Sequence[Part], sources: Sequence[FileSource]) -> None:
    """Merges parts into a table file and counts it.

    Args:
        path: The file to write.
        table: The table.
        parts: Its parts.
        sources: The segments whose rows the parts hold.

    Raises:
        ConservationError: The file has not the rows of its sources, or two of them are one line.
    """
    schema = SCHEMAS[table]
    with TableWriter(path, schema) as writer:
        for chunk in merge(parts, schema):
            writer.write(chunk)
        writer.name_sources(sources)
    rows = row_count(path)
    expected = sum(source.rows for source in sources)
    if rows != expected:
        raise ConservationError(f"{path.name} has {rows} rows; its segments have {expected}.")


def schema_adapted(rows: pl.DataFrame, schema: TableSchema) -> pl.DataFrame:
    """Returns rows with exactly the table's columns; those that an older file lacks are null."""
    return rows.match_to_schema(schema.polars, missing_columns="insert", extra_columns="ignore")


def symbol_ranges(rows: Mapping[str, int], chunk_rows: int) -> Iterator[tuple[str, str]]:
    """Yields ranges of symbols, first and last, of about as many rows as wanted.

    Args:
        rows: Symbol -> rows.
        chunk_rows: Rows to aim at in one range; a symbol with more is a range of its own.
    """
    collected: list[str] = []
    total = 0
    for symbol in sorted(rows):
        if collected and total + rows[symbol] > chunk_rows:
            yield collected[0], collected[-1]
            collected, total = [], 0
        collected.append(symbol)
        total += rows[symbol]
    if collected:
        yield collected[0], collected[-1]


def _kept_rows(parts: Iterable[_OpenPart]) -> dict[str, int]:
    totals: Counter[str] = Counter()
    for part in parts:
        totals.update(dict(zip(part.symbols, part.kept, strict=True)))
    return {symbol: kept for symbol, kept in totals.items() if kept}


def last_row(chunk: pl.DataFrame, schema: TableSchema) -> pl.DataFrame:
    """Returns what `refuse_doubles` needs to know of the last row of a chunk that has rows."""
    # A value each, and not a slice: that would keep all of the rows.
    return _identities(chunk, schema).select(pl.all().last())


def _identities(chunk: pl.DataFrame, schema: TableSchema) -> pl.DataFrame:
    """Returns the columns that tell where a row belongs and which line it is."""
    told = {*schema.sort_key, *schema.unique_key, "symbol", "segment"}
    return chunk[[name for name in chunk.columns if name in told]]


def _require_order(before: pl.DataFrame, chunk: pl.DataFrame, schema: TableSchema) -> None:
    last, first = (rows.select(schema.sort_key).row(0) for rows in (before, chunk.head(1)))
    if last > first:
        raise ConservationError(
            f"{schema.name}: {first} comes after {last}; the file would not be in order.",
            remedy="This is a defect of compaction: report it with the segments of the hour.",
        )


def refuse_doubles(chunk: pl.DataFrame, schema: TableSchema, before: pl.DataFrame | None = None) -> None:
    """Checks that no two rows are the same line; equal ones stand side by side in the table's order.

    Args:
        chunk: Rows in the table's order.
        schema: The table.
        before: The last row of the chunk before, where a symbol may have been cut between the two.
    """
    keys = ["symbol", *(name for name in schema.unique_key if name != "symbol")]
    rows = _identities(chunk, schema)
    if before is not None and not chunk.is_empty():
        _require_order(before, rows, schema)
        rows = pl.concat([before, rows])
    same = pl.Series([True], dtype=pl.Boolean).new_from_index(0, rows.height)
    # Backwards: what changes from row to row comes last, and most often decides alone.
    for name in reversed(keys):
        same &= rows[name] == rows[name].shift(1)
        if not same.any():
            return
    row = rows.filter(same).row(0, named=True)
    identity = ", ".join(f"{name} {row[name]}" for name in schema.unique_key)
    raise ConservationError(
        f"Two rows of {schema.name} have the identity {identity}; one stands in {row.get('segment')}.",
        remedy="One segment is a copy of another: move the copy and its manifest away, and where its hour is "
        "compacted already, the hour's receipt and table files as well.",
    )
