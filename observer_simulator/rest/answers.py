"""The forms of an answer (broker reference, 2.6 and 3.2).

Invariant: every value of an `/uapi` answer is a text; the two families of endpoints keep their own
forms of an error.
"""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from observer_simulator.credentials import Refusal

# Key under which a handler leaves the code of its answer for the account of requests.
OUTCOME: web.ResponseKey[str] = web.ResponseKey("outcome", str)

_OK = "MCA00000"
_OK_TEXT = "정상처리 되었습니다."


def plain(body: dict[str, Any], *, status: int = 200, outcome: str = "200") -> web.Response:
    """Returns a JSON answer without an envelope."""
    response = web.Response(
        text=json.dumps(body, ensure_ascii=False), status=status, content_type="application/json"
    )
    response[OUTCOME] = outcome
    return response


def oauth_refusal(refusal: Refusal) -> web.Response:
    """Returns an error of the `/oauth2` family."""
    body = {"error_code": refusal.code, "error_description": refusal.text}
    return plain(body, status=refusal.status, outcome=refusal.code)


def quote_refusal(refusal: Refusal) -> web.Response:
    """Returns an error of the `/uapi` family."""
    body = {"rt_cd": "1", "msg_cd": refusal.code, "msg1": refusal.text}
    return plain(body, status=refusal.status, outcome=refusal.code)


def envelope(
    tr_id: str, blocks: dict[str, Any], *, code: str = _OK, text: str = _OK_TEXT, more: str = ""
) -> web.Response:
    """Returns a success of the `/uapi` family.

    Args:
        tr_id: Echoed in the header.
        blocks: `output` and its companions.
        code: MCA00000, or KIOK0500 and KIOK0530 for requests of the ledger side.
        text: The broker's text.
        more: Header tr_cont: `M` where more pages follow.
    """
    response = plain({"rt_cd": "0", "msg_cd": code, "msg1": text, **blocks}, outcome=code)
    response.headers["tr_id"] = tr_id
    response.headers["tr_cont"] = more
    return response
