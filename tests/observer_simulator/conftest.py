"""A market, and a simulated broker with its clients, for the tests of the simulator."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime

import httpx
import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from observer_core.clock import KST, Participant, StepClock
from observer_core.market.calendar import MarketCalendar
from observer_core.reference.listing import read_listing
from observer_simulator.market.market import Market
from observer_simulator.settings import SIMULATED_APP_KEY, SIMULATED_APP_SECRET, SimulatorSettings
from observer_simulator.simulator import Simulator

SEED = 20260915


@pytest.fixture(scope="session")
def market() -> Market:
    return Market(read_listing(), MarketCalendar(), seed=SEED)


class WatchedClock(StepClock):
    """A step clock that shows the simulator's promise."""

    promise: Participant

    def participant(self, name: str) -> Participant:
        assert name == "simulator"
        self.promise = Participant()
        return self.promise


class Bench:
    """A simulated broker at a Korean time, and clients of it."""

    def __init__(self, stack: AsyncExitStack, clock: WatchedClock, simulator: Simulator) -> None:
        self._stack = stack
        self.clock = clock
        self.simulator = simulator
        self.http: httpx.AsyncClient
        self._access_token = ""

    async def approval(self) -> str:
        body = {
            "grant_type": "client_credentials",
            "appkey": SIMULATED_APP_KEY,
            "secretkey": SIMULATED_APP_SECRET,
        }
        return (await self.http.post("/oauth2/Approval", json=body)).json()["approval_key"]

    async def token(self) -> httpx.Response:
        body = {
            "grant_type": "client_credentials",
            "appkey": SIMULATED_APP_KEY,
            "appsecret": SIMULATED_APP_SECRET,
        }
        return await self.http.post("/oauth2/tokenP", json=body)

    async def quote_headers(self, tr_id: str) -> dict[str, str]:
        if not self._access_token:
            self._access_token = (await self.token()).json()["access_token"]
        return {
            "authorization": f"Bearer {self._access_token}",
            "appkey": SIMULATED_APP_KEY,
            "appsecret": SIMULATED_APP_SECRET,
            "tr_id": tr_id,
            "custtype": "P",
        }

    async def connect(self, path: str = "/tryitout", **options: object) -> ClientConnection:
        connecting = websockets.connect(
            self.simulator.websocket_url + path,
            max_size=None,
            ping_interval=None,
            # A test that leaves frames unread does not wait for a close frame behind them.
            close_timeout=0.1,
            **options,
        )
        return await self._stack.enter_async_context(connecting)

    @staticmethod
    def registration(approval: str, channel: str, key: str, *, kind: str = "1") -> str:
        """A client's message as section 6.1 of the broker reference prints it."""
        header = {"approval_key": approval, "custtype": "P", "tr_type": kind, "content-type": "utf-8"}
        return json.dumps({"header": header, "body": {"input": {"tr_id": channel, "tr_key": key}}})

    @staticmethod
    async def until(condition: Callable[[], bool]) -> None:
        """Waits for something that happens in another task; the test's time-out bounds it."""
        while not condition():
            await asyncio.sleep(0.005)

    async def move_to(self, *moment: int) -> None:
        """Moves the market's time; work on sockets goes on meanwhile in real time."""
        await self.clock.advance_to(datetime(*moment, tzinfo=KST))
        await asyncio.sleep(0.01)


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., Awaitable[Bench]]]:
    """Starts a simulated broker at a Korean time; settings may be given."""
    async with AsyncExitStack() as stack:

        async def begin(*moment: int, **options: object) -> Bench:
            clock = WatchedClock(datetime(*moment, tzinfo=KST))
            # The clock leaps over hours, in which no client could answer every PINGPONG.
            options.setdefault("keep_alive_seconds", 1e6)
            settings = SimulatorSettings(http_port=0, websocket_port=0, seed=SEED, **options)
            simulator = await stack.enter_async_context(Simulator(clock, settings))
            bench = Bench(stack, clock, simulator)
            bench.http = await stack.enter_async_context(httpx.AsyncClient(base_url=simulator.rest_url))
            return bench

        yield begin
