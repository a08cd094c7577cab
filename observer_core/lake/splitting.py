"""Cutting records into values.

Invariant: a record is cut at every `^`, empty values kept, by its own width and not by one that is
expected; the values beyond the known fields stay in `extra`.

The values are cut by the CSV reader, with `^` as separator and quoting off: it is three times as
fast as splitting strings one by one (300,000 trades: 0.42 s against 1.24 s), and reads numbers for less
than text costs. What it takes for a number is what `parsing` makes one of: where the two might differ it
gives text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from observer_core.brokers.kis.catalogue import Field, FieldType
from observer_core.errors import ConservationError
from observer_core.lake.bytes_found import count_of

_SEPARATOR = "^"
# The types of numbers; a reader gives them as text where one of a column has not its form.
NUMBERS = {FieldType.INTEGER: pl.Int64(), FieldType.DECIMAL: pl.Float64()}

# With such an exponent a decimal may be too small for its column, and become a zero that nobody sent.
_SMALL_EXPONENTS = (b"e-", b"E-")

# A reader of lines would cut a record here, or leave the mark out.
LINE_BREAKS = "[\r\n\ufeff]"


def width() -> pl.Expr:
    """Returns the number of values of a payload."""
    return (pl.col("payload").str.count_matches(_SEPARATOR, literal=True) + 1).alias("width")


def lines_of(payloads: pl.Series) -> bytes:
    """Returns payloads as the lines of a text."""
    ended = (payloads + "\n").rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    return bytes(ended.buffers()[2] or b"")


def likely_width(text: bytes, records: int) -> int | None:
    """Returns the number of values of each record if it may be the same of all; None where it is not.

    The separators are counted together, for a twelfth of what counting them record by record costs; whether
    one record has one more and another one less, the reader finds out.

    Args:
        text: The records as lines.
        records: How many.
    """
    separators = count_of(np.frombuffer(text, np.uint8), ord(_SEPARATOR))
    each, rest = divmod(separators, records)
    return each + 1 if each and not rest else None


class RaggedRecordsError(Exception):
    """Records that were to be cut together have not the same number of values."""


def split_by_position(text: bytes, records: int, fields: Sequence[Field], width: int) -> pl.DataFrame:
    """Cuts records of one width.

    Args:
        text: Records as lines, without further line breaks, all with `width` values, at least two.
        records: How many.
        fields: The known fields by position; a record may have fewer or more values.
        width: Values of each record.

    Returns:
        A column for each known field that the records have, and `extra` where they have more: numbers
        where all of them have their form, else text.

    Raises:
        ConservationError: The reader found another number of records.
        RaggedRecordsError: A record has more values.
    """
    known = fields[:width]
    beyond = [f"extra_{position}" for position in range(len(known), width)]
    as_text: dict[str, pl.DataType] = dict.fromkeys([*(field.name for field in known), *beyond], pl.String())
    values = _read_numbers(text, known, as_text)
    if values.height != records:
        raise ConservationError(f"{records} records were cut into {values.height}.")
    if not beyond:
        return values
    extra = pl.concat_list(pl.col(beyond).fill_null("")).alias("extra")
    return values.select(*(field.name for field in known), extra)


def _read_numbers(text: bytes, known: Sequence[Field], as_text: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Reads records with their numbers, but as text where one of a column has not its form."""
    integers, decimals = (
        {field.name: NUMBERS[kind] for field in known if field.type is kind}
        for kind in (FieldType.INTEGER, FieldType.DECIMAL)
    )
    if _has_small_exponents(text):
        decimals = {}
    try:
        values = _read(text, {**as_text, **integers, **decimals})
        # One that is not finite makes the sum so, and a sum costs a sixth of looking at each.
        if all(isfinite(values[name].sum()) for name in decimals):
            return values
        return _read(text, {**as_text, **integers})
    except PolarsError:
        return _read_as_text(text, as_text)


def _has_small_exponents(text: bytes) -> bool:
    # A letter alone is found ten times as fast, and stands in few symbols.
    return any(sign[:1] in text and sign in text for sign in _SMALL_EXPONENTS)


def _read_as_text(text: bytes, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Reads records among which a number has not its form; whoever converts the text finds out which."""
    try:
        return _read(text, schema)
    except PolarsError as error:
        raise RaggedRecordsError from error


def _read(text: bytes, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    return pl.read_csv(text, separator=_SEPARATOR, quote_char=None, has_header=False, schema=dict(schema))
