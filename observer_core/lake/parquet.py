"""Table files: Parquet, zstd, in the table's order, with the segments that they were made from.

Invariant: the same rows and the same sources give the same bytes: chunks and row groups depend on the
rows alone, and nothing of the machine or the time goes into the file.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from observer_core.errors import StorageError
from observer_core.lake.columns import Column, ColumnType, TableSchema

_SOURCES = "observer.sources"
_TABLE = "observer.table"
# Where readers of Arrow look for the types and descriptions of columns.
_ARROW_SCHEMA = "ARROW:schema"

# A reader of one symbol skips whole row groups by their statistics. What is written at once is one group.
_ROW_GROUP_ROWS = 131_072
# The first rows of a file are there before a whole group is decoded.
_BATCH_ROWS = 16_384

# Of 300,000 trades, measured: 22.8 bytes a row and 0.30 s of processor time; with the writer's own
# choice (a dictionary for each column) 53.6 bytes and 0.64 s.
_COMPRESSION_LEVEL = 1
_STEPS = {ColumnType.INTEGER, ColumnType.INSTANT, ColumnType.DATE}
# What a Parquet file begins and ends with.
_MAGIC = b"PAR1"
# Statistics of all columns would cost a seventh of the writing; no others are sorted, nearly or by symbol.
_TIMES = {ColumnType.INSTANT, ColumnType.DATE}
_WORDS = {ColumnType.TEXT, ColumnType.TEXTS}
# Mostly one byte each, now and then a large one, and no two alike: 0.4 bytes a trade instead of 1.1.
_SMALL_AND_UNSTEADY = {"volume"}
# What Arrow and polars raise where a file is damaged; a panic is no Exception.
_OF_DAMAGE = (
    pa.ArrowException,
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
    OSError,
    ValueError,
    TypeError,
)


@dataclass(frozen=True, slots=True, order=True)
class FileSource:
    """A segment whose rows a table file holds.

    Attributes:
        segment: File name of the segment.
        sha256: Of the segment, by its manifest.
        hour: Receive hour, Korean time.
        rows: Rows of it in the file.
    """

    segment: str
    sha256: str
    hour: int
    rows: int


class TableWriter:
    """Writes a table file under a name of its own; a context manager.

    Args:
        path: The file; its folder exists.
        schema: The table.
    """

    def __init__(self, path: Path, schema: TableSchema) -> None:
        self._views = schema.empty().to_arrow(compat_level=pl.CompatLevel.newest()).schema
        self._writer = pq.ParquetWriter(
            path,
            self._views,
            compression="zstd",
            compression_level=_COMPRESSION_LEVEL,
            use_dictionary=[column.name for column in schema.columns if column.type in _WORDS],
            column_encoding={c.name: _encoding(c.name) for c in schema.columns if c.type in _STEPS},
            write_statistics=[column.name for column in schema.columns if _prunes(column, schema)],
            # Of no cost that can be measured; whoever loads or verifies then notices a flipped bit in a page.
            write_page_checksum=True,
            # Texts are handed over as views, which older readers of Arrow do not know: see below.
            store_schema=False,
        )
        stored = base64.b64encode(schema.arrow.serialize())
        self._writer.add_key_value_metadata({_TABLE: schema.name, _ARROW_SCHEMA: stored})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def write(self, chunk: pl.DataFrame) -> None:
        """Appends rows in the table's order."""
        rows = chunk.to_arrow(compat_level=pl.CompatLevel.newest()).cast(self._views)
        self._writer.write_table(rows, row_group_size=_ROW_GROUP_ROWS)

    def name_sources(self, sources: Sequence[FileSource]) -> None:
        """Enters the segments that the rows come from."""
        listed = json.dumps([asdict(source) for source in sorted(sources)], sort_keys=True)
        self._writer.add_key_value_metadata({_SOURCES: listed})


def _prunes(column: Column, schema: TableSchema) -> bool:
    """Returns whether readers skip row groups by a column: the order of the rows, and times."""
    return column.name in schema.sort_key or column.type in _TIMES


def _encoding(column: str) -> str:
    return "BYTE_STREAM_SPLIT" if column in _SMALL_AND_UNSTEADY else "DELTA_BINARY_PACKED"


def require_whole(file: IO[bytes]) -> None:
    """Looks at both ends of an open table file: what a disk or a copy has cut off is missed here.

    Raises:
        StorageError: It is no whole Parquet file.
    """
    size = os.fstat(file.fileno()).st_size
    ends = [os.pread(file.fileno(), len(_MAGIC), place) for place in (0, max(0, size - len(_MAGIC)))]
    if ends != [_MAGIC, _MAGIC]:
        raise damaged(Path(file.name), f"{size:,} bytes that are no whole Parquet file")


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    """Opens a table file; whatever is wrong with its content names the file.

    Raises:
        StorageError: In place of what Arrow, polars or the disk has raised.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except FileNotFoundError:
        # It has gone, and is not damaged.
        raise
    except _OF_DAMAGE as error:
        raise damaged(path, str(error).partition("\n")[0] or type(error).__name__) from error


def damaged(path: Path, found: str) -> StorageError:
    """Returns the error that names a damaged table file, what was found, and the remedy."""
    return StorageError(
        f"The table file {path} is damaged: {found}.",
        remedy="Restore it from the backup target, or remove it and its receipt: while the journal still has "
        "the whole day, compact_hours and close_day make it anew.",
    )


def row_count(path: Path) -> int:
    """Returns the rows of a table file; raises StorageError where it is damaged."""
    with _opened(path) as file:
        return int(file.metadata.num_rows)


def read_rows(path: Path, schema: TableSchema) -> Iterator[pl.DataFrame]:
    """Yields the rows of a table file, some ten thousand at a time.

    Args:
        path: The file.
        schema: The table; a column that an older file lacks is null.

    Raises:
        StorageError: The file is damaged.
    """
    with _opened(path) as file:
        for batch in file.iter_batches(_BATCH_ROWS):
            rows = pl.DataFrame(pl.from_arrow(batch))
            yield rows.match_to_schema(schema.polars, missing_columns="insert", extra_columns="ignore")


def read_sources(path: Path) -> tuple[FileSource, ...]:
    """Returns the segments that a table file was made from.

    Raises:
        StorageError: The file is damaged, or no table file of the lake.
    """
    with _opened(path) as file:
        metadata = file.metadata.metadata or {}
    try:
        return tuple(FileSource(**source) for source in json.loads(metadata[_SOURCES.encode()]))
    except (KeyError, ValueError, TypeError) as error:
        raise StorageError(
            f"{path} does not tell which segments it was made from.", remedy="Remove it and compact anew."
        ) from error
