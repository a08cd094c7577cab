"""Cutting records that are JSON objects: rows of the broker's REST answers.

Invariant: what becomes of a record depends on that record alone, never on its neighbours. A known key gives
its column: text as the broker sends it, and of anything else the JSON text as it stands in the record. What
is not known, and a key that comes again, stays in `extra` as `key=value`, in the order in which it was sent.

Nearly all records are plain: texts without escapes under the same keys. Those are found by their form and
cut together; whatever else comes is read one by one, by the same rule.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from observer_core.brokers.kis.catalogue import Field
from observer_core.lake.columns import ColumnType

_INDEX = "index"
_IS_OBJECT = "is_object"
_EXTRA = "extra"

# So many sequences of keys are cut together; a block has one, or two while the broker changes it.
_SHAPES = 4

_BLANKS = re.compile(r"[ \t\r\n]*")
_PLAIN_TEXT = r'"[^"\\\x00-\x1f]*"'
_PLAIN_RECORD = re.compile(rf"\{{{_PLAIN_TEXT}:{_PLAIN_TEXT}(?:,{_PLAIN_TEXT}:{_PLAIN_TEXT})*\}}")


def split_by_key(payloads: pl.Series, fields: Sequence[Field]) -> tuple[pl.DataFrame, pl.Series]:
    """Cuts records that are JSON objects.

    Args:
        payloads: Records without line breaks.
        fields: The known fields by the broker's name.

    Returns:
        Row by row as the payloads: a text column for each known field, null where a record has not the key or
        an empty value, and `extra` with `key=value` of the others; and whether a record is a JSON object: one
        that is not has nulls only.
    """
    known = {field.broker_name: field.name for field in fields}
    left = payloads.rename("payload").to_frame().with_row_index(_INDEX)
    parts: list[pl.DataFrame] = []
    for _ in range(_SHAPES):
        keys = _plain_keys(left["payload"][0]) if left.height else None
        if keys is None:
            break
        alike = left["payload"].str.contains(_form_of(keys))
        parts.append(_cut_together(left.filter(alike), keys, known))
        left = left.filter(~alike)
    if left.height:
        parts.append(_cut_one_by_one(left, known))
    rows = parts[0] if len(parts) == 1 else pl.concat([_no_rows(known), *parts]).sort(_INDEX)
    # An empty value says nothing, like an empty one between two separators.
    values = rows.drop(_INDEX, _IS_OBJECT).with_columns(pl.col(list(known.values())).replace("", None))
    return values, rows[_IS_OBJECT]


def _no_rows(known: Mapping[str, str]) -> pl.DataFrame:
    texts = dict.fromkeys(known.values(), pl.String())
    return pl.DataFrame(
        schema={
            _INDEX: pl.get_index_type(),
            _IS_OBJECT: pl.Boolean(),
            **texts,
            _EXTRA: ColumnType.TEXTS.polars,
        }
    )


def _plain_keys(payload: str) -> list[str] | None:
    """Returns the keys of a plain record; None where it is not plain."""
    if not _PLAIN_RECORD.fullmatch(payload):
        return None
    keys = [key for key, _ in json.loads(payload, object_pairs_hook=list)]
    return keys if len(set(keys)) == len(keys) else None


def _form_of(keys: Sequence[str]) -> str:
    """Returns the form of the plain records that have these keys in this order, and no others."""
    entries = ",".join(f'"{pl.escape_regex(key)}":{_PLAIN_TEXT}' for key in keys)
    return rf"^\{{{entries}\}}$"


def _cut_together(rows: pl.DataFrame, keys: Sequence[str], known: Mapping[str, str]) -> pl.DataFrame:
    content = "\n".join(rows["payload"].to_list()).encode()
    values = pl.read_ndjson(io.BytesIO(content), schema=dict.fromkeys(keys, pl.String()))
    others = [pl.format("{}={}", pl.lit(key), pl.col(key)) for key in keys if key not in known]
    extra = pl.concat_list(others) if others else pl.lit(None)
    given = frozenset(keys)
    return values.select(
        rows[_INDEX],
        pl.lit(value=True).alias(_IS_OBJECT),
        *(
            (pl.col(key) if key in given else pl.lit(None, pl.String)).alias(name)
            for key, name in known.items()
        ),
        extra.cast(ColumnType.TEXTS.polars).alias(_EXTRA),
    )


def _cut_one_by_one(rows: pl.DataFrame, known: Mapping[str, str]) -> pl.DataFrame:
    found: list[dict[str, object]] = []
    for index, payload in rows.select(_INDEX, "payload").iter_rows():
        try:
            values = _values_of(payload, known) | {_IS_OBJECT: True}
        except (ValueError, RecursionError):
            values = {_IS_OBJECT: False}
        found.append(values | {_INDEX: index})
    return pl.DataFrame(found, schema=_no_rows(known).schema)


def _values_of(payload: str, known: Mapping[str, str]) -> dict[str, object]:
    """Returns the values of a record by column.

    Raises:
        ValueError: It is no JSON object.
        RecursionError: It is nested too deeply.
    """
    values: dict[str, object] = {}
    extra: list[str] = []
    for key, value in _entries(payload):
        name = known.get(key)
        if name is None or name in values:
            extra.append(f"{key}={'null' if value is None else value}")
        else:
            values[name] = value
    return {**values, _EXTRA: extra or None}


def _entries(payload: str) -> Iterator[tuple[str, str | None]]:
    """Yields keys and values of an object in order, also where a key comes again."""
    place = _after(payload, _past_blanks(payload, 0), "{")
    while not payload.startswith("}", place):
        if not payload.startswith('"', place):
            raise ValueError
        key, place = _value(payload, place)
        assert key is not None, "it begins as a text"
        value, place = _value(payload, _after(payload, place, ":"))
        yield key, value
        if payload.startswith("}", place):
            break
        place = _after(payload, place, ",")
        if payload.startswith("}", place):
            raise ValueError
    if _after(payload, place, "}") != len(payload):
        raise ValueError


def _value(payload: str, place: int) -> tuple[str | None, int]:
    """Returns a text or the JSON text of anything else, None of null; and the place of what follows."""
    value, end = _DECODER.raw_decode(payload, place)
    sent = payload[place:end]
    if sent.startswith('"') and _is_text(value):
        sent = value
    return (None if value is None else sent), _past_blanks(payload, end)


def _is_text(value: str) -> bool:
    """Returns whether a text can be kept as one: half of a pair of surrogates cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _after(payload: str, place: int, sign: str) -> int:
    """Returns the place of what follows a sign that has to stand here."""
    if not payload.startswith(sign, place):
        raise ValueError
    return _past_blanks(payload, place + 1)


def _past_blanks(payload: str, place: int) -> int:
    found = _BLANKS.match(payload, place)
    return found.end() if found else place


def _no_json(constant: str) -> object:
    raise ValueError(constant)


# Numbers stay as they stand in the record; Python's own constants are no JSON.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_no_json)
