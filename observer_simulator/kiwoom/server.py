"""Token and stock list of Kiwoom over HTTP (Kiwoom reference, 2.1, 3.1, 4 and 6.1).

Invariant: a token is given again, with the same end, while it is valid; the list's quota of one request a
second is counted on the broker's clock; a page is followed by the key of the header and nothing else.
"""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from observer_core.clock import Clock, kst_datetime
from observer_core.clock.base import NANOSECONDS
from observer_simulator.faults.book import FaultBook
from observer_simulator.faults.model import Kind
from observer_simulator.kiwoom.answers import (
    BAD_KEY,
    BAD_TOKEN,
    NO_API,
    NO_INPUT,
    TOO_MANY,
    KiwoomRefusal,
    refused,
    success,
)
from observer_simulator.kiwoom.stocks import stock_rows
from observer_simulator.market.market import Market
from observer_simulator.market.seeds import digest
from observer_simulator.rest.rate import Bucket
from observer_simulator.settings import SimulatorSettings

_STOCK_LIST = "ka10099"
_LIFE_NS = 24 * 3_600 * NANOSECONDS
_LISTS_PER_SECOND = 1


class KiwoomSide:
    """The two endpoints, for one app key; what it issued is forgotten at a restart.

    Args:
        market: The market.
        clock: The broker's time.
        settings: Keys and page size.
        faults: What goes wrong.
    """

    def __init__(self, market: Market, clock: Clock, settings: SimulatorSettings, faults: FaultBook) -> None:
        self._market = market
        self._clock = clock
        self._settings = settings
        self._faults = faults
        self._lists = Bucket(_LISTS_PER_SECOND)
        self._token, self._ends_ns = "", 0

    def routes(self) -> list[web.RouteDef]:
        """Returns the endpoints."""
        return [
            web.post("/oauth2/token", self.token),
            web.post("/api/dostk/stkinfo", self.stocks),
        ]

    async def token(self, request: web.Request) -> web.Response:
        """Issues the token, or the same one while it is valid."""
        body, now_ns = await _body(request), self._clock.now_ns()
        expected = (
            "client_credentials",
            self._settings.kiwoom_app_key.get_secret_value(),
            self._settings.kiwoom_app_secret.get_secret_value(),
        )
        if (body.get("grant_type"), body.get("appkey"), body.get("secretkey")) != expected:
            return refused(BAD_KEY)
        if now_ns >= self._ends_ns:
            self._ends_ns = now_ns + _LIFE_NS
            self._token = digest(self._settings.seed, "kiwoom", now_ns).hex()
        ends = f"{kst_datetime(self._ends_ns):%Y%m%d%H%M%S}"
        return success({"expires_dt": ends, "token_type": "bearer", "token": self._token})

    async def stocks(self, request: web.Request) -> web.Response:
        """Answers one page of the list of a market."""
        body = await _body(request)
        refusal = self._refusal(request, body)
        if refusal is not None:
            return refused(refusal)
        rows = stock_rows(self._market, str(body["mrkt_tp"]), self._clock.now().date())
        size = self._settings.kiwoom_page_rows
        asked = request.headers.get("next-key", "") if request.headers.get("cont-yn") == "Y" else ""
        first = int(asked or 0)
        more = str(first + size) if first + size < len(rows) else ""
        return success({"list": rows[first : first + size]}, api=_STOCK_LIST, next_key=more)

    def _refusal(self, request: web.Request, body: dict[str, Any]) -> KiwoomRefusal | None:
        """The order of the checks is not documented."""
        if request.headers.get("api-id") != _STOCK_LIST:
            return NO_API
        dead = self._faults.strikes(Kind.TOKEN_DEAD)
        living = self._token and self._clock.now_ns() < self._ends_ns
        if dead or not living or request.headers.get("authorization") != f"Bearer {self._token}":
            return BAD_TOKEN
        if not self._lists.passes(self._clock.now_ns()):
            return TOO_MANY
        return None if body.get("mrkt_tp") else NO_INPUT


async def _body(request: web.Request) -> dict[str, Any]:
    """Returns the JSON object of a request, and an empty one for anything else."""
    try:
        body = json.loads(await request.text())
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
