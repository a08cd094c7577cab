"""The local stack in the foreground: the market, the intake and Dagster, until Ctrl-C.

Invariant: the next start continues where clock and market stood; nothing that was received is lost
by stopping; what the real broker sent never lies in one folder with what was simulated.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import httpx

from observer.stack import environment
from observer.stack.conductor import DayConductor, instant_ns, read_saved
from observer.stack.layout import StackFolder
from observer.stack.lock import StackLock
from observer.stack.ports import choose, ephemeral
from observer.stack.programme import DayProgramme, Job
from observer.stack.programs import Ports
from observer.stack.progress import Progress
from observer.stack.screen import Screen
from observer.stack.session import Session
from observer.stack.stack import LocalStack, Plan
from observer.stack.status import StatusReader
from observer.stack.tasks import first_of
from observer_core.brokers.kis.app_keys import require_app_keys
from observer_core.clock import KST, RealClock, kst_datetime
from observer_core.errors import ConfigurationError
from observer_core.market.calendar import MarketCalendar, NotATradingDayError
from observer_core.settings import DatabaseSettings, KisSettings, Paths, PathSettings, StackSettings

_DAGSTER_PORT = 3000
_COLLECTOR_PORT = 8000
_POSTGRES_PORT = 54320
_SAVE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where the virtual clock and the day's programme begin."""

    now_ns: int
    programme: DayProgramme
    continued: bool

    @property
    def now(self) -> datetime:
        return kst_datetime(self.now_ns)


def is_simulated(machine: Mapping[str, str]) -> bool:
    """Returns whether the broker is simulated: no key of the real one is set.

    Raises:
        ConfigurationError: Half of the credentials is missing, or they are nothing that the broker issues.
    """
    given = [name for name in ("KIS_APP_KEY", "KIS_APP_SECRET") if machine.get(name)]
    if len(given) == 1:
        raise ConfigurationError(
            f"{given[0]} is set, but not the other half of the credentials.",
            remedy="Set KIS_APP_KEY and KIS_APP_SECRET for the real broker, neither for a simulated one.",
        )
    if given:
        require_app_keys(KisSettings.load(machine))
    return not given


async def run_up(
    folder: StackFolder, lock: StackLock, settings: StackSettings, machine: Mapping[str, str]
) -> int:
    """Runs the stack until it is stopped.

    Args:
        folder: Its files.
        lock: Its lock, held.
        settings: Speed, first instant, ports.
        machine: The caller's environment.

    Returns:
        The exit status: 0 when it was stopped by a signal.
    """
    progress = Progress()
    simulated = is_simulated(machine)
    beginning = _beginning(folder, settings) if simulated else None
    plan = _plan(folder, settings, machine, beginning)
    _introduce(progress, plan, beginning)
    async with httpx.AsyncClient(trust_env=False) as client:
        stack = LocalStack(plan, progress, client, machine)
        foreground = _Foreground(stack, lock, beginning, progress, client)
        status = await Session(stack, progress).run(foreground.run)
        foreground.save()
    if status > 128:
        progress.say("Stopped. `make up` continues here." if simulated else "Stopped.")
        return 0
    return status


class _Foreground:
    def __init__(
        self,
        stack: LocalStack,
        lock: StackLock,
        beginning: Beginning | None,
        progress: Progress,
        client: httpx.AsyncClient,
    ) -> None:
        self._stack = stack
        self._lock = lock
        self._beginning = beginning
        self._progress = progress
        self._client = client
        self._conductor: DayConductor | None = None

    async def run(self) -> int:
        stack = self._stack
        addresses = [
            f"Dagster    {stack.dagster.address}",
            f"collector  {stack.collector.address}/status",
            f"logs       {stack.plan.folder.logs}",
        ]
        self._lock.describe(f"process {os.getpid()}, Dagster at {stack.dagster.address}")
        conductor = self._conductor = self._make_conductor()
        reader = StatusReader(stack, conductor)
        work: list[Coroutine[Any, Any, None]] = []
        if conductor is not None:
            stack.let_time_pass()
            work = [conductor.run(), self._save()]
        else:
            await self._refresh_missing_reference()
        screen = Screen(reader, self._progress, [*addresses, "Ctrl-C stops everything"])
        await first_of(screen.run(), *work)
        return 0

    async def _refresh_missing_reference(self) -> None:
        """Asks for the day's universe where the stack starts after its schedule was due."""
        now, calendar = RealClock().now(), MarketCalendar()
        if not calendar.is_trading_day(now.date()):
            return
        programme = DayProgramme(
            calendar.session(now.date()), has_reference=_has_universe(self._stack.plan.folder, now.date())
        )
        request = programme.due(now) if programme.has_data_at(now) else None
        if request is not None and request.job is Job.REFRESH_REFERENCE:
            await self._stack.dagster.launch(request.job, partition=request.partition)
            self._progress.say("  the universe of the day is missing: its refresh is requested")

    def _make_conductor(self) -> DayConductor | None:
        if self._beginning is None:
            return None
        stack = self._stack
        assert stack.clock is not None, "the broker is simulated"
        return DayConductor(
            stack.clock,
            stack.dagster,
            stack.collector,
            self._beginning.programme,
            saved=stack.plan.folder.saved_clock,
            strict=False,
            single_day=False,
        )

    def save(self) -> None:
        """Writes where the clock stands, if it was ever led."""
        if self._conductor is not None:
            self._conductor.save()

    async def _save(self) -> None:
        while True:
            try:
                self.save()
            except OSError as error:
                # A full disk stops nothing: the collector pauses, and so does this, until there is space.
                self._progress.say(f"  where the clock stands cannot be saved: {error.strerror}; free space")
            await asyncio.sleep(_SAVE_SECONDS)


def _beginning(folder: StackFolder, settings: StackSettings) -> Beginning:
    saved = read_saved(folder.saved_clock, folder.clock)
    if saved is not None:
        return Beginning(*saved, continued=True)
    now = settings.start.replace(tzinfo=KST) if settings.start.tzinfo is None else settings.start
    try:
        session = MarketCalendar().session(now.astimezone(KST).date())
    except NotATradingDayError as error:
        raise ConfigurationError(
            f"OBSERVER_UP_START is {settings.start}: {error}", remedy="Choose a trading day of the KRX."
        ) from error
    programme = DayProgramme(session, has_reference=_has_universe(folder, session.day))
    return Beginning(instant_ns(now), programme, continued=False)


def _has_universe(folder: StackFolder, day: date) -> bool:
    return Paths(PathSettings.load(environment.mounts(folder.runtime))).universe(day).exists()


def _plan(
    folder: StackFolder, settings: StackSettings, machine: Mapping[str, str], beginning: Beginning | None
) -> Plan:
    return Plan(
        folder=folder,
        ports=_ports(settings, machine),
        settings=environment.given_settings(machine),
        real_broker=None if beginning else environment.given_broker(machine),
        database=DatabaseSettings.load(machine) if machine.get("DB_HOST") else None,
        postgres_programs=settings.postgres_programs,
        start_ns=beginning.now_ns if beginning else 0,
        speed=settings.speed,
        durable=True,
        restarts=True,
    )


def _ports(settings: StackSettings, machine: Mapping[str, str]) -> Ports:
    dagster = choose(_DAGSTER_PORT, requested=settings.dagster_port, variable="OBSERVER_UP_DAGSTER_PORT")
    given = machine.get("SERVICE_PORT")
    collector = choose(
        _COLLECTOR_PORT,
        requested=int(given) if given else None,
        variable="SERVICE_PORT",
        taken=[dagster],
    )
    postgres = choose(
        _POSTGRES_PORT,
        requested=settings.postgres_port,
        variable="OBSERVER_UP_POSTGRES_PORT",
        taken=[dagster, collector],
    )
    http, websocket, code_server = ephemeral(3)
    return Ports(http, websocket, collector, code_server, dagster, postgres)


def _introduce(progress: Progress, plan: Plan, beginning: Beginning | None) -> None:
    if beginning is None:
        progress.say("Observer with the REAL broker, on the real clock (KIS_APP_KEY is set).")
        progress.say(f"  data in {plan.folder.folder}; Dagster's own schedules run the day")
    else:
        how = "continues at" if beginning.continued else "begins at"
        progress.say(
            f"Observer with a simulated broker: the market {how} {beginning.now:%A %Y-%m-%d %H:%M:%S}, "
            f"{plan.speed:g} times as fast as time (no KIS_APP_KEY is set)."
        )
        progress.say(f"  data in {plan.folder.folder}")
    if plan.database is not None:
        progress.say(f"  PostgreSQL at {plan.database.host}:{plan.database.port} (DB_HOST is set)")
