"""The dated listing that ships with the package: real codes and names.

Invariant: the file is data, made from the broker's master files of its date and never edited; it
is the last source of symbols when every other one failed, and the simulator's list of instruments.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable
from dataclasses import fields
from datetime import date
from functools import cache
from importlib import resources

from observer_core.errors import InputError
from observer_core.reference.instrument import ListedInstrument, Market

# The trading day whose master files it was made from: its newest listing date is this day.
LISTING_DATE = date(2026, 3, 9)

_COLUMNS = tuple(field.name for field in fields(ListedInstrument))


@cache
def read_listing() -> tuple[ListedInstrument, ...]:
    """Returns the instruments of the packaged listing: KOSPI, then KOSDAQ, in the broker's order."""
    name = f"listing_{LISTING_DATE:%Y-%m-%d}.csv.gz"
    packed = resources.files("observer_core.reference").joinpath("data", name).read_bytes()
    return parse_listing(packed, source=name)


def parse_listing(packed: bytes, *, source: str) -> tuple[ListedInstrument, ...]:
    """Returns the instruments of a listing file (gzip of UTF-8 CSV with a head line).

    Raises:
        InputError: The file is damaged or has other columns.
    """
    try:
        rows = csv.DictReader(io.StringIO(gzip.decompress(packed).decode()))
        if tuple(rows.fieldnames or ()) != _COLUMNS:
            raise InputError(f"{source} has the columns {rows.fieldnames} instead of {list(_COLUMNS)}.")
        return tuple(_instrument(row) for row in rows)
    except (OSError, EOFError, ValueError, TypeError) as error:
        raise InputError(f"{source} is damaged: {error}.", remedy="Install the package again.") from error


def write_listing(instruments: Iterable[ListedInstrument]) -> bytes:
    """Returns a listing file; the same instruments give the same bytes."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_COLUMNS)
    for instrument in instruments:
        values = (getattr(instrument, column) for column in _COLUMNS)
        rows.writerow(int(value) if isinstance(value, bool) else value for value in values)
    return gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0)


def _instrument(row: dict[str, str]) -> ListedInstrument:
    return ListedInstrument(
        code=row["code"],
        isin=row["isin"],
        name=row["name"],
        market=Market(row["market"]),
        group=row["group"],
        preferred_class=row["preferred_class"],
        spac=row["spac"] == "1",
        suspended=row["suspended"] == "1",
        liquidation=row["liquidation"] == "1",
        base_price=int(row["base_price"]),
        previous_volume=int(row["previous_volume"]),
        listed_shares=int(row["listed_shares"]),
    )
