"""A webhook and an outside watcher that really listen, and misbehave on demand."""

import asyncio
import contextlib
from collections import deque

import pytest
from aiohttp import web


class Receiver:
    """An HTTP server that answers as it is told, and keeps what it accepted.

    Attributes:
        script: Answers to come, one a request: a status, `slow` (no answer for a minute), `drop` (the
            connection is closed without an answer), or a pair of status and headers; 200 where it is empty.
        accepted: Bodies of the requests that were answered with 2xx.
        requests: Method and path of every request.
    """

    def __init__(self, runner):
        self._runner = runner
        self.script = deque()
        self.accepted = []
        self.requests = []

    @property
    def origin(self):
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def answer(self, request):
        self.requests.append((request.method, request.path_qs))
        body = await request.json() if request.can_read_body else None
        step = self.script.popleft() if self.script else 200
        if step == "drop":
            request.transport.close()
            return web.Response()
        if step == "slow":
            await asyncio.sleep(60)
        status, headers = step if isinstance(step, tuple) else (step, {})
        if 200 <= status < 300:
            self.accepted.append(body)
        return web.Response(status=status, headers=headers)

    async def until(self, condition):
        while not condition(self):
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def receiving():
    application = web.Application()
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    receiver = Receiver(runner)
    application.router.add_route("*", "/{path:.*}", receiver.answer)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield receiver
    finally:
        await runner.cleanup()


@pytest.fixture
async def receiver():
    async with receiving() as found:
        yield found


@pytest.fixture
def another_receiver():
    return receiving
