"""The broker's official daily figures in the lake.

Invariant: a day of the table is one file, replaced as a whole; what the broker once stated stays when it
does not answer another time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

import polars as pl

from observer_core.brokers.kis.catalogue import Venue
from observer_core.brokers.kis.daily import DailyFigures
from observer_core.lake.ordering import in_order
from observer_core.lake.parquet import TableWriter
from observer_core.lake.readers import scan
from observer_core.lake.schemas import SCHEMAS, Table
from observer_core.lake.storage import LakeStorage, exclusive, work_folder
from observer_core.settings.paths import Paths

_STATED = tuple(field.name for field in fields(DailyFigures))
_PAIR = ("symbol", "venue")


class Answer(StrEnum):
    """What the broker said when it was asked for a day's figures."""

    STATED = "stated"
    NO_ROW = "no_row"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class OfficialRow:
    """One answer.

    Attributes:
        symbol: The symbol.
        venue: The venue.
        answer: What kind it is.
        asked_at: When it was asked for.
        figures: What was stated.
        error: Why nothing was.
    """

    symbol: str
    venue: Venue
    answer: Answer
    asked_at: datetime
    figures: DailyFigures | None = None
    error: str = ""

    @property
    def traded(self) -> int | None:
        """Shares of the day; of what has no row, nothing was traded. None where nothing was answered."""
        if self.figures is not None:
            return self.figures.volume
        return 0 if self.answer is Answer.NO_ROW else None


def recorded_pairs(paths: Paths, day: date) -> list[tuple[str, Venue]]:
    """Returns the symbols and venues of which the lake holds a trade of a day."""
    found = scan(paths, Table.SCALP_TRADES, day).select(_PAIR).unique().collect()
    return sorted((symbol, Venue(venue)) for symbol, venue in found.rows())


def write_official(
    paths: Paths, day: date, rows: Iterable[OfficialRow], *, storage: LakeStorage | None = None
) -> list[OfficialRow]:
    """Replaces a day's official figures; an earlier answer stays where a new one says nothing else.

    Args:
        paths: The layout.
        day: The trading day.
        rows: The answers.
        storage: The disk.

    Returns:
        What the file holds now.
    """
    disk, schema = storage or LakeStorage(), SCHEMAS[Table.DAILY_OFFICIAL]
    with exclusive(paths.lake_lock(day)):
        kept = {(row.symbol, row.venue): row for row in read_official(paths, day)}
        for row in rows:
            known = kept.get((row.symbol, row.venue))
            if known is None or _says_more(row, known):
                kept[row.symbol, row.venue] = row
        values = [_values(row, day) for row in kept.values()]
        frame = in_order(pl.DataFrame(values, schema=schema.polars), schema.sort_key)
        with work_folder(paths.lake_work(day)) as work:
            source = work / "daily_official.parquet"
            with TableWriter(source, schema) as writer:
                writer.write(frame)
                writer.name_sources([])
            disk.publish(source, paths.lake_day(Table.DAILY_OFFICIAL, day))
    return list(kept.values())


def _says_more(row: OfficialRow, known: OfficialRow) -> bool:
    """Returns whether an answer takes the place of an earlier one: other figures, or the first ones."""
    if row.figures is not None:
        return row.figures != known.figures
    return known.figures is None and row.answer is not known.answer


def read_official(paths: Paths, day: date) -> list[OfficialRow]:
    """Returns the answers that the lake holds for a day; none where nobody has asked."""
    rows = scan(paths, Table.DAILY_OFFICIAL, day).collect()
    return [_row(values) for values in rows.iter_rows(named=True)]


def _values(row: OfficialRow, day: date) -> dict[str, object]:
    """Returns a row of the table."""
    stated = dict.fromkeys(_STATED) if row.figures is None else asdict(row.figures)
    return {
        "trading_day": day,
        "symbol": row.symbol,
        "venue": row.venue.value,
        "answer": row.answer.value,
        **stated,
        "asked_at": row.asked_at.astimezone(UTC),
        "error": row.error,
    }


def _row(values: Mapping[str, Any]) -> OfficialRow:
    answer = Answer(values["answer"])
    figures = DailyFigures(**{name: values[name] for name in _STATED}) if answer is Answer.STATED else None
    return OfficialRow(
        symbol=values["symbol"],
        venue=Venue(values["venue"]),
        answer=answer,
        asked_at=values["asked_at"],
        figures=figures,
        error=values["error"] or "",
    )
