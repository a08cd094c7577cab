"""The HTTP server: what every request passes before its endpoint answers.

Invariant: every request enters the account with the code of its answer; an `/uapi` endpoint sees
only requests with the right keys, a living token, the right tr_id and a place in the bucket.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self

from aiohttp import web

from observer_core.settings.brokers import KisEnvironment
from observer_simulator.account import EXECUTIONS, MINUTE_BARS, MULTI_PRICE
from observer_simulator.broker import Broker
from observer_simulator.credentials import BAD_TOKEN, Refusal
from observer_simulator.faults.answers import failing_answer
from observer_simulator.faults.model import Kind
from observer_simulator.kiwoom.server import KiwoomSide
from observer_simulator.rest.admin import Admin
from observer_simulator.rest.answers import OUTCOME, quote_refusal
from observer_simulator.rest.authorization import Authorization
from observer_simulator.rest.executions import ExecutionPages
from observer_simulator.rest.holidays import HOLIDAYS, Holidays
from observer_simulator.rest.masters import MasterFiles
from observer_simulator.rest.quotations import DAILY_CHART, DAILY_PRICE, PRICE, Quotations
from observer_simulator.rest.rate import TOO_MANY_REQUESTS, Bucket
from observer_simulator.rest.signals import INTERRUPTIONS, RANKING, MarketPages
from observer_simulator.websocket.server import WebsocketSide

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_QUOTATIONS = "/uapi/domestic-stock/v1/quotations/"
_REQUESTS_PER_SECOND = {KisEnvironment.REAL: 18, KisEnvironment.PAPER: 1}

BAD_CUSTOMER = Refusal(500, "EGW00304", "고객식별키가 유효하지 않습니다.")
BAD_SCHEME = Refusal(500, "EGW00205", "credentials_type이 유효하지 않습니다.(Bearer)")
NOT_FOR_PAPER = Refusal(500, "EGW00213", "모의투자 TR이 아닙니다.")
# HTTP status of this code is not confirmed (broker reference, section 11).
NO_TR_ID = Refusal(200, "OPSQ9999", "ERROR INPUT TR_ID NOT FOUND")


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """A quote endpoint: its tr_id, whether the paper environment has it, and what answers it."""

    tr_id: str
    paper: bool
    answer: _Handler


class RestSide:
    """The HTTP server; an asynchronous context manager.

    Args:
        broker: The parts behind it.
        websocket: The websocket side, for the admin pages.
    """

    def __init__(self, broker: Broker, websocket: WebsocketSide) -> None:
        self._settings = settings = broker.settings
        self._clock = broker.clock
        self._credentials = broker.credentials
        self._account = broker.account
        self._faults = broker.faults
        self._bucket = Bucket(_REQUESTS_PER_SECOND[settings.environment])
        self._runner = web.AppRunner(self._application(broker, websocket), access_log=None)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, self._settings.host, self._settings.http_port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def port(self) -> int:
        """The port it listens on."""
        port: int = self._runner.addresses[0][1]
        return port

    def _application(self, broker: Broker, websocket: WebsocketSide) -> web.Application:
        market, clock = broker.market, broker.clock
        evening = broker.settings.daily_includes_after_market
        quotations = Quotations(market, clock, broker.account, daily_includes_after_market=evening)
        lists = ExecutionPages(market, clock, broker.account)
        pages = MarketPages(market, clock, broker.interruptions)
        endpoints = {
            "inquire-price": _Endpoint(PRICE, True, quotations.price),
            "inquire-daily-price": _Endpoint(DAILY_PRICE, True, quotations.daily_price),
            "inquire-daily-itemchartprice": _Endpoint(DAILY_CHART, True, quotations.daily_chart),
            "intstock-multprice": _Endpoint(MULTI_PRICE, False, quotations.multi_price),
            "chk-holiday": _Endpoint(HOLIDAYS, False, Holidays(market.calendar).page),
            "inquire-time-itemconclusion": _Endpoint(EXECUTIONS, True, lists.executions),
            "inquire-time-itemchartprice": _Endpoint(MINUTE_BARS, True, lists.minute_bars),
            "inquire-vi-status": _Endpoint(INTERRUPTIONS, False, pages.interruptions),
            "volume-rank": _Endpoint(RANKING, False, pages.ranking),
        }
        application = web.Application(middlewares=[self._counted])
        application.add_routes(Authorization(broker.credentials, clock).routes())
        application.add_routes(KiwoomSide(market, clock, broker.settings, broker.faults).routes())
        application.add_routes(Admin(broker, websocket).routes())
        application.add_routes(
            [web.get(_QUOTATIONS + name, self._guarded(endpoint)) for name, endpoint in endpoints.items()]
        )
        application.router.add_get("/common/master/{name}", MasterFiles(market, clock).download)
        return application

    @web.middleware
    async def _counted(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        path = request.path
        try:
            response = None if path.startswith("/admin/") else await failing_answer(self._faults, request)
            if response is None:
                response = await handler(request)
        except web.HTTPException as error:
            self._account.answered(path, str(error.status))
            raise
        if not path.startswith("/admin/"):
            self._account.answered(path, response.get(OUTCOME, str(response.status)))
        return response

    def _guarded(self, endpoint: _Endpoint) -> _Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            refusal = self._refusal(request, endpoint)
            return await endpoint.answer(request) if refusal is None else quote_refusal(refusal)

        return answer

    def _refusal(self, request: web.Request, endpoint: _Endpoint) -> Refusal | None:
        """The order of the checks is not confirmed (broker reference, section 10)."""
        headers, now_ns = request.headers, self._clock.now_ns()
        if self._credentials.check_pair(headers.get("appkey"), headers.get("appsecret")) is not None:
            return BAD_CUSTOMER
        if not self._bucket.passes(now_ns, self._clock.monotonic_ns()):
            return TOO_MANY_REQUESTS
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme != "Bearer":
            return BAD_SCHEME
        dead = self._faults.strikes(Kind.TOKEN_DEAD)
        refusal = BAD_TOKEN if dead else self._credentials.check_token(token, now_ns)
        if refusal is not None:
            return refusal
        if headers.get("tr_id") != endpoint.tr_id:
            return NO_TR_ID
        paper = self._settings.environment is KisEnvironment.PAPER
        return NOT_FOR_PAPER if paper and not endpoint.paper else None
