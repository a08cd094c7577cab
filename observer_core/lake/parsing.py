"""Records, from the broker's text to typed columns.

Invariant: of every record given, either a row comes back or a reject with its reason; a value that
is not in its documented form is never dropped silently: a required one rejects the record, an
optional one stays in `unparsed` as it was sent.

Reasons are those of the record decoder (`observer_core.brokers.kis.decoding`), which reads one record
for people; here a hundred thousand are read at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial

import numpy as np
import polars as pl

from observer_core.brokers.kis.catalogue import Field, FieldType, Key
from observer_core.clock import KST
from observer_core.lake.columns import ColumnType, TableSchema
from observer_core.lake.schemas import COLUMN_TYPES
from observer_core.lake.splitting import NUMBERS
from observer_core.lake.text_runs import by_runs

# What the broker writes for "none" (broker reference, 7.1, market operation).
_NULL_TEXT = "(null)"

# More than any share has cost and any trade has had, so that a minute's sums fit their columns (KRX).
_HIGHEST = {"price": 1_000_000_000, "volume": 1_000_000_000}

# What is no text as it was sent, and seldom changes from one record of a symbol to the next.
_SELDOM_NEW = {FieldType.TEXT, FieldType.DATE, FieldType.FLAG, FieldType.TIME}

INDEX = "index"

REJECTS = pl.Schema({INDEX: pl.get_index_type(), "reason": pl.String(), "field": pl.String()})


@dataclass(frozen=True, slots=True)
class Parsed:
    """Rows, and what cannot become one.

    Attributes:
        rows: Rows with all columns of the table.
        rejects: `index` in the block, `reason`, and `field`: the column at fault or an empty text.
    """

    rows: pl.DataFrame
    rejects: pl.DataFrame


def reject_all(envelopes: pl.DataFrame, reason: str, field: str = "") -> pl.DataFrame:
    """Returns the rejects that say the same of every record."""
    return envelopes.select(
        INDEX, pl.lit(reason).alias("reason"), pl.lit(field).alias("field")
    ).match_to_schema(REJECTS)


def parse_values(
    envelopes: pl.DataFrame, values: pl.DataFrame, fields: Sequence[Field], schema: TableSchema, day: date
) -> Parsed:
    """Converts the text values of records that were cut by position or by key.

    Args:
        envelopes: The envelopes of the records, with the block's `index` and our own columns such as
            `venue`.
        values: Columns named as the fields, row by row as the envelopes: text, or numbers that were
            converted already; further columns, such as `extra`, are taken over.
        fields: The fields that the records have; columns of the table without one become null.
        schema: The table.
        day: Receive day, Korean time: it gives a time of day its date.

    Returns:
        Rows with all columns of the table, and the rejects.
    """
    given = values.schema
    texts = [field for field in fields if given[field.name] == pl.String]
    typed = values.with_columns(
        *(_number(field) for field in texts if field.type in NUMBERS),
        *(
            by_runs(values[field.name], _converted(field, day))
            for field in texts
            if field.type in _SELDOM_NEW
        ),
    )
    rejects = _rejects(envelopes, values, typed, fields, day)
    kept = typed.with_columns(_unparsed(values, typed, fields))
    rows = pl.concat([_own_columns(envelopes, day), kept], how="horizontal")
    held = frozenset(rows.columns)
    rows = rows.select(
        pl.col(name) if name in held else pl.lit(None, dtype).alias(name)
        for name, dtype in {INDEX: pl.get_index_type(), **schema.polars}.items()
    )
    if not rejects.is_empty():
        rows = rows.join(rejects.select(INDEX), on=INDEX, how="anti", maintain_order="left")
    return Parsed(rows.drop(INDEX), rejects)


def _own_columns(envelopes: pl.DataFrame, day: date) -> pl.DataFrame:
    """Returns the columns that come from the envelope."""
    own = (INDEX, "venue", "channel", "provider", "shard", "epoch", "frame", "record", "segment")
    return envelopes.select(
        pl.lit(day).alias("trading_day"),
        received_at(),
        *(name for name in own if name in envelopes.columns),
    )


def received_at() -> pl.Expr:
    """Returns the receive time as an instant."""
    return (pl.col("wall_ns") // 1000).cast(ColumnType.INSTANT.polars).alias("received_at")


def _number(field: Field) -> pl.Expr:
    """Returns a number, with blanks before it or not; null where a text is none that its column can hold.

    The reader of `splitting` takes the same: a record's values do not depend on its neighbours.
    """
    text = pl.col(field.name)
    number = text.str.strip_chars_start(" \t").cast(NUMBERS[field.type], strict=False)
    if field.type is FieldType.INTEGER:
        return number
    vanished = (number == 0) & text.str.contains("[1-9][^eE]*[eE]")
    return pl.when(number.is_finite() & ~vanished).then(number).alias(field.name)


def _converted(field: Field, day: date) -> Callable[[pl.Series], pl.Series]:
    """Returns what makes texts values of a field's type; null where one is empty or not in its form."""
    if field.type is FieldType.TIME:
        return partial(_instants, day=day)
    value = pl.col(field.name)
    typed: pl.Expr
    if field.type is FieldType.DATE:
        typed = pl.when(value.str.len_bytes() == 8).then(value.str.to_date("%Y%m%d", strict=False))
    elif field.type is FieldType.FLAG:
        typed = pl.when(value == "Y").then(statement=True).when(value == "N").then(statement=False)
    else:
        typed = pl.when(value != _NULL_TEXT).then(value)
        typed = typed.str.strip_chars() if field.name == "symbol" else typed
    return lambda texts: texts.to_frame().select(typed.alias(field.name)).to_series()


def _instants(values: pl.Series, day: date) -> pl.Series:
    """Returns HHMMSS of a Korean day as instants; null where a value is empty or anything else.

    Six digits stand in the view of a text itself: all are read at once, for a fifth of what a cast costs.
    """
    array = values.rechunk().to_arrow(compat_level=pl.CompatLevel.newest())
    views = np.frombuffer(array.buffers()[1], np.uint8).reshape(-1, 16)[array.offset :][: len(values)]
    valid = views.view("<u4")[:, 0] == 6
    total = np.zeros(len(values), np.int64)
    for place, limit, unit in ((4, 24, 3600), (6, 60, 60), (8, 60, 1)):
        tens, ones = views[:, place] - np.uint8(ord("0")), views[:, place + 1] - np.uint8(ord("0"))
        number = tens * np.uint8(10) + ones
        valid &= (tens <= 9) & (ones <= 9) & (number < limit)
        total += number * np.int64(unit)
    midnight = datetime.combine(day, time(), KST) - datetime(1970, 1, 1, tzinfo=UTC)
    instants = pl.Series(values.name, total * 1_000_000 + midnight // timedelta(microseconds=1))
    kept = pl.Series(valid) & values.is_not_null()
    return instants.set(~kept, None).cast(ColumnType.INSTANT.polars)


def _are_symbols(texts: pl.Series) -> pl.Series:
    return texts.str.contains(f"^(?:{Key.STOCK.pattern.pattern})$")


def _rejects(
    envelopes: pl.DataFrame, values: pl.DataFrame, typed: pl.DataFrame, fields: Iterable[Field], day: date
) -> pl.DataFrame:
    """Names the first fault of each record that has one."""
    faults: list[tuple[pl.Series, pl.Expr, str]] = []
    for field in fields:
        if field.name == "symbol":
            symbol = typed["symbol"].fill_null("")
            key = by_runs(envelopes["key"], lambda texts: texts.str.strip_chars())
            faults.append((~by_runs(symbol, _are_symbols), pl.lit("symbol_not_valid"), "symbol"))
            faults.append((symbol != key, pl.lit("symbol_differs_from_key"), "symbol"))
        elif field.required:
            missing = pl.when(values[field.name].is_null()).then(pl.lit("value_missing"))
            reason = missing.otherwise(pl.lit(f"{field.type.value}_not_valid"))
            faults.append((typed[field.name].is_null(), reason, field.name))
            if field.name in _HIGHEST:
                highest = _HIGHEST[field.name]
                beyond = (~typed[field.name].is_between(-highest, highest)).fill_null(value=False)
                faults.append((beyond, pl.lit(f"{field.name}_not_plausible"), field.name))
        elif field.name == "business_date":
            # A date that cannot be read is kept in `unparsed`; a wrong one would put the trade into
            # a day whose files are closed.
            other = (typed["business_date"] != day).fill_null(value=False)
            faults.append((other, pl.lit("business_date_differs"), field.name))
    found = [fault for fault in faults if fault[0].any()]
    if not found:
        return pl.DataFrame(schema=REJECTS)
    return (
        envelopes.select(
            INDEX,
            pl.coalesce(pl.when(bad).then(reason) for bad, reason, _ in found).alias("reason"),
            pl.coalesce(pl.when(bad).then(pl.lit(name)) for bad, _, name in found).alias("field"),
        )
        .filter(pl.col("reason").is_not_null())
        .match_to_schema(REJECTS)
    )


def _unparsed(values: pl.DataFrame, typed: pl.DataFrame, fields: Iterable[Field]) -> pl.Series:
    """Returns, for each record, the optional values that have not their form."""
    lost = [
        field.name
        for field in fields
        if COLUMN_TYPES[field.type] is not ColumnType.TEXT
        and typed[field.name].null_count() > values[field.name].null_count()
    ]
    if not lost:
        return pl.Series("unparsed", [None], dtype=ColumnType.TEXTS.polars).new_from_index(0, values.height)
    entries = [
        pl.when(typed[name].is_null() & values[name].is_not_null()).then(pl.format(f"{name}={{}}", name))
        for name in lost
    ]
    listed = values.select(pl.concat_list(entries).list.drop_nulls().alias("unparsed")).to_series()
    return pl.select(pl.when(listed.list.len() > 0).then(listed).alias("unparsed")).to_series()
