"""What can go wrong, and the form in which it is asked for.

Invariant: a request names a known kind and only parameters of that kind, or it is refused with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from observer_core.clock import KST, kst_datetime
from observer_core.clock.base import NANOSECONDS


class Kind(StrEnum):
    """The faults (broker reference, 6.7, 9 and 10).

    Members:
        CLOSE: All connections are closed with a close frame.
        ABORT: All connections are broken without one (1006).
        HALF_OPEN: All connections stay, and nothing passes any more, in either direction.
        MUTE: No PINGPONG is sent.
        SILENT: Frames of some symbols are not sent, although they are registered.
        DEAF: Registrations are not answered.
        REFUSE: Registrations are refused with a code.
        IN_USE: Another session holds the app key's slot.
        MAINTENANCE: Connections are broken, none is accepted, and no request is answered well.
        INVALID_UTF8: Frames hold bytes that are no text.
        BATCH: Frames of a symbol are held back and sent as one large frame.
        TRUNCATE: The last values of frames are missing.
        DUPLICATE: Frames are sent twice.
        WIDTH: Records have another number of values.
        UNKNOWN_CHANNEL: Frames come on a channel that nobody has registered.
        CLOCK_SKEW: The broker's own time is wrong.
        REST_STATUS: Requests, or those that ask for some symbols, are answered with a status and a code.
        REST_BODY: Requests are answered with something that is no answer.
        REST_DROP: Requests are answered by the end of the connection.
        REST_DELAY: Requests are answered late, in real time.
        TOKEN_STORM: Every token request is refused as too early.
        TOKEN_DEAD: Tokens that were issued are not accepted.
        SLOW_READER: The client takes few bytes a second; a broker with no patience ends the connection, or
            throws away what has waited longest.
    """

    CLOSE = "close"
    ABORT = "abort"
    HALF_OPEN = "half_open"
    MUTE = "mute"
    SILENT = "silent"
    DEAF = "deaf"
    REFUSE = "refuse"
    IN_USE = "in_use"
    MAINTENANCE = "maintenance"
    INVALID_UTF8 = "invalid_utf8"
    BATCH = "batch"
    TRUNCATE = "truncate"
    DUPLICATE = "duplicate"
    WIDTH = "width"
    UNKNOWN_CHANNEL = "unknown_channel"
    CLOCK_SKEW = "clock_skew"
    REST_STATUS = "rest_status"
    REST_BODY = "rest_body"
    REST_DROP = "rest_drop"
    REST_DELAY = "rest_delay"
    TOKEN_STORM = "token_storm"
    TOKEN_DEAD = "token_dead"
    SLOW_READER = "slow_reader"


# These happen at an instant; all others last.
MOMENTARY = frozenset({Kind.CLOSE, Kind.ABORT, Kind.HALF_OPEN})

_TIME = re.compile(r"(\d{2}):(\d{2}):(\d{2})", re.ASCII)


class FaultError(ValueError):
    """A request for a fault that cannot be understood."""


@dataclass(slots=True)
class Fault:
    """One fault.

    Attributes:
        kind: What goes wrong.
        from_ns: From when on, on the clock.
        to_ns: Until when; a momentary fault happens at `from_ns`.
        count: How often at most; 0 for no bound.
        share: Which share of the chances it takes, drawn with `seed`.
        seed: Seed of the draw.
        symbols: Only these symbols; all where empty.
        channels: Only these channels; all where empty.
        until_registered: SILENT ends for a pair that is registered again.
        code: Code of a refusal, or of a REST answer.
        status: HTTP status.
        values: Values of a record; for INVALID_UTF8 the number of the one that is spoilt, the last where 0.
        bytes: Size of a batch, or of what may wait for a slow reader.
        rate: Bytes a second of the clock that a slow reader takes.
        drop: Whether what waits beyond `bytes` is thrown away instead of the connection broken.
        seconds_off: Skew of the clock, or delay of an answer in real seconds.
        path: Only requests whose path contains it.
        body: The answer, as it is sent.
        fired: How often it has happened.
    """

    kind: Kind
    from_ns: int
    to_ns: int
    count: int = 0
    share: float = 1.0
    seed: int = 0
    symbols: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    until_registered: bool = False
    code: str = ""
    status: int = 500
    values: int = 0
    bytes: int = 65_536
    rate: int = 0
    drop: bool = False
    seconds_off: float = 0.0
    path: str = ""
    body: str = ""
    fired: int = 0
    done: bool = field(default=False, repr=False)

    def lasts_at(self, now_ns: int) -> bool:
        """Returns whether it is in force at an instant."""
        spent = self.count and self.fired >= self.count
        return not spent and self.from_ns <= now_ns < self.to_ns

    def concerns(self, channel: str, symbol: str) -> bool:
        """Returns whether a pair is among its own."""
        return (not self.channels or channel in self.channels) and (
            not self.symbols or symbol in self.symbols
        )


_OWN = frozenset({"kind", "from_ns", "to_ns", "fired", "done"})
_PARAMETERS = {one.name: str(one.type) for one in fields(Fault) if one.name not in _OWN}
_TYPES: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "str": (str,), "bool": (bool,)}


def read_fault(content: Mapping[str, Any], now_ns: int) -> Fault:
    """Returns the fault that a request asks for.

    Args:
        content: `kind`; `at` as `HH:MM:SS` of the present day, else now; `seconds` of the clock that it
            lasts, else for ever; and the attributes of `Fault`.
        now_ns: The present instant.

    Raises:
        FaultError: Something in it is not known, or is of the wrong type.
    """
    try:
        kind = Kind(str(content.get("kind")))
    except ValueError:
        known = ", ".join(kind.value for kind in Kind)
        raise FaultError(f"Unknown fault {content.get('kind')!r}; known: {known}.") from None
    unknown = sorted(content.keys() - _PARAMETERS.keys() - {"kind", "at", "seconds"})
    if unknown:
        raise FaultError(f"Unknown parameter {unknown[0]!r} of {kind.value}.")
    starts_ns = _instant(str(content["at"]), now_ns) if "at" in content else now_ns
    seconds = content.get("seconds", 10.0**9)
    if not isinstance(seconds, int | float) or seconds <= 0:
        raise FaultError(f"seconds is {seconds!r}, which is no duration.")
    given = {name: _value(name, content[name]) for name in _PARAMETERS if name in content}
    return Fault(kind, starts_ns, starts_ns + int(seconds * NANOSECONDS), **given)


def _value(name: str, value: Any) -> Any:
    if name in ("symbols", "channels"):
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise FaultError(f"{name} is {value!r} instead of a list of texts.")
        return tuple(value)
    wanted = _TYPES[_PARAMETERS[name]]
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        raise FaultError(f"{name} is {value!r} instead of {_PARAMETERS[name]}.")
    return value


def _instant(text: str, now_ns: int) -> int:
    found = _TIME.fullmatch(text)
    try:
        hour, minute, second = map(int, found.groups()) if found else (99, 0, 0)
        day = kst_datetime(now_ns)
        moment = datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=KST)
    except ValueError:
        raise FaultError(f"at is {text!r}, which is not HH:MM:SS.") from None
    return int(moment.timestamp()) * NANOSECONDS
