"""What an answer says: its envelope, its error codes, its page (Kiwoom reference, sections 3.3 to 3.5).

Invariant: the envelope is judged before the HTTP status, for a refused token comes with status 200; the
four-digit code in the text decides the class of the error, and only an answer without one is judged by its
class or status.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from observer_core.errors import (
    BrokerCredentialError,
    BrokerError,
    BrokerRequestError,
    BrokerRetryableError,
)

RATE_EXCEEDED = "1700"
# The token is not accepted: it is dropped and asked for again, once.
TOKEN_REFUSED = frozenset({"8003", "8005", "8103", "class 3", "HTTP 401"})
_CREDENTIAL = TOKEN_REFUSED | {"8001", "8002", "8010", "8020", "8030", "8031", "8040", "8050"}
_RETRYABLE = frozenset({RATE_EXCEEDED, "1687", "1999", "8006", "8009", "class 5", "HTTP 429"})

_SUCCESS = 0
_DETAIL = re.compile(r"\[(\d{4})\b")
_REMEDIES: dict[type[BrokerError], str] = {
    BrokerRetryableError: "It is retried; if it lasts, look for a maintenance notice of Kiwoom.",
    BrokerCredentialError: "Check KIWOOM_APP_KEY, KIWOOM_APP_SECRET, KIWOOM_ENVIRONMENT, and the addresses "
    "registered at openapi.kiwoom.com.",
    BrokerRequestError: "Check that the key may use this interface; else it is a bug of Observer.",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer.

    Attributes:
        body: The JSON object.
        next_key: What asks for the next page; empty on the last one. It comes in the headers only.
    """

    body: dict[str, Any]
    next_key: str


def answer_of(path: str, status: int, headers: Mapping[str, str], content: bytes) -> Answer:
    """Returns what an HTTP answer says.

    Args:
        path: Of the request, for errors.
        status: HTTP status.
        headers: Looked up without regard to case by the mapping itself.
        content: The body as received.

    Raises:
        BrokerError: The broker answered with an error, or with something that is no answer.
    """
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        # The firewall and a maintenance answer a page of HTML.
        raise broker_error(f"HTTP {status}", f"{path} answered no JSON object", status=status)
    outcome = _class_of(body)
    text = str(body.get("return_msg", body.get("returnMsg", "")))
    if outcome == _SUCCESS and status < 400:
        more = headers.get("cont-yn", "").strip().upper() == "Y"
        return Answer(body, headers.get("next-key", "").strip() if more else "")
    detail = _DETAIL.search(text)
    if detail is not None:
        code = detail[1]
    else:
        code = f"class {outcome}" if outcome not in (_SUCCESS, None) else f"HTTP {status}"
    raise broker_error(code, text or f"{path} failed", status=status)


def broker_error(code: str, text: str, *, status: int | None) -> BrokerError:
    """Returns the error that a code stands for (Kiwoom reference, 3.5).

    Args:
        code: Four digits, or `class N` or `HTTP N` where an answer has none.
        text: The broker's text.
        status: HTTP status.
    """
    if code in _CREDENTIAL:
        kind: type[BrokerError] = BrokerCredentialError
    elif code in _RETRYABLE or (code.startswith("HTTP 5") or code in ("HTTP 200", "class None")):
        kind = BrokerRetryableError
    else:
        kind = BrokerRequestError
    return kind(code, text.strip() or "no text", status=status, remedy=_REMEDIES[kind])


def incomplete(path: str, what: str) -> BrokerRetryableError:
    """Returns the error for a successful answer that lacks what it is asked for."""
    return BrokerRetryableError(
        "no output", f"{path} answered without a usable {what}", remedy=_REMEDIES[BrokerRetryableError]
    )


def _class_of(body: Mapping[str, Any]) -> int | None:
    """Returns the result class; the broker writes it as a number or as text, under one of two names."""
    found = str(body.get("return_code", body.get("returnCode", ""))).strip()
    return int(found) if found.isascii() and found.isdigit() else None
