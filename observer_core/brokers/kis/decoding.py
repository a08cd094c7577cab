"""Records, from `^`-separated values to named and typed ones (broker reference, 6.5 and 7.1).

Invariant: the width of a record is that of its frame; known values are read by position, a value
beyond the known ones is kept as extra, and nothing is guessed: a value that has not its documented
form is a `FrameError` with the reason and the field.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal

from observer_core.brokers.kis.catalogue import CHANNELS, Channel, Field, FieldType, Key
from observer_core.brokers.kis.frames import DataFrame, split_records
from observer_core.errors import FrameError

Value = str | int | Decimal | time | date | bool | None

UNKNOWN_KIND = "unknown"

_INTEGER = re.compile(r"-?[0-9]{1,18}")
_DECIMAL = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,9})?")
_YES_OR_NO = re.compile("[YN]")
_SIX_DIGITS = re.compile(r"[0-9]{6}")
_EIGHT_DIGITS = re.compile(r"[0-9]{8}")
# What the broker writes for "none" (broker reference, 7.1, market operation).
_NULL_TEXT = "(null)"


@dataclass(frozen=True, slots=True)
class Record:
    """One decoded record.

    Attributes:
        channel: The `tr_id`.
        kind: What the channel tells; `unknown` for a channel the catalogue does not have.
        symbol: Stock or index code; None where the layout is not known and the first value is no code.
        values: English name -> value, in the broker's order; empty where the layout is not known.
        extra: The values beyond the known ones, as sent.
    """

    channel: str
    kind: str
    symbol: str | None
    values: dict[str, Value]
    extra: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """What could be read of a frame.

    Attributes:
        records: The records, in the order of the frame.
        faults: Index of a record in the frame -> why it cannot be read.
    """

    records: tuple[Record, ...]
    faults: dict[int, FrameError]


def decode_frame(frame: DataFrame) -> DecodedFrame:
    """Decodes each record of a frame on its own.

    Raises:
        FrameError: No record can be cut out: `encrypted`, `width_not_divisible`, `width_too_small` or
            `width_too_large`.
    """
    texts = split_records(frame)
    channel = CHANNELS.get(frame.channel)
    if channel is not None:
        _check_width(channel, texts[0].count("^") + 1)
    records: list[Record] = []
    faults: dict[int, FrameError] = {}
    latest: dict[str, time] = {}
    for index, text in enumerate(texts):
        try:
            record = decode_record(frame.channel, text)
            _check_order(channel, record, latest)
        except FrameError as fault:
            faults[index] = fault
        else:
            records.append(record)
    return DecodedFrame(tuple(records), faults)


def decode_record(channel_name: str, text: str) -> Record:
    """Decodes one record.

    Args:
        channel_name: The `tr_id` of its frame.
        text: The values of the record, separated by `^`.

    Returns:
        The record; all of its values are extra where the catalogue does not list the channel's fields.

    Raises:
        FrameError: `width_too_small`, `width_too_large`, `symbol_not_valid`, `value_missing`,
            `integer_not_valid`, `decimal_not_valid`, `time_not_valid`, `date_not_valid` or
            `flag_not_valid`.
    """
    values = text.split("^")
    channel = CHANNELS.get(channel_name)
    if channel is None or not channel.fields:
        kind = UNKNOWN_KIND if channel is None else channel.kind.value
        return Record(channel_name, kind, _first_code(channel, values[0]), {}, tuple(values))
    _check_width(channel, len(values))
    symbol = values[channel.symbol_position].strip(" ")
    if not channel.key.pattern.fullmatch(symbol):
        broker_name = channel.fields[channel.symbol_position].broker_name
        raise FrameError(
            "symbol_not_valid", f"{channel_name} {broker_name} is {symbol[:16]!r}", field=broker_name
        )
    known = {
        field.name: _decode(channel, field, value)
        for field, value in zip(channel.fields, values, strict=False)
    }
    return Record(channel_name, channel.kind.value, symbol, known, tuple(values[len(channel.fields) :]))


def decode_value(field: Field, value: str) -> Value:
    """Returns a value in its documented type; None where it is empty.

    Raises:
        ValueError: It has not its documented form.
    """
    return None if value == "" else _CONVERT[field.type](value)


def _first_code(channel: Channel | None, value: str) -> str | None:
    """Returns the first value of a record without a known layout if it looks like the code it should be."""
    keys = (Key.STOCK, Key.INDEX) if channel is None else (channel.key,)
    return value if any(key.pattern.fullmatch(value) for key in keys) else None


def _check_width(channel: Channel, width: int) -> None:
    if channel.accepts(width) or not channel.fields:
        return
    reason = "width_too_small" if width < channel.smallest_width else "width_too_large"
    known = ", ".join(str(known.values) for known in channel.widths)
    raise FrameError(reason, f"{channel.name} has {width} values; known are {known}")


def _check_order(channel: Channel | None, record: Record, latest: dict[str, time]) -> None:
    """Checks that time does not go back inside a frame: it does when records are cut wrongly."""
    if channel is None or channel.time_position is None or record.symbol is None:
        return
    field = channel.fields[channel.time_position]
    moment = record.values[field.name]
    if not isinstance(moment, time):
        return
    before = latest.get(record.symbol, moment)
    if moment < before:
        raise FrameError(
            "time_decreases",
            f"{channel.name} {record.symbol} {moment} follows {before}",
            field=field.broker_name,
        )
    latest[record.symbol] = moment


def _decode(channel: Channel, field: Field, value: str) -> Value:
    if field.required and value == "":
        raise FrameError(
            "value_missing", f"{channel.name} {field.broker_name} is empty", field=field.broker_name
        )
    try:
        return decode_value(field, value)
    except ValueError as error:
        raise FrameError(
            f"{field.type.value}_not_valid",
            f"{channel.name} {field.broker_name} is {value[:32]!r}",
            field=field.broker_name,
        ) from error


def _text(value: str) -> str | None:
    return None if value == _NULL_TEXT else value


def _matching(pattern: re.Pattern[str], value: str) -> str:
    if not pattern.fullmatch(value):
        raise ValueError(value)
    return value


def _integer(value: str) -> int:
    return int(_matching(_INTEGER, value))


def _decimal(value: str) -> Decimal:
    return Decimal(_matching(_DECIMAL, value))


def _time(value: str) -> time:
    digits = _matching(_SIX_DIGITS, value)
    return time(int(digits[:2]), int(digits[2:4]), int(digits[4:]))


def _date(value: str) -> date:
    digits = _matching(_EIGHT_DIGITS, value)
    return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))


def _flag(value: str) -> bool:
    return _matching(_YES_OR_NO, value) == "Y"


_CONVERT: dict[FieldType, Callable[[str], Value]] = {
    FieldType.TEXT: _text,
    FieldType.CODE: str,
    FieldType.INTEGER: _integer,
    FieldType.DECIMAL: _decimal,
    FieldType.TIME: _time,
    FieldType.DATE: _date,
    FieldType.FLAG: _flag,
}
