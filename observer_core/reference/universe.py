"""The universe of a trading day: the instruments that Observer sweeps, and why the others are out.

Invariant: every instrument is either in the universe or counted under the first filter that excludes
it, in the order of `Exclusion`; a file of a date is written once and never again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from observer_core.errors import InputError
from observer_core.files import create_atomically
from observer_core.json_text import parse_json
from observer_core.reference.instrument import COMMON_SHARE, ListedInstrument, Market
from observer_core.reference.symbols import Symbols
from observer_core.settings import Paths, UniverseSettings

FORMAT = 1


class Exclusion(StrEnum):
    """Why an instrument is not in the universe, in the order in which the filters apply."""

    GROUP = "group"
    SPAC = "spac"
    PREFERRED = "preferred"
    SUSPENDED = "suspended"
    LIQUIDATION = "liquidation"
    PRICE = "price"


@dataclass(frozen=True, slots=True)
class UniverseSymbol:
    """One instrument of the universe.

    Attributes:
        code: Short code.
        name: Korean name.
        market: KOSPI or KOSDAQ.
        base_price: Reference price of the day in KRW.
        previous_volume: Shares traded on the previous trading day.
    """

    code: str
    name: str
    market: Market
    base_price: int
    previous_volume: int


@dataclass(frozen=True, slots=True)
class Universe:
    """The universe of a day.

    Attributes:
        day: The trading day.
        symbols_date: The day of the symbols it was made from.
        source: Where those came from.
        rows: Instruments that were filtered.
        excluded: Reason -> number of instruments; rows are the symbols and the excluded ones.
        filters: The settings it was made with.
        symbols: The instruments, by code.
    """

    day: date
    symbols_date: date
    source: str
    rows: int
    excluded: dict[str, int]
    filters: dict[str, Any]
    symbols: tuple[UniverseSymbol, ...]

    @property
    def size(self) -> int:
        """How many instruments it has."""
        return len(self.symbols)


def build_universe(
    instruments: Iterable[ListedInstrument],
    settings: UniverseSettings,
    day: date,
    *,
    symbols_date: date,
    source: str,
) -> Universe:
    """Returns the instruments that pass every filter.

    Args:
        instruments: All instruments.
        settings: The filters.
        day: The trading day.
        symbols_date: The day of the instruments.
        source: Where they came from.

    Raises:
        InputError: No instrument passes: that is never what an operator meant.
    """
    excluded: Counter[Exclusion] = Counter()
    chosen: list[UniverseSymbol] = []
    for one in instruments:
        reason = exclusion(one, settings)
        if reason is not None:
            excluded[reason] += 1
            continue
        chosen.append(UniverseSymbol(one.code, one.name, one.market, one.base_price, one.previous_volume))
    counts = {reason.value: excluded[reason] for reason in Exclusion}
    if not chosen:
        raise InputError(
            f"No instrument of {excluded.total()} passes the filters of the universe: {counts}.",
            remedy="Correct the OBSERVER_UNIVERSE_* variables.",
        )
    return Universe(
        day=day,
        symbols_date=symbols_date,
        source=source,
        rows=len(chosen) + excluded.total(),
        excluded=counts,
        filters=settings.model_dump(mode="json"),
        symbols=tuple(sorted(chosen, key=lambda symbol: symbol.code)),
    )


def exclusion(instrument: ListedInstrument, settings: UniverseSettings) -> Exclusion | None:
    """Returns the first filter that excludes an instrument; None where it is in the universe."""
    checks = (
        (Exclusion.GROUP, instrument.group not in settings.groups),
        (Exclusion.SPAC, settings.exclude_spac and instrument.spac),
        (Exclusion.PREFERRED, settings.common_only and instrument.preferred_class != COMMON_SHARE),
        (Exclusion.SUSPENDED, settings.exclude_suspended and instrument.suspended),
        (Exclusion.LIQUIDATION, settings.exclude_liquidation and instrument.liquidation),
        (Exclusion.PRICE, instrument.base_price < settings.minimum_price),
    )
    return next((reason for reason, excluded in checks if excluded), None)


def ensure_universe(paths: Paths, symbols: Symbols, settings: UniverseSettings, day: date) -> Universe:
    """Returns the universe of a day, from its file or else made from the symbols and written.

    Args:
        paths: The layout: the file is `Paths.universe(day)`.
        symbols: The instruments.
        settings: The filters.
        day: The trading day.

    Raises:
        InputError: The day's file is damaged, or no instrument passes the filters.
    """
    path = paths.universe(day)
    if path.exists():
        return read_universe(path)
    universe = build_universe(
        symbols.instruments, settings, day, symbols_date=symbols.as_of, source=symbols.source
    )
    if not create_atomically(path, universe_json(universe)):
        return read_universe(path)
    return universe


def earlier_universe(paths: Paths, day: date, *, oldest: timedelta = timedelta(days=14)) -> Universe:
    """Returns the newest universe before a day: the explicit way out when the day's own is missing.

    Raises:
        InputError: There is none within `oldest`.
    """
    for days in range(1, oldest.days + 1):
        path = paths.universe(day - timedelta(days=days))
        if path.exists():
            return read_universe(path)
    raise InputError(
        f"There is no universe within {oldest.days} days before {day} in {paths.universe(day).parent}.",
        remedy="Run refresh_reference for the day.",
    )


def universe_json(universe: Universe) -> bytes:
    """Returns the content of a universe file."""
    content = {
        "format": FORMAT,
        "date": universe.day.isoformat(),
        "symbols_date": universe.symbols_date.isoformat(),
        "source": universe.source,
        "rows": universe.rows,
        "universe_size": universe.size,
        "excluded": universe.excluded,
        "filters": universe.filters,
        "symbols": [asdict(symbol) for symbol in universe.symbols],
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def read_universe(path: Path) -> Universe:
    """Returns the content of a universe file.

    Raises:
        InputError: It is missing, damaged or of another format.
    """
    try:
        content = parse_json(path.read_bytes())
        if content["format"] != FORMAT:
            raise InputError(
                f"{path} has format {content['format']!r} instead of {FORMAT}.",
                remedy="Deploy the release that wrote it, or a later one.",
            )
        return Universe(
            day=date.fromisoformat(content["date"]),
            symbols_date=date.fromisoformat(content["symbols_date"]),
            source=content["source"],
            rows=content["rows"],
            excluded=content["excluded"],
            filters=content["filters"],
            symbols=tuple(
                UniverseSymbol(**{**symbol, "market": Market(symbol["market"])})
                for symbol in content["symbols"]
            ),
        )
    except FileNotFoundError as error:
        raise InputError(
            f"There is no universe file {path}.",
            remedy="Run refresh_reference for the day: it writes the file.",
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"The universe file {path} cannot be read: {type(error).__name__} {error}.",
            # A file that is there is never written again.
            remedy="Move the file away, then run refresh_reference for the day: it writes the file anew.",
        ) from error
