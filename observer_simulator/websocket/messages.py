"""The JSON messages of the websocket (broker reference, 6.1 to 6.4).

Invariant: the server's texts are those that the reference prints; the client's are read without
trusting their form.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

REGISTER, RELEASE = "1", "2"
KEEP_ALIVE = "PINGPONG"


class Outcome(StrEnum):
    """The codes the simulator answers with, and below their texts."""

    REGISTERED = "OPSP0000"
    RELEASED = "OPSP0001"
    ALREADY_REGISTERED = "OPSP0002"
    NOT_REGISTERED = "OPSP0003"
    TOO_MANY = "OPSP0008"
    BAD_APPROVAL = "OPSP0011"
    BAD_CHANNEL = "OPSP8991"
    NO_KEY = "OPSP8993"
    IN_USE = "OPSP8996"
    BAD_TYPE = "OPSP8997"
    BAD_CUSTOMER_TYPE = "OPSP8998"
    NO_BODY = "OPSP9992"
    NO_HEADER = "OPSP9998"
    BAD_JSON = "OPSP9999"


TEXTS = {
    Outcome.REGISTERED: "SUBSCRIBE SUCCESS",
    Outcome.RELEASED: "UNSUBSCRIBE SUCCESS",
    Outcome.ALREADY_REGISTERED: "ALREADY IN SUBSCRIBE",
    Outcome.NOT_REGISTERED: "UNSUBSCRIBE ERROR(not found!)",
    Outcome.TOO_MANY: "MAX SUBSCRIBE OVER",
    Outcome.BAD_APPROVAL: "invalid approval : ",
    Outcome.BAD_CHANNEL: "invalid tr_id",
    Outcome.NO_KEY: "tr_key not found",
    Outcome.IN_USE: "ALREADY IN USE appkey",
    Outcome.BAD_TYPE: "invalid tr_type",
    Outcome.BAD_CUSTOMER_TYPE: "invalid custtype",
    Outcome.NO_BODY: "body not found",
    Outcome.NO_HEADER: "header not found",
    Outcome.BAD_JSON: "invalid JSON",
}


@dataclass(frozen=True, slots=True)
class Request:
    """A registration or release as the client sent it; empty texts where it left something out."""

    approval_key: str
    customer_type: str
    type: str
    channel: str
    key: str


def read_request(text: str) -> Request | Outcome:
    """Returns what a client asks for, or the code of what is wrong with its message."""
    message = _read(text)
    if message is None:
        return Outcome.BAD_JSON
    header, body = message.get("header"), message.get("body")
    if not isinstance(header, dict):
        return Outcome.NO_HEADER
    asked = body.get("input") if isinstance(body, dict) else None
    if not isinstance(asked, dict):
        return Outcome.NO_BODY
    return Request(
        approval_key=str(header.get("approval_key", "")),
        customer_type=str(header.get("custtype", "")),
        type=str(header.get("tr_type", "")),
        channel=str(asked.get("tr_id", "")),
        key=str(asked.get("tr_key", "")),
    )


def is_keep_alive(text: str) -> bool:
    """Returns whether a message is an echo of PINGPONG."""
    message = _read(text)
    header = None if message is None else message.get("header")
    return isinstance(header, dict) and header.get("tr_id") == KEEP_ALIVE


def _read(text: str) -> dict[str, Any] | None:
    """Returns what a client's message holds; None where it is nothing that can be answered."""
    try:
        message = json.loads(text)
        # An escape can name half of a surrogate pair, which no answer can repeat.
        json.dumps(message, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def success(request: Request, outcome: Outcome, *, iv: str, key: str) -> str:
    """Returns an acknowledgement; iv and key come with plain channels too."""
    return _answer(request.channel, request.key, "0", outcome, output={"iv": iv, "key": key})


def failure(request: Request | None, outcome: Outcome) -> str:
    """Returns a refusal; its text ends with the approval key where that is what is wrong."""
    if outcome is Outcome.IN_USE:
        return _answer("(null)", "", "9", outcome)
    if request is None:
        return _answer("(null)", "", "1", outcome)
    detail = request.approval_key if outcome is Outcome.BAD_APPROVAL else ""
    return _answer(request.channel, request.key, "1", outcome, detail=detail)


def refusal(request: Request, code: str) -> str:
    """Returns a refusal with any code, as a fault asks for it."""
    known = next((outcome for outcome in Outcome if outcome.value == code), None)
    if known is not None:
        return failure(request, known)
    return _compact(
        {
            "header": {"tr_id": request.channel, "tr_key": request.key, "encrypt": "N"},
            "body": {"rt_cd": "1", "msg_cd": code, "msg1": "REFUSED BY REQUEST"},
        }
    )


def keep_alive(moment: datetime) -> str:
    """Returns a PINGPONG: a header only."""
    return _compact({"header": {"tr_id": KEEP_ALIVE, "datetime": f"{moment:%Y%m%d%H%M%S}"}})


def _answer(
    channel: str,
    key: str,
    result: str,
    outcome: Outcome,
    *,
    detail: str = "",
    output: dict[str, str] | None = None,
) -> str:
    body: dict[str, Any] = {"rt_cd": result, "msg_cd": outcome.value, "msg1": TEXTS[outcome] + detail}
    if output is not None:
        body["output"] = output
    return _compact({"header": {"tr_id": channel, "tr_key": key, "encrypt": "N"}, "body": body})


def _compact(message: dict[str, Any]) -> str:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))
