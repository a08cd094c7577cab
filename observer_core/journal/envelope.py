"""One line of the journal: a small envelope around one record of the broker, verbatim.

Invariant: a line is one JSON object with its keys in a fixed order and ends with the CRC32 of its
own bytes, so that a reader knows a whole line from a torn one without parsing it. The payload is
what the broker sent, byte for byte; bytes that are not UTF-8 travel as base64 and say so.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from json import JSONDecodeError
from typing import Any, NamedTuple
from zlib import crc32

from observer_core.errors import StorageError

FORMAT = 1
CONTROL_CHANNEL = "_control"

# The record index of a line that holds a whole frame, because the frame could not be split.
WHOLE_FRAME = -1

# `,"crc":"9f0c1a2b"}` and a newline: of fixed length, so it is found from the end.
_SEAL = b',"crc":"%08x"}\n'
_SEAL_LENGTH = len(_SEAL % 0)


class ControlKind(StrEnum):
    """The key of a control record: what happened to the intake itself."""

    START = "start"
    STOP = "stop"
    RECOVERY = "recovery"
    CONNECT = "connect"
    DISCONNECT = "disconnect"
    SUBSCRIBE = "subscribe"
    ACKNOWLEDGE = "acknowledge"
    REFUSE = "refuse"
    HOLE = "hole"
    RESET = "reset"
    GAP = "gap"
    SWEEP = "sweep"
    SLOT = "slot"
    SIGNAL = "signal"
    UNWATCHED = "unwatched"
    BACKFILL = "backfill"
    CLOCK = "clock"
    UNKNOWN = "unknown"


class Received(NamedTuple):
    """Which message a line belongs to, and when it came.

    Attributes:
        epoch: The connection.
        frame: Number of the message inside the epoch.
        wall_ns: Receive time on the clock, nanoseconds since the Unix epoch.
        mono_ns: Receive time, monotonic nanoseconds of the machine.
    """

    epoch: int
    frame: int
    wall_ns: int
    mono_ns: int


@dataclass(frozen=True, slots=True)
class JournalLine:
    """A line as it was read back.

    Attributes:
        provider: The broker, such as `kis`.
        shard: The app key's shard; the sweeps of shard `0` are shard `0-swing`.
        epoch: The connection.
        frame: Number of the message inside the epoch.
        record: Index inside the frame; `WHOLE_FRAME` where the frame could not be split.
        wall_ns: Receive time on the clock, nanoseconds since the Unix epoch.
        mono_ns: Receive time, monotonic nanoseconds of the machine.
        channel: The broker's channel, or `CONTROL_CHANNEL`.
        key: The symbol, or the kind of a control record; empty for a whole frame.
        payload: The record as text, or as base64 where `encoding` says so.
        encoding: `base64` where the payload is not UTF-8, else None.
    """

    provider: str
    shard: str
    epoch: int
    frame: int
    record: int
    wall_ns: int
    mono_ns: int
    channel: str
    key: str
    payload: str
    encoding: str | None = None

    @property
    def is_control(self) -> bool:
        """Whether the line tells about the intake and is no record of the broker."""
        return self.channel == CONTROL_CHANNEL

    @property
    def payload_bytes(self) -> bytes:
        """The payload as the broker sent it."""
        return base64.b64decode(self.payload) if self.encoding == "base64" else self.payload.encode()

    @property
    def received_text(self) -> str:
        """The payload as the text that it was taken for when it came (`LineBuilder.any`)."""
        if self.encoding is None:
            return self.payload
        return self.payload_bytes.decode("utf-8", "surrogateescape")


def is_plain(text: str) -> bool:
    """Returns whether a text stands in JSON as it is: printable ASCII without quote and backslash."""
    return text.isascii() and text.isprintable() and '"' not in text and "\\" not in text


# What `is_plain` lets through, as bytes; and a table by which everything else becomes zero.
PLAIN_BYTES = bytes(code for code in range(32, 127) if code not in b'"\\')
_PLAIN = bytes(code if code in PLAIN_BYTES else 0 for code in range(256))


def is_plain_bytes(content: bytes) -> bool:
    """Returns whether `is_plain` holds for bytes; three times as fast as asking their text."""
    return 0 not in content.translate(_PLAIN)


def checked(body: bytes) -> bytes:
    """Returns a line with its CRC."""
    return body + _SEAL % crc32(body)


class LineBuilder:
    """Builds the lines of one shard.

    Args:
        provider: The broker; plain text.
        shard: The shard; plain text.
    """

    def __init__(self, provider: str, shard: str) -> None:
        self._prefix = f'{{"v":{FORMAT},"provider":"{provider}","shard":"{shard}","epoch":'
        self._formed, self._form = (-1, "", ""), b""

    def form(self, epoch: int, channel: str, key: str) -> bytes:
        """Returns the form of the plain lines of a channel and key on a connection, all three plain.

        It is filled by `%` with frame, record, receive times on the clock and monotonic, and the payload as
        bytes; then it needs its CRC (`checked`). Making one costs more than filling it, so the last one is
        kept: the records of a message, and often those of the next, have one key.
        """
        if self._formed != (epoch, channel, key):
            begin = f'{self._prefix}{epoch},"frame":'.encode("ascii").replace(b"%", b"%%")
            names = f'"channel":"{channel}","key":"{key}","payload":"'.encode("ascii").replace(b"%", b"%%")
            self._form = begin + b'%d,"record":%d,"wall_ns":%d,"mono_ns":%d,' + names + b'%b"'
            self._formed = epoch, channel, key
        return self._form

    def plain(self, received: Received, record: int, channel: str, key: str, payload: str) -> bytes:
        """Returns a line whose texts are plain (see `is_plain`, which the caller has asked)."""
        epoch, frame, wall_ns, mono_ns = received
        form = self.form(epoch, channel, key)
        return checked(form % (frame, record, wall_ns, mono_ns, payload.encode("ascii")))

    def any(self, received: Received, record: int, channel: str, key: str, payload: str) -> bytes:
        """Returns a line of any texts.

        Args:
            received: The message.
            record: Index inside the message, or `WHOLE_FRAME`.
            channel: The broker's channel, or `CONTROL_CHANNEL`.
            key: The symbol, or the kind of a control record.
            payload: Text decoded from UTF-8 with `surrogateescape`, so that no byte is lost.
        """
        epoch, frame, wall_ns, mono_ns = received
        raw = payload.encode("utf-8", "surrogateescape")
        try:
            raw.decode("utf-8")
            tail = f'"payload":{_quoted(payload)}'
        except UnicodeDecodeError:
            tail = f'"payload":"{base64.b64encode(raw).decode()}","encoding":"base64"'
        body = (
            f'{self._prefix}{epoch},"frame":{frame},"record":{record},"wall_ns":{wall_ns},'
            f'"mono_ns":{mono_ns},"channel":{_quoted(channel)},"key":{_quoted(key)},{tail}'
        ).encode()
        return checked(body)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def is_whole(line: bytes) -> bool:
    """Returns whether a line is complete and carries the CRC of its own bytes."""
    body = line[:-_SEAL_LENGTH]
    return bool(body) and line[-_SEAL_LENGTH:] == _SEAL % crc32(body)


def parse_line(line: bytes) -> JournalLine:
    """Reads a line back.

    Args:
        line: The bytes, newline included.

    Raises:
        StorageError: The line is torn or damaged, or of a format this version does not know.
    """
    if not is_whole(line):
        raise StorageError(f"A journal line is damaged: {line[:80]!r}…", remedy="Restore the file.")
    try:
        fields = json.loads(line)
        reader = _READERS.get(fields["v"])
        if reader is None:
            raise StorageError(
                f"A journal line has format {fields['v']}; this version reads {sorted(_READERS)}.",
                remedy="Read it with the version that wrote it, or a later one.",
            )
        return reader(fields)
    except (JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise StorageError(f"A journal line is no journal line: {line[:80]!r}…") from error


def _read_version_1(fields: dict[str, Any]) -> JournalLine:
    return JournalLine(
        provider=fields["provider"],
        shard=fields["shard"],
        epoch=fields["epoch"],
        frame=fields["frame"],
        record=fields["record"],
        wall_ns=fields["wall_ns"],
        mono_ns=fields["mono_ns"],
        channel=fields["channel"],
        key=fields["key"],
        payload=fields["payload"],
        encoding=fields.get("encoding"),
    )


# One for every version ever written; none is ever taken out.
_READERS: Mapping[int, Callable[[dict[str, Any]], JournalLine]] = {1: _read_version_1}
