"""`observer kis decode`: the broker's websocket messages in words.

Invariant: every line of the input is printed as decoded records, or named on standard error with its
number and a reason; one bad record does not hide the others of its frame. Neither the keys of an
acknowledgement nor an approval key is ever printed.

A channel that the catalogue does not have is no error: its record is printed with kind `unknown` and
the raw `values`, as is a channel whose field list no source gives. A line that is not UTF-8 is decoded
with replacement characters and warned about; it fails only if a damaged value cannot be read.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Iterable, Iterator
from datetime import date, time
from decimal import Decimal
from typing import IO

from observer_core.brokers.kis.decoding import Record, Value, decode_frame
from observer_core.brokers.kis.frames import (
    KEEP_ALIVE,
    Acknowledgement,
    DataFrame,
    KeepAlive,
    Refusal,
    parse_message,
)
from observer_core.errors import FrameError

_Row = dict[str, "Value | list[str]"]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `kis decode`."""
    parser = subparsers.add_parser("kis", help="read the broker's messages")
    choices = parser.add_subparsers(dest="kis_command", metavar="COMMAND", required=True)
    decode = choices.add_parser(
        "decode",
        help="decode websocket messages from standard input",
        description="Reads one websocket message per line; blank lines and lines that begin with # are "
        "skipped. Prints one decoded record per line. Exit status 1 if a line could not be decoded.",
    )
    decode.add_argument("--json", action="store_true", help="print one JSON object per line")


def run(arguments: argparse.Namespace) -> int:
    """Decodes standard input; returns 1 if a line could not be decoded."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that cannot show Korean gets escapes instead of an error.
        sys.stdout.reconfigure(errors="backslashreplace")
    return decode_lines(sys.stdin.buffer, sys.stdout, sys.stderr, as_json=arguments.json)


def decode_lines(lines: Iterable[bytes], out: IO[str], err: IO[str], *, as_json: bool) -> int:
    """Prints what each line says.

    Args:
        lines: Messages as bytes, one per line.
        out: Where records go.
        err: Where reasons go.
        as_json: One JSON object per record, instead of readable text.

    Returns:
        The exit status: 1 if a line could not be decoded, else 0.
    """
    failed = False
    render = _as_json if as_json else _as_text
    for number, line in enumerate(lines, start=1):
        text, intact = _text(line)
        if not text.strip() or text.startswith("#"):
            continue
        if not intact:
            print(f"line {number}: warning: invalid_utf8: decoded with replacement characters", file=err)
        for part in _rows(text):
            if isinstance(part, FrameError):
                failed = True
                print(f"line {number}: {part}", file=err)
            else:
                print(render(part), file=out)
    # Here, so that a reader who has left is noticed while the caller can still handle it.
    out.flush()
    return 1 if failed else 0


def _text(line: bytes) -> tuple[str, bool]:
    line = line.rstrip(b"\r\n")
    try:
        return line.decode(), True
    except UnicodeDecodeError:
        return line.decode(errors="replace"), False


def _rows(text: str) -> Iterator[_Row | FrameError]:
    """Yields the rows of a message and its faults, in the order of the message."""
    try:
        message = parse_message(text)
        if not isinstance(message, DataFrame):
            yield _control_row(message)
            return
        decoded = decode_frame(message)
    except FrameError as error:
        yield error
        return
    records = iter(decoded.records)
    for index in range(message.count):
        fault = decoded.faults.get(index)
        if fault is None:
            yield _record_row(next(records))
        else:
            yield FrameError(fault.reason, f"record {index + 1} of {message.count}: {fault.detail}")


def _control_row(message: Acknowledgement | Refusal | KeepAlive) -> _Row:
    if isinstance(message, KeepAlive):
        sent = message.sent_at
        return {
            "channel": KEEP_ALIVE,
            "symbol": None,
            "kind": "keep_alive",
            "sent_at": sent and sent.isoformat(),
        }
    row: _Row = {"channel": message.channel or None, "symbol": message.key or None}
    if isinstance(message, Acknowledgement):
        row |= {"kind": "acknowledgement", "action": "released" if message.released else "registered"}
    else:
        row |= {"kind": "refusal", "policy": message.policy.value}
    return row | {"code": message.code, "message": message.message}


def _record_row(record: Record) -> _Row:
    row: _Row = {"channel": record.channel, "symbol": record.symbol, "kind": record.kind}
    if not record.values:
        return row | {"values": list(record.extra)}
    row |= {name: value for name, value in record.values.items() if name != "symbol"}
    return row | {"extra": list(record.extra)} if record.extra else row


def _as_text(row: _Row) -> str:
    head = [str(row[name] or "-") for name in ("channel", "kind", "symbol")]
    rest = (f"{name}={_plain(value)}" for name, value in row.items() if name not in _HEAD)
    return "  ".join((" ".join(head), *rest))


_HEAD = ("channel", "kind", "symbol")


def _plain(value: Value | list[str]) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "^".join(value) if isinstance(value, list) else str(value)


def _as_json(row: _Row) -> str:
    return "{" + ", ".join(f"{json.dumps(name)}: {_json(value)}" for name, value in row.items()) + "}"


def _json(value: Value | list[str]) -> str:
    # `json` would write a decimal as a float; a JSON number can hold it exactly.
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date | time):
        return json.dumps(value.isoformat())
    return json.dumps(value)
