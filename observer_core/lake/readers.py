"""Reading the lake: one day of a table, open or closed.

Invariant: a day's file takes over by existing; a reader sees either it or the hours, never a row
twice and never a half.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

from observer_core.lake import parquet
from observer_core.lake.parquet import FileSource
from observer_core.lake.schemas import SCHEMAS, Table
from observer_core.settings.paths import Paths


def table_files(paths: Paths, table: Table, day: date) -> tuple[Path, ...]:
    """Returns the files that hold a day of a table: the day's file, or those of an open day."""
    # The hours are listed first: they are removed only once the day's file is there.
    folder = paths.lake_open_day(table, day)
    hours = sorted(folder.glob("hour=*/hour.parquet"))
    so_far = [path for path in (paths.lake_so_far(table, day),) if path.exists()]
    closed = paths.lake_day(table, day)
    return (closed,) if closed.exists() else (*hours, *so_far)


def scan(paths: Paths, table: Table, day: date) -> pl.LazyFrame:
    """Returns a day of a table; without rows where there are none yet.

    Args:
        paths: The layout.
        table: The table.
        day: Trading day.

    Returns:
        The table's columns, in its order within each file. A column that an older file lacks is null.
    """
    return scan_files(table_files(paths, table, day), table)


def scan_files(files: Sequence[Path], table: Table) -> pl.LazyFrame:
    """Returns the rows of files of a table; none where there are no files.

    Args:
        files: Such as `table_files` gives, of one day or of many.
        table: The table.

    Raises:
        StorageError: A file is damaged.
    """
    schema = SCHEMAS[table]
    if not files:
        return schema.empty().lazy()
    for file in files:
        parquet.require_whole(file)
    return pl.scan_parquet(
        list(files),
        schema=schema.polars,
        missing_columns="insert",
        extra_columns="ignore",
        hive_partitioning=False,
        glob=False,
    )


def sources(paths: Paths, table: Table, day: date) -> tuple[FileSource, ...]:
    """Returns the segments that a day of a table was made from.

    Raises:
        StorageError: A file does not tell.
    """
    found = (source for path in table_files(paths, table, day) for source in parquet.read_sources(path))
    return tuple(sorted(found))


def table_days(paths: Paths, table: Table) -> list[date]:
    """Returns the days of which a table has files, open and closed ones."""
    folders = (*paths.lake_table(table).glob("date=*"), *paths.lake_open_table(table).glob("date=*"))
    return sorted({day for folder in folders if (day := _day_of(folder)) is not None})


def _day_of(folder: Path) -> date | None:
    """Returns the day that a folder is named after; None where somebody else has made it."""
    try:
        return date.fromisoformat(folder.name.removeprefix("date="))
    except ValueError:
        return None
