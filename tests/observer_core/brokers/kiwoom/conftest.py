"""A small real HTTP server that answers as Kiwoom does, and a client with a clock that runs by itself."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from observer_core.brokers.kiwoom.rest import KiwoomRestClient
from observer_core.clock import KST, StepClock
from observer_core.reference.instrument import ListedInstrument, Market
from observer_core.settings import KiwoomSettings

NOW = datetime(2026, 9, 15, 8, 5, tzinfo=KST)


@dataclass
class Kiwoom:
    """Answers from two queues, the last entry again and again; keeps every request."""

    url: str = ""
    tokens: list = field(default_factory=lambda: [token("token-1", NOW + timedelta(hours=24))])
    pages: list = field(default_factory=list)
    seen: list = field(default_factory=list)

    def settings(self, **more: str) -> KiwoomSettings:
        known = {"KIWOOM_APP_KEY": "key", "KIWOOM_APP_SECRET": "secret\n", "KIWOOM_REST_URL": self.url}
        return KiwoomSettings.load({**known, **more})

    def asked(self, path: str) -> list[dict[str, str]]:
        return [headers for where, headers, _ in self.seen if where == path]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.seen.append((request.path, headers, json.loads(await request.read())))
        queue = self.tokens if request.path == "/oauth2/token" else self.pages
        answer = queue.pop(0) if len(queue) > 1 else queue[0]
        return answer()


def token(value: str, ends: datetime):
    ends_text = f"{ends.astimezone(KST):%Y%m%d%H%M%S}"
    body = {"expires_dt": ends_text, "token_type": "bearer", "token": value}
    return lambda: web.json_response({**body, "return_code": 0, "return_msg": "정상적으로 처리되었습니다"})


def page(rows, next_key=""):
    headers = {"Cont-Yn": "Y" if next_key else "N", "Next-Key": next_key}
    return lambda: web.json_response({"list": rows, "return_code": 0, "return_msg": "정상"}, headers=headers)


def refusal(outcome, code, status=200):
    text = f"인증에 실패했습니다[{code}:Token이 유효하지 않습니다]"
    return lambda: web.json_response({"return_code": outcome, "return_msg": text}, status=status)


@pytest.fixture
async def kiwoom() -> AsyncIterator[Kiwoom]:
    scripted = Kiwoom()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", scripted.handle)
    async with TestServer(application) as server:
        scripted.url = str(server.make_url("/")).rstrip("/")
        yield scripted


@pytest.fixture
async def clock() -> AsyncIterator[StepClock]:
    """Market time that runs on while the client waits for its turns."""
    stepping = StepClock(NOW)

    async def run() -> None:
        while True:
            await asyncio.sleep(0.002)
            await stepping.advance_to(stepping.now() + timedelta(seconds=0.1))

    task = asyncio.create_task(run())
    yield stepping
    task.cancel()


@pytest.fixture
async def client(kiwoom, clock, tmp_path) -> AsyncIterator[KiwoomRestClient]:
    async with KiwoomRestClient.connect(kiwoom.settings(), tmp_path / "cache.json", clock) as made:
        yield made


@pytest.fixture
def instrument():
    def make(code: str, **changes: object) -> ListedInstrument:
        values: dict[str, object] = {
            "isin": "",
            "name": "이름",
            "market": Market.KOSPI,
            "group": "ST",
            "preferred_class": "0",
            "spac": False,
            "suspended": False,
            "liquidation": False,
            "base_price": 1,
            "previous_volume": 1,
            "listed_shares": 1,
        }
        return ListedInstrument(code=code, **{**values, **changes})

    return make
