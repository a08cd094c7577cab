"""The collector as a process.

Invariant: it starts with a complete configuration or not at all; it answers HTTP from then on, as a
standby, as the writer, and while the broker refuses it; it ends with status 0 within ten seconds of
SIGTERM, with everything it received sealed.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from random import Random

import httpx

from observer_collector.http import Answers, application, serving
from observer_collector.intake import Intake
from observer_collector.journals import open_journals
from observer_collector.lock import WriterLock
from observer_collector.market_hours import MarketHours
from observer_collector.metrics import exposition
from observer_collector.moments import Moment
from observer_collector.promise import Promise, PromisingClient
from observer_collector.status import Service
from observer_collector.stopping import deliberate_error, unless_stopped
from observer_core import logs
from observer_core.brokers.kis.endpoints import requests_per_second, rest_url
from observer_core.brokers.kis.limiter import RequestLimiter
from observer_core.brokers.kis.oauth import KisOAuth
from observer_core.brokers.kis.rest import KisRestClient
from observer_core.brokers.kis.tokens import TokenStore
from observer_core.brokers.kis.transport import TIMEOUT
from observer_core.clock import Clock, open_clock
from observer_core.errors import ConfigurationError
from observer_core.market.calendar import MarketCalendar
from observer_core.settings import KisSettings, Paths, Settings

PROGRAM = "collector"

_WATCH_SECONDS = 0.25

_log = logs.logger(__name__)


def run(settings: Settings) -> int:
    """Runs the collector until SIGTERM or SIGINT.

    Args:
        settings: All settings.

    Returns:
        The exit status, 0.

    Raises:
        ConfigurationError: A mount, a key or the port is missing or wrong.
        StorageError: The disk took no more at the stop.
    """
    paths = Paths(settings.paths)
    paths.require_mounts()
    _require_keys(settings.kis)
    logs.configure(settings.service, program=PROGRAM, folder=settings.paths.system_log_dir)
    clock = open_clock(settings.service.clock)
    try:
        asyncio.run(serve(settings, clock))
    except BaseExceptionGroup as group:
        error = deliberate_error(group)
        if error is None:
            raise
        raise error from group
    return 0


async def serve(settings: Settings, clock: Clock, stop: asyncio.Event | None = None) -> None:
    """Runs the collector inside an event loop.

    Args:
        settings: All settings.
        clock: The process's clock.
        stop: Ends it; the signals SIGTERM and SIGINT where None.
    """
    stop = _on_signals() if stop is None else stop
    paths, promise = Paths(settings.paths), Promise(clock)
    async with PromisingClient(promise, base_url=rest_url(settings.kis), timeout=TIMEOUT) as http:
        client = _client(http, settings.kis, paths, clock)
        service = Service(
            clock=clock,
            hours=MarketHours(MarketCalendar()),
            lock=WriterLock(
                (paths.collector_lock(client.tokens.fingerprint), paths.shard_lock(settings.collector.shard)),
                settings.pod,
                clock,
            ),
            tokens=client.tokens,
            started=Moment.now(clock),
        )
        answers = Answers(service.readiness, service.status, lambda: exposition(service))
        async with serving(application(clock, answers), settings.service.port):
            watching = asyncio.create_task(_watch(service, stop))
            try:
                if await _become_writer(service.lock, stop):
                    await _write(settings, service, client, promise, stop)
            finally:
                watching.cancel()
                service.lock.release()


async def _watch(service: Service, stop: asyncio.Event) -> None:
    """Notes the phases of the market, for readiness, and the stop."""
    while not stop.is_set():
        service.observe_phase()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _WATCH_SECONDS)
    service.stopping = True


async def _become_writer(lock: WriterLock, stop: asyncio.Event) -> bool:
    """Waits as a standby; returns whether this process is the writer now, False at a stop."""
    if not lock.try_acquire():
        _log.info("Another process is the writer; this one stands by.", writer=lock.holder())
        await unless_stopped(stop, lock.acquire())
    return lock.held


async def _write(
    settings: Settings, service: Service, client: KisRestClient, promise: Promise, stop: asyncio.Event
) -> None:
    clock = service.clock
    journals = await unless_stopped(
        stop, open_journals(Paths(settings.paths), settings.collector, service.hours, clock)
    )
    if journals is None:
        return
    promise.join()
    intake = Intake(settings, journals, client, hours=service.hours, promise=promise, clock=clock)
    service.intake = intake
    _log.info("This process is the writer.", shard=settings.collector.shard)
    gc.collect()
    # What lives from here to the end need not be looked at again: a full collection stalls the loop.
    gc.freeze()
    try:
        await intake.run(stop)
    finally:
        promise.leave()
    _log.info("Stopped; the journal is sealed.", records=intake.records)


def _client(http: httpx.AsyncClient, settings: KisSettings, paths: Paths, clock: Clock) -> KisRestClient:
    return KisRestClient(
        http,
        settings,
        tokens=TokenStore(paths.token_cache, settings, KisOAuth(http, settings, clock), clock),
        limiter=RequestLimiter(clock, requests_per_second(settings)),
        clock=clock,
        random=Random(),  # noqa: S311  (a pause between attempts is no secret)
    )


def _on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def _require_keys(settings: KisSettings) -> None:
    for variable, value in (("KIS_APP_KEY", settings.app_key), ("KIS_APP_SECRET", settings.app_secret)):
        if not value.get_secret_value():
            raise ConfigurationError(
                f"{variable} is not set.",
                remedy=f"Set {variable}; `make up` simulates the broker where it is not set.",
            )
