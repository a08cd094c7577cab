"""The forms of an answer of Kiwoom (Kiwoom reference, 3.2 to 3.5).

Invariant: every value of a row is a text; the result class is a number beside the payload; a refused token
comes with status 200.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from observer_simulator.rest.answers import OUTCOME


@dataclass(frozen=True, slots=True)
class KiwoomRefusal:
    """An error answer.

    Attributes:
        status: HTTP status.
        outcome: The result class (`return_code`).
        code: The four-digit code in the text.
        text: What follows it.
    """

    status: int
    outcome: int
    code: str
    text: str


BAD_KEY = KiwoomRefusal(200, 3, "8001", "App Key와 Secret Key 검증에 실패했습니다")
BAD_TOKEN = KiwoomRefusal(200, 3, "8005", "Token이 유효하지 않습니다")
NO_API = KiwoomRefusal(200, 2, "1505", "해당 API ID는 존재하지 않습니다")
NO_INPUT = KiwoomRefusal(200, 2, "1511", "필수 입력 값에 값이 존재하지 않습니다. 필수입력파라미터=mrkt_tp")
TOO_MANY = KiwoomRefusal(429, 5, "1700", "허용된 요청 개수를 초과하였습니다. 유량=1")


def success(body: dict[str, Any], *, api: str = "", next_key: str = "") -> web.Response:
    """Returns a success.

    Args:
        body: The payload.
        api: Echoed in the header.
        next_key: Key of the next page; empty on the last one.
    """
    response = _json({**body, "return_code": 0, "return_msg": "정상적으로 처리되었습니다"}, 200, "0")
    response.headers["api-id"] = api
    response.headers["cont-yn"] = "Y" if next_key else "N"
    response.headers["next-key"] = next_key
    return response


def refused(refusal: KiwoomRefusal) -> web.Response:
    """Returns an error."""
    text = f"{refusal.text}[{refusal.code}:{refusal.text}]"
    return _json({"return_code": refusal.outcome, "return_msg": text}, refusal.status, refusal.code)


def _json(body: dict[str, Any], status: int, outcome: str) -> web.Response:
    text = json.dumps(body, ensure_ascii=False)
    response = web.Response(text=text, status=status, content_type="application/json", charset="utf-8")
    response[OUTCOME] = outcome
    return response
