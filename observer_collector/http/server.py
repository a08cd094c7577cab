"""The collector's HTTP answers.

Invariant: `/health` says that the process lives, `/ready` whether data flow, `/metrics` and `/status`
how much; no answer asks the broker, and none holds a secret. A page is made when it is asked for: where
nobody looks, it costs nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from observer_collector.http.negotiation import HTML, JSON, preferred_type
from observer_collector.http.page.document import HEADERS, page
from observer_collector.http.page.language import speech_of
from observer_collector.http.readiness import Readiness
from observer_core.clock import Clock
from observer_core.errors import ConfigurationError
from observer_core.probes import HEALTH_PATH, METRICS_PATH, READY_PATH, STATUS_PATH

_NANOSECONDS = 1_000_000_000
_FORMATS = {"json": JSON, "html": HTML}


@dataclass(frozen=True, slots=True)
class Answers:
    """Where the answers come from.

    Attributes:
        readiness: The present readiness.
        status: The present status, as plain values.
        metrics: The metrics in Prometheus's text format, and its content type.
    """

    readiness: Callable[[], Readiness]
    status: Callable[[], dict[str, Any]]
    metrics: Callable[[], tuple[bytes, str]]


def application(clock: Clock, answers: Answers) -> web.Application:
    """Returns the web application.

    Args:
        clock: The process's clock; its monotonic time gives the uptime.
        answers: Where the answers come from.
    """
    started_ns = clock.monotonic_ns()

    async def health(_: web.Request) -> web.Response:
        uptime = (clock.monotonic_ns() - started_ns) / _NANOSECONDS
        now = clock.now().isoformat()
        return web.json_response({"status": "healthy", "timestamp": now, "uptime_seconds": round(uptime, 3)})

    async def ready(_: web.Request) -> web.Response:
        found = answers.readiness()
        body = {"ready": found.ready, "reason": found.reason}
        return web.json_response(body, status=200 if found.ready else 503)

    async def metrics(_: web.Request) -> web.Response:
        body, content_type = answers.metrics()
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def status(request: web.Request) -> web.Response:
        headers, asked = request.headers, request.query
        wanted = _FORMATS.get(asked.get("format", ""), preferred_type(headers.get("Accept", "")))
        if wanted == JSON:
            return web.json_response(answers.status(), headers={"Vary": "Accept"})
        say = speech_of(asked.get("lang"), headers.get("Accept-Language", ""))
        own = {"Vary": "Accept, Accept-Language", "Content-Language": say.language.value}
        # Half a surrogate pair, which a file may name, is no UTF-8: it is shown escaped.
        body = page(answers.status(), say).encode("utf-8", "backslashreplace")
        answer = web.Response(body=body, content_type=HTML, charset="utf-8", headers=HEADERS | own)
        # It is fetched again and again, and through a port-forward or a telephone.
        answer.enable_compression()
        return answer

    app = web.Application()
    app.router.add_get(HEALTH_PATH, health)
    app.router.add_get(READY_PATH, ready)
    app.router.add_get(METRICS_PATH, metrics)
    app.router.add_get(STATUS_PATH, status)
    return app


@asynccontextmanager
async def serving(app: web.Application, host: str, port: int) -> AsyncIterator[None]:
    """Answers on a port of an address while the block runs.

    Raises:
        ConfigurationError: The port is none or taken, or the address is none of this machine.
    """
    if port == 0:
        raise ConfigurationError(
            "SERVICE_PORT is 0, which is no port.", remedy="Set SERVICE_PORT to a free one."
        )
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await _listen(runner, host, port)
        yield
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise ConfigurationError(
            f"SERVICE_PORT {port} cannot be opened on SERVICE_HOST {host}: {error.strerror}.",
            remedy="Stop the process that uses it, or set SERVICE_PORT to a free port.",
        ) from error
