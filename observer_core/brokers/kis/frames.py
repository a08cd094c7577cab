"""Websocket messages, from text to meaning and back (broker reference, 6.1 to 6.5).

Invariant: any text gives a message or a `FrameError` with a reason of its own, and nothing else;
the values of a data frame stay as they were sent. The `iv` and `key` of an acknowledgement and the
approval key that a refusal quotes are left behind here: they reach no log and no file.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import SecretStr

from observer_core.brokers.kis.codes import ReplyPolicy, reply_policy
from observer_core.clock import KST
from observer_core.errors import FrameError

KEEP_ALIVE = "PINGPONG"
_RELEASED = "OPSP0001"
_LONGEST_COUNT = 6
# The broker writes three digits (6.5), so no frame has more records; anything else is looked at one by one.
_MOST_RECORDS = 999
_COUNTS = {f"{number:03d}": number for number in range(1, _MOST_RECORDS + 1)}
_APPROVAL_KEY = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


# Not frozen, unlike its kind: making a frozen one costs 0.8 µs more, for each message of the hot path.
@dataclass(slots=True)
class DataFrame:
    """A data frame.

    Attributes:
        channel: The `tr_id`.
        encrypted: Whether the payload is encrypted.
        count: Records in the payload, at least one.
        payload: The values, separated by `^`.
    """

    channel: str
    encrypted: bool
    count: int
    payload: str


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The broker accepted a registration or a release.

    Attributes:
        channel: The `tr_id`.
        key: The `tr_key`.
        released: True for a release, False for a registration.
        code: The `msg_cd`.
        message: The `msg1`.
    """

    channel: str
    key: str
    released: bool
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The broker refused a message of ours.

    Attributes:
        channel: The `tr_id`; empty where the broker names none.
        key: The `tr_key`; empty where the broker names none.
        code: The `msg_cd`.
        message: The `msg1` without the approval key it may quote.
    """

    channel: str
    key: str
    code: str
    message: str

    @property
    def policy(self) -> ReplyPolicy:
        """What the client does about it."""
        return reply_policy(self.code)


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """A PINGPONG of the broker.

    Attributes:
        text: What is sent back, verbatim.
        sent_at: The broker's time in it; None where it is missing or unreadable.
    """

    text: str = field(repr=False)
    sent_at: datetime | None


Message = DataFrame | Acknowledgement | Refusal | KeepAlive


def parse_message(text: str) -> Message:
    """Returns what one text message of the broker says.

    Raises:
        FrameError: `empty`, `unknown_flag`, `too_few_parts`, `channel_missing`, `count_not_a_number`,
            `count_zero`, `count_too_large`, `payload_empty`, `invalid_json` or `unknown_json`.
    """
    flag = text[:2]
    if flag in ("0|", "1|"):
        return _data_frame(text)
    if not text:
        raise FrameError("empty", "the message has no characters")
    if text[0] == "{":
        return _control(text)
    if text in ("0", "1"):
        raise FrameError("too_few_parts", "1 part instead of 4")
    raise FrameError("unknown_flag", f"the message begins with {text[:16]!r}")


def single_record(text: str) -> tuple[str, str] | None:
    """Returns channel and record of a data frame that holds one record, which nearly all do.

    It is what `parse_message` and `split_records` give, for half of their cost; None where they have to be
    asked.
    """
    parts = text.split("|", 3)
    if len(parts) == 4 and parts[0] == "0" and parts[2] == "001" and parts[1] and parts[3]:
        return parts[1], parts[3]
    return None


def split_records(frame: DataFrame) -> list[str]:
    """Returns the records of a frame, each with its values joined by `^` as they were sent.

    Raises:
        FrameError: `encrypted`, or `width_not_divisible` when the number of values is no multiple of
            the record count.
    """
    if frame.encrypted:
        raise FrameError("encrypted", f"{frame.channel} cannot be read without the session's key")
    if frame.count == 1:
        return [frame.payload]
    values = frame.payload.split("^")
    width, rest = divmod(len(values), frame.count)
    if rest:
        raise FrameError(
            "width_not_divisible", f"{frame.channel} has {len(values)} values in {frame.count} records"
        )
    return ["^".join(values[start : start + width]) for start in range(0, len(values), width)]


def register(approval_key: SecretStr, channel: str, key: str) -> str:
    """Returns the message that registers a channel for a key (broker reference, 6.1)."""
    return _request(approval_key, channel, key, "1")


def release(approval_key: SecretStr, channel: str, key: str) -> str:
    """Returns the message that releases a registration."""
    return _request(approval_key, channel, key, "2")


def _request(approval_key: SecretStr, channel: str, key: str, action: str) -> str:
    header = {
        "approval_key": approval_key.get_secret_value(),
        "custtype": "P",
        "tr_type": action,
        "content-type": "utf-8",
    }
    return json.dumps({"header": header, "body": {"input": {"tr_id": channel, "tr_key": key}}})


def _data_frame(text: str) -> DataFrame:
    parts = text.split("|", 3)
    if len(parts) < 4:
        raise FrameError("too_few_parts", f"{len(parts)} parts instead of 4")
    flag, channel, count, payload = parts
    if not channel:
        raise FrameError("channel_missing", "the second part is empty")
    number = _COUNTS.get(count) or _unusual_count(channel, count)
    if not payload:
        raise FrameError("payload_empty", f"{channel} has no values")
    return DataFrame(channel, flag == "1", number, payload)


def _unusual_count(channel: str, count: str) -> int:
    if not (count.isascii() and count.isdigit() and len(count) <= _LONGEST_COUNT):
        raise FrameError("count_not_a_number", f"the record count of {channel} is {count[:16]!r}")
    if int(count) == 0:
        raise FrameError("count_zero", f"{channel} announces no records")
    if int(count) > _MOST_RECORDS:
        raise FrameError("count_too_large", f"{channel} announces {int(count)} records")
    return int(count)


def _control(text: str) -> Acknowledgement | Refusal | KeepAlive:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FrameError("invalid_json", f"{type(error).__name__} in {len(text)} characters") from error
    header, body = _part(content, "header"), _part(content, "body")
    channel, key = _text(header, "tr_id"), _text(header, "tr_key")
    if channel == KEEP_ALIVE:
        return KeepAlive(text, _broker_time(_text(header, "datetime")))
    outcome, code, message = _text(body, "rt_cd"), _text(body, "msg_cd"), _text(body, "msg1")
    if not (outcome and code):
        # The content may hold keys: only its shape is told.
        raise FrameError("unknown_json", f"neither PINGPONG nor a reply: header {list(header)[:8]}")
    if outcome == "0":
        released = code == _RELEASED or message.startswith("UNSUB")
        return Acknowledgement(channel, key, released, code, message.strip())
    return Refusal("" if channel == "(null)" else channel, key, code, _without_key(code, message))


def _part(content: dict[str, object], name: str) -> dict[str, object]:
    part = content.get(name)
    return part if isinstance(part, dict) else {}


def _text(part: dict[str, object], name: str) -> str:
    value = part.get(name)
    return value if isinstance(value, str) else ""


def _without_key(code: str, message: str) -> str:
    if reply_policy(code) is ReplyPolicy.CREDENTIAL:
        message = message.partition(":")[0]
    return _APPROVAL_KEY.sub("[hidden]", message).strip()


def _broker_time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=KST)
    except ValueError:
        return None
