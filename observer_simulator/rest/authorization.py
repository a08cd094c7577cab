"""The `/oauth2` endpoints (broker reference, 2.2 to 2.4)."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from observer_core.clock import Clock
from observer_simulator.credentials import (
    BAD_REQUEST,
    BAD_TOKEN,
    LIFE_SECONDS,
    Credentials,
    Refusal,
    expiry_text,
)
from observer_simulator.rest.answers import oauth_refusal, plain
from observer_simulator.rest.rate import TOO_MANY_REQUESTS, Bucket

_APPROVALS_PER_SECOND = 1
_REVOKED = "접근토큰 폐기에 성공하였습니다"


class Authorization:
    """Issues and revokes tokens and approval keys over HTTP.

    Args:
        credentials: The desk behind it.
        clock: The broker's time.
    """

    def __init__(self, credentials: Credentials, clock: Clock) -> None:
        self._credentials = credentials
        self._clock = clock
        self._approvals = Bucket(_APPROVALS_PER_SECOND)

    def routes(self) -> list[web.RouteDef]:
        """Returns the endpoints."""
        return [
            web.post("/oauth2/tokenP", self.token),
            web.post("/oauth2/Approval", self.approval),
            web.post("/oauth2/revokeP", self.revoke),
        ]

    async def token(self, request: web.Request) -> web.Response:
        """Issues an access token; app key and secret stand in the body."""
        body = await _body(request)
        refusal = self._check(body, "appsecret", grant=True)
        if refusal is not None:
            return oauth_refusal(refusal)
        issued = self._credentials.token(self._clock.now_ns())
        if isinstance(issued, Refusal):
            return oauth_refusal(issued)
        return plain(
            {
                "access_token": issued.value,
                "access_token_token_expired": expiry_text(issued),
                "token_type": "Bearer",
                "expires_in": LIFE_SECONDS,
            }
        )

    async def approval(self, request: web.Request) -> web.Response:
        """Issues a websocket key; here the secret's field is `secretkey`."""
        body = await _body(request)
        refusal = self._check(body, "secretkey", grant=True)
        if refusal is not None:
            return oauth_refusal(refusal)
        now_ns = self._clock.now_ns()
        if not self._approvals.passes(now_ns):
            return oauth_refusal(TOO_MANY_REQUESTS)
        return plain({"approval_key": self._credentials.approval(now_ns, str(body.get("appkey"))).value})

    async def revoke(self, request: web.Request) -> web.Response:
        """Revokes an access token; its code is a number."""
        body = await _body(request)
        refusal = self._check(body, "appsecret", grant=False)
        if refusal is not None:
            return oauth_refusal(refusal)
        if not self._credentials.revoke(body.get("token")):
            return oauth_refusal(BAD_TOKEN)
        return plain({"code": 200, "message": _REVOKED})

    def _check(self, body: dict[str, Any], secret_field: str, *, grant: bool) -> Refusal | None:
        if grant and body.get("grant_type") != "client_credentials":
            return BAD_REQUEST
        return self._credentials.check_pair(body.get("appkey"), body.get(secret_field))


async def _body(request: web.Request) -> dict[str, Any]:
    """Returns the JSON object of a request, and an empty one for anything else."""
    try:
        body = json.loads(await request.text())
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
