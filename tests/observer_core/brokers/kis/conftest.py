"""A small real HTTP server that answers as a test scripts it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from observer_core.clock import RealClock
from observer_core.settings import KisSettings

APP_KEY = "PSabcdefghijklmnopqrstuvwxyz01234567"
APP_SECRET = "s3cr3t/" * 25 + "end=="

Responder = Callable[["Request"], web.Response]


@dataclass(frozen=True)
class Request:
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class ScriptedBroker:
    """Answers each path by a function; keeps every request."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    responders: dict[str, Responder] = field(default_factory=dict)

    def on(self, path: str, responder: Responder) -> None:
        self.responders[path] = responder

    def count(self, path: str) -> int:
        return sum(request.path == path for request in self.requests)

    def settings(self, **more: str) -> KisSettings:
        return KisSettings.load(
            {
                "KIS_APP_KEY": APP_KEY,
                "KIS_APP_SECRET": APP_SECRET,
                "KIS_REST_URL": self.url,
                "KIS_MASTER_URL": f"{self.url}/common/master/",
                **more,
            }
        )

    async def handle(self, request: web.Request) -> web.StreamResponse:
        content = await request.read()
        seen = Request(
            request.path,
            dict(request.query),
            {name.lower(): value for name, value in request.headers.items()},
            json.loads(content) if content else None,
        )
        self.requests.append(seen)
        responder = self.responders.get(request.path)
        return web.Response(status=404, body=b"no such path") if responder is None else responder(seen)


class ShiftedClock(RealClock):
    """Real time that a test moves ahead."""

    def __init__(self) -> None:
        self._shift_ns = 0

    def now_ns(self) -> int:
        return super().now_ns() + self._shift_ns

    def shift(self, seconds: float) -> None:
        self._shift_ns += int(seconds * 1e9)


@pytest.fixture
def shifted_clock() -> ShiftedClock:
    return ShiftedClock()


@pytest.fixture
async def broker() -> AsyncIterator[ScriptedBroker]:
    scripted = ScriptedBroker()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", scripted.handle)
    async with TestServer(application) as server:
        scripted.url = str(server.make_url("/")).rstrip("/")
        yield scripted
