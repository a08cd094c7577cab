"""Reading the lake: days of a table, open or closed.

Invariant: a day's file takes over by existing; a reader sees either it or the hours, never a row
twice and never a half. Files are looked for when rows are asked for, not when the question is put, and
are open before the first row is read: a day that is closed in between, or meanwhile, is read whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import IO

import polars as pl
from polars.exceptions import PanicException
from polars.io.plugins import register_io_source

from observer_core.errors import StorageError
from observer_core.lake import parquet, receipts
from observer_core.lake.parquet import FileSource
from observer_core.lake.schemas import SCHEMAS, Table
from observer_core.settings.paths import Paths

# So many days' files are open at the same time, well below what a process may have.
_DAYS_AT_ONCE = 32
# A day is closed once: a second listing finds its file.
_ATTEMPTS = 5


def table_files(paths: Paths, table: Table, day: date) -> tuple[Path, ...]:
    """Returns the files that hold a day of a table: the day's file, or those of an open day."""
    # The hours are listed first: they are removed only once the day's file is there.
    folder = paths.lake_open_day(table, day)
    hours = sorted(folder.glob("hour=*/hour.parquet"))
    so_far = [path for path in (paths.lake_so_far(table, day),) if path.exists()]
    closed = paths.lake_day(table, day)
    return (closed,) if closed.exists() else (*hours, *so_far)


def require_told(paths: Paths, table: Table, day: date, files: Sequence[Path]) -> None:
    """Refuses a closed day whose receipt tells of a file that has gone: it is no day without rows.

    Args:
        paths: The layout.
        table: The table.
        day: Trading day.
        files: What `table_files` has found.

    Raises:
        StorageError: The file is missing, or the receipt cannot be read.
    """
    path = paths.lake_day(table, day)
    # The file is looked for once more: a close may have come in between.
    if files or table not in receipts.read(paths.lake_day_receipt(day)).files or path.exists():
        return
    raise StorageError(
        f"The table file {path} is missing; the receipt of the day tells of it.",
        remedy="Restore it from the backup target; while the journal still has the whole day, compact_hours "
        "makes it anew.",
    )


def scan(paths: Paths, table: Table, day: date) -> pl.LazyFrame:
    """Returns a day of a table; without rows where there are none yet.

    Args:
        paths: The layout.
        table: The table.
        day: Trading day.

    Returns:
        The table's columns, in its order within each file. A column that an older file lacks is null.
    """
    return scan_days(paths, table, lambda: (day,))


def scan_days(paths: Paths, table: Table, days: Callable[[], Sequence[date]]) -> pl.LazyFrame:
    """Returns days of a table; without rows where there are none.

    Only the columns, row groups and rows that a question needs are read. Collecting it raises StorageError
    where a file is damaged or missing.

    Args:
        paths: The layout.
        table: The table.
        days: Tells the trading days in order, each time that rows are asked for.

    Returns:
        As `scan`, a day after the other.
    """

    def rows(
        columns: list[str] | None, predicate: pl.Expr | None, limit: int | None, _batch: int | None
    ) -> Iterator[pl.DataFrame]:
        wanted, left = days(), limit
        for first in range(0, len(wanted), _DAYS_AT_ONCE):
            with ExitStack() as held:
                some = wanted[first : first + _DAYS_AT_ONCE]
                files = [file for day in some for file in _opened(paths, table, day, held)]
                stored = _scan_files(files, table)
                with _damage_named(files):
                    yield from _narrowed(stored, columns, predicate, left).collect_batches(
                        maintain_order=True
                    )
                    if left is not None:
                        left = max(0, left - stored.select(pl.len()).collect().item())
            if left == 0:
                return

    # Pure within a question: a table that it names twice is read once.
    schema = SCHEMAS[table].polars
    return register_io_source(rows, schema=schema, is_pure=True, explain_name=str(table))


def _scan_files(files: list[IO[bytes]], table: Table) -> pl.LazyFrame:
    """Returns the rows of open files of a table; none where there are no files."""
    if not files:
        return SCHEMAS[table].empty().lazy()
    return pl.scan_parquet(
        files,
        schema=SCHEMAS[table].polars,
        missing_columns="insert",
        extra_columns="ignore",
        hive_partitioning=False,
        glob=False,
    )


def _narrowed(
    rows: pl.LazyFrame, columns: list[str] | None, predicate: pl.Expr | None, limit: int | None
) -> pl.LazyFrame:
    """Returns what a question needs of rows, as polars states it to a source.

    Where it gives both, the limit is of the rows that are stored, and the predicate chooses among those: a
    limit on what a predicate leaves stays with polars.
    """
    if limit is not None:
        rows = rows.head(limit)
    if predicate is not None:
        rows = rows.filter(predicate)
    return rows if columns is None else rows.select(columns)


@contextmanager
def _damage_named(files: Sequence[IO[bytes]]) -> Iterator[None]:
    """Names the damaged file where reading fails in whatever way; a question's own fault stays what it is.

    Raises:
        StorageError: A file among these is damaged.
    """
    try:
        yield
    except (Exception, PanicException) as error:
        for file in files:
            found = _damage(file)
            if found is not None:
                raise parquet.damaged(Path(file.name), found) from error
        raise


def _damage(file: IO[bytes]) -> str | None:
    """Returns why a file cannot be read whole; None where it can."""
    try:
        for _ in pl.scan_parquet(file, hive_partitioning=False, glob=False).collect_batches():
            pass
    except (Exception, PanicException) as error:  # noqa: BLE001 - the reader's own kinds of failing are many
        return str(error).partition("\n")[0] or type(error).__name__
    return None


def _opened(paths: Paths, table: Table, day: date, held: ExitStack) -> list[IO[bytes]]:
    """Opens all files of a day; whoever replaces or removes them later takes nothing from the reader.

    Raises:
        StorageError: A file is damaged or missing, or files vanish faster than they are opened.
    """
    for _ in range(_ATTEMPTS):
        with ExitStack() as opened:
            try:
                found = table_files(paths, table, day)
                require_told(paths, table, day, found)
                files: list[IO[bytes]] = [opened.enter_context(path.open("rb")) for path in found]
            except FileNotFoundError:
                # The day was closed since its hours were listed.
                continue
            except IsADirectoryError as error:
                raise parquet.damaged(Path(error.filename), "a folder") from error
            for file in files:
                parquet.require_whole(file)
            held.push(opened.pop_all())
            return files
    raise StorageError(
        f"The files of {table} of {day} vanish while they are opened.",
        remedy="Ask again; where it stays so, look for dangling links in the lake's folder.",
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
