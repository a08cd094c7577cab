"""Answers to requests that fail on request.

Invariant: a request that a fault takes never reaches its endpoint, so that no row of it enters the account.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from observer_simulator.credentials import TOKEN_TOO_SOON, Refusal
from observer_simulator.faults.book import FaultBook
from observer_simulator.faults.model import Fault, Kind
from observer_simulator.rest.answers import OUTCOME, oauth_refusal, quote_refusal

_TEXT = "REFUSED BY REQUEST"
_TOKEN_PATH = "/oauth2/tokenP"


async def failing_answer(faults: FaultBook, request: web.Request) -> web.StreamResponse | None:
    """Returns the answer of a fault; None where the request is answered as usual.

    Args:
        faults: The faults.
        request: A request of a client, not of the admin pages.
    """
    path = request.path
    late = faults.strikes(Kind.REST_DELAY, path=path)
    if late is not None:
        # Time-outs are real time.
        await asyncio.sleep(late.seconds_off)
    if any(faults.active(Kind.MAINTENANCE)):
        return _plain(503, "text/html", "<html>maintenance</html>")
    if faults.strikes(Kind.REST_DROP, path=path):
        if request.transport is not None:
            request.transport.abort()
        return _plain(500, "text/plain", "")
    if path == _TOKEN_PATH and faults.strikes(Kind.TOKEN_STORM, path=path):
        return oauth_refusal(TOKEN_TOO_SOON)
    # A request for many symbols fails as a whole for one of them.
    status = faults.strikes(Kind.REST_STATUS, path=path, asked=frozenset(request.query.values()))
    if status is not None:
        return _refused(status, path)
    body = faults.strikes(Kind.REST_BODY, path=path)
    return None if body is None else _plain(200, "application/json", body.body)


def _refused(fault: Fault, path: str) -> web.StreamResponse:
    if not fault.code:
        return _plain(fault.status, "application/octet-stream", "")
    refusal = Refusal(fault.status, fault.code, _TEXT)
    return oauth_refusal(refusal) if path.startswith("/oauth2/") else quote_refusal(refusal)


def _plain(status: int, content_type: str, text: str) -> web.Response:
    response = web.Response(status=status, content_type=content_type, text=text)
    response[OUTCOME] = str(status)
    return response
