"""The dated tables of what is listed: instruments of a day, and what happened to them since the day before.

Invariant: a day's file is made from files that do not change any more (symbols and master files of the day),
or made anew as a whole; the same input gives the same bytes. What no source tells is null, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from observer_core.brokers.kis.master_files import read_masters
from observer_core.brokers.kis.masters import Instrument
from observer_core.lake import readers
from observer_core.lake.ordering import in_order
from observer_core.lake.parquet import TableWriter
from observer_core.lake.schemas import SCHEMAS, Table
from observer_core.lake.storage import LakeStorage, exclusive, work_folder
from observer_core.market.calendar import MarketCalendar
from observer_core.reference.corporate_actions import (
    CorporateAction,
    Earlier,
    InstrumentState,
    corporate_actions,
)
from observer_core.reference.instrument import ListedInstrument
from observer_core.reference.stages import KisMasterStage
from observer_core.reference.symbols import Symbols, read_symbols
from observer_core.settings.paths import Paths

_STATE = tuple(name for name in InstrumentState.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class InstrumentsResult:
    """What making the instruments of a day did.

    Attributes:
        path: The file.
        rows: Instruments.
        source: The source of the day's symbols.
        from_master: Whether the master files of the day were read.
    """

    path: Path
    rows: int
    source: str
    from_master: bool


@dataclass(frozen=True, slots=True)
class ActionsResult:
    """What looking for corporate actions did.

    Attributes:
        path: The file.
        actions: What was found.
        compared_with: The trading day just before; None where its instruments are not in the lake.
        closes: Symbols whose previous close the day's sweep tells.
    """

    path: Path
    actions: tuple[CorporateAction, ...]
    compared_with: date | None
    closes: int


def build_instruments(paths: Paths, day: date, *, storage: LakeStorage | None = None) -> InstrumentsResult:
    """Writes the instruments of a day into the lake.

    Args:
        paths: The layout; the day's symbols are there.
        day: Trading day.
        storage: The disk.

    Raises:
        InputError: The symbols cannot be read.
        MasterFileError: The kept master files cannot be read.
    """
    symbols = read_symbols(paths.symbols(day))
    folder = paths.master_files(day)
    # Files of an earlier day would put its flags into this one.
    of_the_day = symbols.source == KisMasterStage.name and symbols.as_of == day
    from_master = of_the_day and folder.is_dir()
    listed = read_masters(folder) if from_master else symbols.instruments
    rows = pl.DataFrame(
        [_row(instrument, symbols, day) for instrument in listed], schema=SCHEMAS[Table.INSTRUMENTS].polars
    )
    path = _publish(paths, Table.INSTRUMENTS, day, rows, storage or LakeStorage())
    return InstrumentsResult(path, rows.height, symbols.source, from_master)


def build_corporate_actions(
    paths: Paths, day: date, *, calendar: MarketCalendar | None = None, storage: LakeStorage | None = None
) -> ActionsResult | None:
    """Writes what happened to instruments on a day into the lake.

    Args:
        paths: The layout.
        day: Trading day.
        calendar: The exchange's days.
        storage: The disk.

    Returns:
        None where the lake has no instruments of the day: then nothing is known, and nothing is written.
    """
    today = _states(paths, day)
    if not today:
        return None
    before = (calendar or MarketCalendar()).previous_trading_day(day)
    states = _states(paths, before)
    earlier = Earlier(before, states) if states else None
    closes = _previous_closes(paths, day)
    actions = corporate_actions(today, earlier, closes)
    rows = pl.DataFrame(
        [_action_row(action, day) for action in actions], schema=SCHEMAS[Table.CORPORATE_ACTIONS].polars
    )
    path = _publish(paths, Table.CORPORATE_ACTIONS, day, rows, storage or LakeStorage())
    return ActionsResult(path, tuple(actions), before if earlier else None, len(closes))


def _row(instrument: ListedInstrument, symbols: Symbols, day: date) -> dict[str, Any]:
    known = {name: getattr(instrument, name) for name in ListedInstrument.__dataclass_fields__}
    if isinstance(instrument, Instrument):
        known |= {name: getattr(instrument, name) for name in Instrument.__dataclass_fields__}
    known["symbol"] = known.pop("code")
    known["market"] = instrument.market.value
    columns = SCHEMAS[Table.INSTRUMENTS].polars.names()
    return {name: known.get(name) for name in columns} | {"trading_day": day, "source": symbols.source}


def _action_row(action: CorporateAction, day: date) -> dict[str, Any]:
    names = SCHEMAS[Table.CORPORATE_ACTIONS].polars.names()
    known = {name: getattr(action, name) for name in names if name != "trading_day"}
    texts = {name: str(value) if isinstance(value, str) else value for name, value in known.items()}
    return {"trading_day": day, **texts}


def _states(paths: Paths, day: date) -> Mapping[str, InstrumentState]:
    rows = readers.scan(paths, Table.INSTRUMENTS, day).select(_STATE).collect()
    states = (InstrumentState(**row) for row in rows.iter_rows(named=True))
    return {state.symbol: state for state in states}


def _previous_closes(paths: Paths, day: date) -> Mapping[str, int]:
    """Returns symbol -> previous close in KRW, by the first sweep of the day that states one."""
    swept = readers.scan(paths, Table.SWING_SNAPSHOTS, day).filter(pl.col("previous_close") > 0)
    first = swept.sort("received_at").group_by("symbol").agg(pl.col("previous_close").first())
    return dict(first.select("symbol", "previous_close").collect().rows())


def _publish(paths: Paths, table: Table, day: date, rows: pl.DataFrame, storage: LakeStorage) -> Path:
    schema, target = SCHEMAS[table], paths.lake_day(table, day)
    with exclusive(paths.lake_lock(day)), work_folder(paths.lake_work(day)) as work:
        source = work / f"{table}.parquet"
        with TableWriter(source, schema) as writer:
            writer.write(in_order(rows, schema.sort_key))
            writer.name_sources([])
        storage.publish(source, target)
    return target
