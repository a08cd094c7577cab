"""What a reader may be asked for: days and symbols, in any of the forms that people write them.

Invariant: whatever is no day or no symbol is an error that names argument, value and remedy, at the call;
nothing is understood as something else, and nothing odd is an empty answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeAlias

from observer_core.errors import InputError
from observer_core.lake.schemas import Table

Day: TypeAlias = date | str
# One day, first and last day of a range, or any days.
Days: TypeAlias = Day | tuple[Day, Day] | Iterable[Day]
Symbols: TypeAlias = str | Iterable[str] | None

_PAIR = 2


@dataclass(frozen=True, slots=True)
class WantedDays:
    """The days that were asked for.

    Attributes:
        first: First day of a range.
        last: Last day of it.
        among: Of the range, these; all of it where None.
    """

    first: date
    last: date
    among: frozenset[date] | None = None

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last and (self.among is None or day in self.among)


def wanted_days(days: Days) -> WantedDays:
    """Returns the days that an argument `days` means.

    Raises:
        InputError: It is no day, no pair and no list of days, or a pair stands the wrong way round.
    """
    if isinstance(days, tuple):
        return _range(days)
    if isinstance(days, str | date):
        day = _day(days)
        return WantedDays(day, day)
    if isinstance(days, bytes) or not isinstance(days, Iterable):
        raise _no_day(days)
    return WantedDays(date.min, date.max, frozenset(map(_day, days)))


def wanted_symbols(symbols: Symbols) -> frozenset[str] | None:
    """Returns the symbols that an argument `symbols` means; None for all.

    Raises:
        InputError: It is no text and no list of texts.
    """
    if symbols is None:
        return None
    if isinstance(symbols, str):
        return frozenset({symbols})
    if isinstance(symbols, bytes) or not isinstance(symbols, Iterable):
        raise _no_symbol(symbols)
    listed = list(symbols)
    for symbol in listed:
        if not isinstance(symbol, str):
            raise _no_symbol(symbol)
    return frozenset(listed)


def wanted_table(table: Table | str) -> Table:
    """Returns the table that an argument `table` means.

    Raises:
        InputError: There is none of that name.
    """
    try:
        return Table(table)
    except ValueError as error:
        raise InputError(
            f"table: there is no table {table!r}.", remedy=f"Name one of: {', '.join(sorted(Table))}."
        ) from error


def _range(pair: tuple[Day, ...]) -> WantedDays:
    if len(pair) != _PAIR:
        raise InputError(
            f"days: {pair!r} is a tuple of {len(pair)}; a tuple is the first and the last day.",
            remedy="Write a list for single days: ['2026-09-15', '2026-09-17', '2026-09-21'].",
        )
    first, last = map(_day, pair)
    if last < first:
        raise InputError(
            f"days: {first} to {last} ends before it begins.",
            remedy=f"Write the first day first: ('{last}', '{first}').",
        )
    return WantedDays(first, last)


def _day(day: object) -> date:
    if isinstance(day, datetime):
        # An evening in UTC is the next day in Korea: whose day is meant only the asker knows.
        raise InputError(
            f"days: {day!r} is a moment and no day.",
            remedy=f"Write '{day.date()}', or moment.astimezone(ZoneInfo('Asia/Seoul')).date().",
        )
    if isinstance(day, date):
        return day
    if not isinstance(day, str):
        raise _no_day(day)
    try:
        return date.fromisoformat(day)
    except ValueError as error:
        raise InputError(f"days: {day!r} is no date.", remedy="Write it as '2026-09-15'.") from error


def _no_day(days: object) -> InputError:
    return InputError(
        f"days: {days!r} is no day.",
        remedy="Write a date or its text '2026-09-15', a pair (first, last), or a list of days.",
    )


def _no_symbol(symbol: object) -> InputError:
    return InputError(
        f"symbols: {symbol!r} is no symbol.",
        remedy="Write it as text with its leading zeros, '005930', or a list of such texts.",
    )
