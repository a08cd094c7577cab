"""What becomes of a table's file when segments are read, or read again.

Invariant: rows of the segments that are read again are replaced, all others are kept, also those whose
segment has left the journal since; and rows are kept only from a file whose bytes are those that were
published. Where nobody can tell that, the new file is not vouched for either.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from observer_core.errors import StorageError
from observer_core.lake.fingerprints import Fingerprint, Fingerprints, fingerprint, is_vouched_for
from observer_core.lake.merging import Part, merge_files
from observer_core.lake.parquet import FileSource, read_rows, read_sources
from observer_core.lake.schemas import SCHEMAS, Table


@dataclass(frozen=True, slots=True)
class Stored:
    """A table's file before.

    Attributes:
        target: Where it is, or will be.
        known: What it may hold; empty where nobody vouches for it.
        needed: Segments that its receipt names, and that are not read again.
    """

    target: Path
    known: Sequence[Fingerprint]
    needed: frozenset[str]

    @property
    def sources(self) -> tuple[FileSource, ...] | None:
        """Segments that it holds; none where it does not exist, None where it is damaged and not needed.

        Raises:
            StorageError: It is damaged, and needed.
        """
        if not self.target.exists():
            return ()
        try:
            return read_sources(self.target)
        except StorageError:
            if self.needed:
                raise
            return None


@dataclass(frozen=True, slots=True)
class Renewed:
    """A table's file as it will be.

    Attributes:
        table: The table.
        target: Where it belongs.
        source: The finished file; None where no row is left.
        content: What it holds; None where nobody vouches for some of its rows.
    """

    table: Table
    target: Path
    source: Path | None
    content: Fingerprint | None


@dataclass(frozen=True, slots=True)
class Fresh:
    """Rows of the segments that were read.

    Attributes:
        file: The finished work file; None where a table has no rows of them.
        sources: What it holds.
        segments: All that were read.
    """

    file: Path | None
    sources: Sequence[FileSource]
    segments: Collection[str]


def renew(table: Table, stored: Stored, fresh: Fresh, work: Path, *, as_day: bool) -> Renewed | None:
    """Makes a table's file of fresh rows and those that are kept; None where it stays as it is.

    Args:
        table: The table.
        stored: Its file before.
        fresh: The rows that were read.
        work: The folder of unfinished files.
        as_day: Whether it is a day's file, whose row groups are those of a merge.

    Raises:
        StorageError: The file is damaged, and rows of it are needed.
        ConservationError: A row would be stored twice, or is missing.
    """
    before = stored.sources
    kept = [source for source in before or () if source.segment not in fresh.segments]
    if fresh.file is None and before is not None and len(kept) == len(before):
        return None
    if fresh.file is None and not kept:
        return Renewed(table, stored.target, None, None)
    if fresh.file is not None and not kept and not as_day:
        return Renewed(table, stored.target, fresh.file, fingerprint(fresh.file))
    parts = [Part(fresh.file)] if fresh.file is not None else []
    vouched = True
    if kept:
        vouched = may_be_merged(stored.target, table, stored.known)
        parts.append(Part(stored.target, frozenset(fresh.segments)))
    merged = work / f"{table}.merged.parquet"
    merge_files(merged, table, parts, [*fresh.sources, *kept])
    return Renewed(table, stored.target, merged, fingerprint(merged) if vouched else None)


def may_be_merged(path: Path, table: Table, known: Sequence[Fingerprint]) -> bool:
    """Returns whether a file that is to be merged is vouched for; one that is not can be read at least.

    Raises:
        StorageError: It is damaged.
    """
    if is_vouched_for(path, known):
        return True
    for _ in read_rows(path, SCHEMAS[table]):
        pass
    return False


def while_replaced(known: Fingerprints, renewed: Sequence[Renewed]) -> Fingerprints:
    """Returns what files may hold while they are replaced: what they did, or what they will.

    Of a file that is there and that nobody vouches for, nothing can be told until it is replaced.
    """
    coming: dict[str, tuple[Fingerprint, ...]] = {
        one.table: (*known.get(one.table, ()), one.content)
        for one in renewed
        if one.content is not None and (one.table in known or not one.target.exists())
    }
    return {**known, **coming}


def once_replaced(known: Fingerprints, renewed: Sequence[Renewed]) -> Fingerprints:
    """Returns what files hold once they are replaced; those that nobody vouches for are left out."""
    gone = {one.table for one in renewed if one.content is None}
    now: dict[str, tuple[Fingerprint, ...]] = {
        one.table: (one.content,) for one in renewed if one.content is not None
    }
    return {table: contents for table, contents in {**known, **now}.items() if table not in gone}
