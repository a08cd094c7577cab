"""The collector as a process.

Invariant: it starts with a complete configuration or not at all; it answers HTTP from then on, as a
standby, as the writer, and while the broker refuses it; it ends with status 0 within
`OBSERVER_STOP_SECONDS` of SIGTERM, ten by default, with everything it received sealed.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import Sequence
from functools import partial
from random import Random

import httpx

from observer_collector.contracts.watch import ContractWatch, cadence_of
from observer_collector.http.backup import names_target
from observer_collector.http.metrics import exposition
from observer_collector.http.server import Answers, application, serving
from observer_collector.http.status import Service
from observer_collector.lock import WriterLock
from observer_collector.market_hours import MarketHours
from observer_collector.moments import Moment
from observer_collector.promise import Promise, PromisingClient
from observer_collector.recording.clock_offset import ClockComparison
from observer_collector.recording.intake import Intake
from observer_collector.recording.journals import open_journals
from observer_collector.reporting.reporter import Reporter
from observer_collector.session.connect_budget import ConnectBudget
from observer_collector.session.keys import AppKey, AppKeys
from observer_collector.slots.plan import SlotRules
from observer_collector.slots.rules import check_addresses, records_nxt, slot_rules, sweep_symbols
from observer_collector.stopping import Ending, LastResort, deliberate_error, unless_stopped
from observer_collector.supervision import Helpers
from observer_core import logs
from observer_core.brokers.kis.app_keys import require_app_keys
from observer_core.brokers.kis.endpoints import requests_per_second, rest_url
from observer_core.brokers.kis.oauth import KisOAuth
from observer_core.brokers.kis.rest import KisRestClient
from observer_core.brokers.kis.tokens import TokenStore
from observer_core.brokers.kis.transport import TIMEOUT
from observer_core.brokers.limiter import RequestLimiter, limiter_file
from observer_core.clock import Clock, open_clock
from observer_core.market.calendar import MarketCalendar
from observer_core.settings import KisSettings, Paths, Settings

PROGRAM = "collector"

_WATCH_SECONDS = 0.25

_log = logs.logger(__name__)


def run(settings: Settings, *, verification: Sequence[str] = ()) -> int:
    """Runs the collector until SIGTERM or SIGINT.

    Args:
        settings: All settings.
        verification: The command that verifies the execution contracts and prints JSON; none where empty.

    Returns:
        The exit status, 0.

    Raises:
        ConfigurationError: A mount, a key, an address, a registration or the port is missing or wrong.
        StorageError: The disk took no more at the stop.
    """
    paths = Paths(settings.paths)
    paths.require_mounts()
    require_app_keys(settings.kis)
    logs.configure(settings.service, program=PROGRAM, folder=settings.paths.system_log_dir)
    clock = open_clock(settings.service.clock)
    if clock.is_virtual:
        logs.tell_market_time(lambda: clock.now().isoformat(timespec="milliseconds"))
    try:
        asyncio.run(serve(settings, clock, verification=verification))
    except BaseExceptionGroup as group:
        error = deliberate_error(group)
        if error is None:
            raise
        raise error from group
    return 0


async def serve(
    settings: Settings,
    clock: Clock,
    stop: asyncio.Event | None = None,
    *,
    verification: Sequence[str] = (),
) -> None:
    """Runs the collector inside an event loop.

    Args:
        settings: All settings.
        clock: The process's clock.
        stop: Ends it; the signals SIGTERM and SIGINT where None.
        verification: The command that verifies the execution contracts; none where empty.
    """
    rules = _checked(settings)
    ending = Ending(settings.collector.stop_seconds, clock)
    stop = _on_signals(LastResort(ending)) if stop is None else stop
    paths, promise = Paths(settings.paths), Promise(clock)
    async with PromisingClient(promise, base_url=rest_url(settings.kis), timeout=TIMEOUT) as http:
        client = _client(http, settings.kis, paths, clock)
        comparison = ClockComparison(clock)
        comparison.watch(http)
        contracts = ContractWatch(verification, cadence_of(settings, clock), clock)
        service = Service(
            clock=clock,
            paths=paths,
            hours=MarketHours(MarketCalendar(), nxt=records_nxt(rules)),
            lock=WriterLock(
                (paths.collector_lock(client.tokens.fingerprint), paths.shard_lock(settings.collector.shard)),
                settings.pod,
                clock,
            ),
            tokens=client.tokens,
            started=Moment.now(clock),
            helpers=Helpers(clock),
            contracts=contracts,
            breaches=contracts.breaches,
            backs_up=names_target(),
        )
        reporter = Reporter(settings, service)
        answers = Answers(service.readiness, service.status, lambda: exposition(service, reporter))
        async with serving(application(clock, answers), settings.service.host, settings.service.port):
            keep = service.helpers.keep
            watching = asyncio.create_task(keep("phases", partial(_watch, service, stop)))
            reporting = asyncio.create_task(reporter.run())
            verifying = asyncio.create_task(keep("contracts", contracts.run))
            try:
                if await _become_writer(service.lock, stop):
                    await _write(
                        settings, service, client, stop,
                        keys=_keys(http, settings, client.tokens, clock),
                        promise=promise, comparison=comparison, ending=ending,
                    )  # fmt: skip
            finally:
                watching.cancel()
                reporting.cancel()
                verifying.cancel()
                await asyncio.wait([reporting, verifying])
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
    settings: Settings,
    service: Service,
    client: KisRestClient,
    stop: asyncio.Event,
    *,
    keys: AppKeys,
    promise: Promise,
    comparison: ClockComparison,
    ending: Ending,
) -> None:
    clock = service.clock
    journals = await unless_stopped(
        stop, open_journals(Paths(settings.paths), settings.collector, service.hours, clock)
    )
    if journals is None:
        return
    promise.join()
    intake = Intake(
        settings,
        journals,
        client,
        hours=service.hours,
        promise=promise,
        clock=clock,
        comparison=comparison,
        ending=ending,
        keys=keys,
        helpers=service.helpers,
    )
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
    tokens = TokenStore(paths.token_cache, settings, KisOAuth(http, settings, clock), clock)
    pace = limiter_file(paths.token_cache, tokens.fingerprint)
    return KisRestClient(
        http,
        settings,
        tokens=tokens,
        limiter=RequestLimiter(pace, clock, requests_per_second(settings)),
        clock=clock,
        random=Random(),  # noqa: S311  (a pause between attempts is no secret)
    )


def _keys(http: httpx.AsyncClient, settings: Settings, tokens: TokenStore, clock: Clock) -> AppKeys:
    """Returns the app keys of the websocket: the first one, and the reserve where it is set."""
    paths, reserve = Paths(settings.paths), settings.kis.reserve

    def budget(fingerprint: str) -> ConnectBudget:
        return ConnectBudget(paths.connect_budget(fingerprint), settings.collector.connects_per_hour, clock)

    first = AppKey("first", tokens, budget(tokens.fingerprint))
    if reserve is None:
        return AppKeys(first)
    spare = TokenStore(paths.token_cache, reserve, KisOAuth(http, reserve, clock), clock)
    lock = WriterLock((paths.collector_lock(spare.fingerprint),), settings.pod, clock)
    return AppKeys(first, AppKey("reserve", spare, budget(spare.fingerprint), lock=lock))


def _on_signals(last_resort: LastResort) -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def begin() -> None:
        if not stop.is_set():
            stop.set()
            last_resort.begin()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, begin)
    return stop


def _checked(settings: Settings) -> SlotRules:
    """Returns the rules of the slots, once every setting that is read later has been found usable."""
    check_addresses(settings.kis)
    sweep_symbols(settings.collector)
    return slot_rules(settings.collector, settings.kis)
