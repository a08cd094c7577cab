"""Damage to frames.

Invariant: a frame goes in, the frames that leave instead come out; whatever leaves says truly how many
records a reader can find in it, since the account is made from that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from observer_simulator.faults.book import FaultBook
from observer_simulator.faults.model import Fault, Kind
from observer_simulator.websocket.frames import Frame, Pair

_UNKNOWN_VALUE = b"^7"
_UNKNOWN_CHANNEL = b"H0STNEW0"
_NOT_TEXT = b"\xff\xfe"


class Damage:
    """What happens to the frames of one connection.

    Args:
        faults: The faults.
    """

    def __init__(self, faults: FaultBook) -> None:
        self._faults = faults
        self._held: dict[Pair, list[Frame]] = {}
        self._registered_again: set[tuple[int, Pair]] = set()

    def registered(self, pair: Pair) -> None:
        """States that a pair was registered, or registered once more."""
        for fault in self._faults.active(Kind.SILENT):
            if fault.until_registered:
                self._registered_again.add((id(fault), pair))

    def apply(self, frames: Sequence[Frame]) -> list[Frame]:
        """Returns the frames that leave."""
        return [damaged for frame in frames for damaged in self._one(frame)]

    def _one(self, frame: Frame) -> Iterator[Frame]:
        channel, symbol = frame.pair.channel.value, frame.pair.key
        if self._is_silent(frame.pair):
            return
        where = {"channel": channel, "symbol": symbol}
        width = self._faults.strikes(Kind.WIDTH, **where)
        if width is not None and width.values:
            frame = _with_width(frame, width.values)
        batch = next((f for f in self._faults.active(Kind.BATCH) if f.concerns(channel, symbol)), None)
        held = self._held.pop(frame.pair, [])
        if batch is not None or held:
            held.append(frame)
            if batch is not None and sum(len(one.message) for one in held) < batch.bytes:
                self._held[frame.pair] = held
                return
            frame = _joined(held)
            if batch is not None:
                batch.fired += 1
        if self._faults.strikes(Kind.TRUNCATE, **where):
            frame = _truncated(frame)
        broken = self._faults.strikes(Kind.INVALID_UTF8, **where)
        if broken is not None:
            frame = _with_no_text(frame, broken.values)
        yield frame
        if self._faults.strikes(Kind.DUPLICATE, **where):
            yield frame
        if self._faults.strikes(Kind.UNKNOWN_CHANNEL, **where):
            message = frame.message.replace(channel.encode(), _UNKNOWN_CHANNEL, 1)
            yield replace(frame, message=message, sent_as=_UNKNOWN_CHANNEL.decode())

    def _is_silent(self, pair: Pair) -> bool:
        for fault in self._faults.active(Kind.SILENT):
            if fault.concerns(pair.channel.value, pair.key):
                if (id(fault), pair) in self._registered_again:
                    continue
                fault.fired += 1
                return True
        return False


def _with_width(frame: Frame, values: int) -> Frame:
    head, records = _taken_apart(frame)
    known = len(records[0])
    fitted = [b"^".join(record[:values]) + _UNKNOWN_VALUE * max(0, values - known) for record in records]
    return replace(frame, message=head + b"^".join(fitted))


def _with_no_text(frame: Frame, number: int) -> Frame:
    """Spoils a value of the first record, or the last of the frame where the number is 0."""
    if not number:
        return replace(frame, message=frame.message + _NOT_TEXT)
    head, records = _taken_apart(frame)
    records[0][min(number, len(records[0])) - 1] += _NOT_TEXT
    return replace(frame, message=head + b"^".join(b"^".join(record) for record in records))


def _truncated(frame: Frame) -> Frame:
    """Cuts the last value, as a frame that was cut off in transit looks; one record stays one."""
    message = frame.message[: frame.message.rindex(b"^")]
    # Several records can no longer be told apart: a reader finds one frame, and no symbol.
    return replace(frame, message=message, whole=frame.records > 1)


def _joined(frames: Sequence[Frame]) -> Frame:
    parts = [_taken_apart(frame) for frame in frames]
    records = [b"^".join(record) for _, found in parts for record in found]
    last = frames[-1]
    channel = last.pair.channel.value.encode()
    message = b"0|%s|%03d|%s" % (channel, len(records), b"^".join(records))
    return replace(last, records=len(records), message=message)


def _taken_apart(frame: Frame) -> tuple[bytes, list[list[bytes]]]:
    flag, channel, count, payload = frame.message.split(b"|", 3)
    values = payload.split(b"^")
    width = len(values) // frame.records
    records = [values[start : start + width] for start in range(0, len(values), width)]
    return b"|".join((flag, channel, count, b"")), records


def refusal_of(fault: Fault) -> str:
    """Returns the code of a refusal; that of a passing fault where none is given."""
    return fault.code or "OPSP0007"
