"""Starts and stops a local stack in the right order.

Invariant: whatever happens between `start` and `stop`, no program of the stack is left; intake stops
first and only after the broker's last record has arrived, PostgreSQL stops last.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from observer.stack import environment, programs
from observer.stack.broker_account import BrokerAccount
from observer.stack.collector_status import CollectorStatus
from observer.stack.dagster_client import DagsterClient
from observer.stack.layout import StackFolder
from observer.stack.ports import LOOPBACK
from observer.stack.postgres import PostgresServer
from observer.stack.postgres.configured import DAGSTER_DATABASE, dagster_storage
from observer.stack.processes import Child, Program
from observer.stack.progress import Progress
from observer.stack.tasks import first_of
from observer_core.clock import Conductor, Hold
from observer_core.errors import ProcessError
from observer_core.settings import DatabaseSettings

_OWN_DATABASE = "observer"
_SETTLE_SECONDS = 10.0
_SETTLE_POLL_SECONDS = 0.1
_ARRIVAL_SECONDS = 0.3
_WATCH_SECONDS = 0.3
_LONGEST_BACKOFF_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What stack to run.

    Attributes:
        folder: Its files.
        ports: Where its programs listen.
        settings: The operator's settings for collector, universe, logs and simulator.
        real_broker: Access to the real broker; None for the simulated one.
        database: A configured server; None to start one.
        postgres_programs: The operator's choice of programs for the one that is started.
        start_ns: First instant of the virtual clock, nanoseconds since the Unix epoch.
        speed: Virtual seconds per real second, at most.
        durable: False for data that nobody needs after a crash of the machine.
        restarts: Whether a program that ends by itself is started again.
    """

    folder: StackFolder
    ports: programs.Ports
    settings: Mapping[str, str]
    real_broker: Mapping[str, str] | None
    database: DatabaseSettings | None
    postgres_programs: Path | None
    start_ns: int
    speed: float
    durable: bool
    restarts: bool


class LocalStack:
    """PostgreSQL, broker, collector and Dagster on this machine.

    Args:
        plan: What to run.
        progress: Where each step is told.
        client: For probes and the programs' own interfaces; its owner closes it.
        machine: The caller's environment, of which the programs get the harmless part.
    """

    def __init__(
        self, plan: Plan, progress: Progress, client: httpx.AsyncClient, machine: Mapping[str, str]
    ) -> None:
        self.plan = plan
        self._progress = progress
        self._client = client
        self._machine = environment.of_the_machine(machine)
        self._postgres = PostgresServer(
            plan.folder.postgres,
            port=plan.ports.postgres,
            databases=(_OWN_DATABASE, DAGSTER_DATABASE),
            binaries=plan.postgres_programs,
            log=plan.folder.log("postgres"),
            durable=plan.durable,
        )
        self._children: dict[str, Child] = {}
        # Programs whose end is no failure any more.
        self._to_end: set[str] = set()
        self._time: asyncio.Task[None] | None = None
        self._standing: Hold | None = None
        self.clock: Conductor | None = None
        self.database: DatabaseSettings | None = None
        self.dagster = DagsterClient(f"http://{LOOPBACK}:{plan.ports.dagster}", client)
        self.broker = BrokerAccount(f"http://{LOOPBACK}:{plan.ports.simulator_http}", client)
        self.collector = CollectorStatus(f"http://{LOOPBACK}:{plan.ports.collector}", client)
        self.notes: list[str] = []

    @property
    def children(self) -> Mapping[str, Child]:
        """The programs that were started, by name."""
        return self._children

    async def start(self) -> None:
        """Starts everything; each program while the one before it is still on its way.

        Raises:
            ObserverError: Something does not start; what was started is still to be stopped.
        """
        step = self._progress.step
        self.plan.folder.make()
        if self.plan.database is None:
            with step("PostgreSQL"):
                self._postgres.start()
            self.database = self._postgres.settings(_OWN_DATABASE)
            storage = self._postgres.settings(DAGSTER_DATABASE)
        else:
            with step(f"PostgreSQL at {self.plan.database.host} (DB_HOST)"):
                storage = dagster_storage(self.plan.database)
            self.database = self.plan.database
        made = self._programs(storage)
        made.write_dagster_home()
        self._launch(made.code_server())
        self._launch(made.webserver())
        if self.plan.real_broker is None:
            self._start_clock()
            self._launch(made.simulator())
            with step("simulated broker"):
                await self._ready(programs.SIMULATOR)
        self._launch(made.collector())
        with step("collector"):
            await self._ready(programs.COLLECTOR)
        with step("Dagster: code server and webserver"):
            await self._ready(programs.CODE_SERVER)
        abandoned = await self.dagster.abandon_unfinished()
        if abandoned:
            self._progress.say(f"    {abandoned} run(s) ended with the last stack; their work is done anew")
        # Last: it would make Dagster's tables at the same time as the webserver.
        self._launch(made.daemon())

    async def watch(self) -> None:
        """Returns never: starts again what ended by itself, or raises where that is not wanted.

        Raises:
            ProcessError: A program ended.
        """
        delays = dict.fromkeys(self._children, 1.0)
        while True:
            server = self._postgres.process
            if server is not None and server.poll() is not None:
                raise ProcessError(
                    f"PostgreSQL ended with status {server.returncode}.",
                    remedy=f"See {self._postgres.log}; start the stack again.",
                )
            for child in self._children.values():
                if child.is_running or child.name in self._to_end:
                    continue
                failure = child.failure()
                if not self.plan.restarts:
                    raise failure
                self.notes.append(f"{failure.message} Started again after {delays[child.name]:.0f} s.")
                await asyncio.sleep(delays[child.name])
                delays[child.name] = min(delays[child.name] * 2, _LONGEST_BACKOFF_SECONDS)
                child.start()
            await asyncio.sleep(_WATCH_SECONDS)

    def let_time_pass(self) -> None:
        """Ends the clock's standstill at the start, once somebody leads the day."""
        if self._standing is not None:
            self._standing.release()
            self._standing = None

    async def stop_time(self) -> None:
        """Stops the virtual clock and lets the broker's last records arrive."""
        if self._time is None or self.clock is None:
            return
        self._time.cancel()
        await asyncio.gather(self._time, return_exceptions=True)
        self._time = None
        # What was due is sent before anything ends: what is not sent now would never be.
        deadline = time.monotonic() + _SETTLE_SECONDS
        before_ns = -1
        while self.clock.now_ns() != before_ns or not self.clock.is_settled():
            if time.monotonic() > deadline:
                self.notes.append("Broker and collector did not settle before the stop.")
                break
            before_ns = self.clock.now_ns()
            await asyncio.sleep(_SETTLE_POLL_SECONDS)
        # And what was sent has arrived.
        await asyncio.sleep(_ARRIVAL_SECONDS)

    async def stop_intake(self) -> None:
        """Stops the clock and then the collector, which seals what it has."""
        await self.stop_time()
        await self._stop(programs.COLLECTOR, "collector (seals its segments)")

    async def stop(self) -> None:
        """Stops everything that runs, intake first, PostgreSQL last."""
        try:
            await self.stop_intake()
            await self._stop(programs.WEBSERVER, "Dagster webserver")
            await self._stop(programs.DAEMON, "Dagster daemon")
            await self._stop(programs.CODE_SERVER, "Dagster code server")
            await self._stop(programs.SIMULATOR, "simulated broker")
        finally:
            for child in self._children.values():
                child.kill()
            if self._postgres.process is not None:
                with self._progress.step("PostgreSQL"):
                    self._postgres.stop()

    def kill(self) -> None:
        """Ends the programs at once, without their clean stop; PostgreSQL still stops cleanly."""
        for child in self._children.values():
            child.kill()

    def _programs(self, storage: DatabaseSettings) -> programs.Programs:
        plan, ports = self.plan, self.plan.ports
        assert self.database is not None, "the server is up"
        observed = {
            **self._machine,
            **plan.settings,
            **environment.mounts(plan.folder.runtime),
            **environment.caches(plan.folder),
            **environment.database(self.database),
        }
        simulator = None
        if plan.real_broker is not None:
            observed |= {**plan.real_broker, "OBSERVER_CLOCK": "real"}
        else:
            keys = environment.SimulatedKeys.of_stack(plan.folder)
            at = {"http_port": ports.simulator_http, "websocket_port": ports.simulator_websocket}
            observed |= environment.simulated_broker(keys, **at)
            observed["OBSERVER_CLOCK"] = f"shared:{plan.folder.clock}"
            simulator = {
                **self._machine,
                **plan.settings,
                **environment.simulator(keys, plan.folder, **at),
                "OBSERVER_CLOCK": observed["OBSERVER_CLOCK"],
            }
        return programs.Programs(
            plan.folder, ports, observed=observed, simulator=simulator, storage=storage, client=self._client
        )

    def _start_clock(self) -> None:
        self.clock = Conductor.create(
            self.plan.folder.clock,
            start_ns=self.plan.start_ns,
            speed=self.plan.speed,
            required=frozenset({programs.SIMULATOR, programs.COLLECTOR}),
        )
        self._standing = self.clock.hold(self.clock.now_ns(), "the stack to start")
        self._time = asyncio.create_task(self.clock.run(), name="virtual time")

    def _launch(self, program: Program) -> None:
        child = Child(program)
        self._children[program.name] = child
        child.start()

    async def _ready(self, name: str) -> None:
        """Waits for a program; that another one ends meanwhile is a failure, too."""
        await first_of(self._children[name].wait_until_ready(), self._watch_start())

    async def _watch_start(self) -> None:
        while True:
            for child in self._children.values():
                if not child.is_running:
                    raise child.failure()
            await asyncio.sleep(_WATCH_SECONDS)

    async def _stop(self, name: str, title: str) -> None:
        self._to_end.add(name)
        child = self._children.get(name)
        if child is None or not child.is_running:
            return
        with self._progress.step(title):
            remark = await child.stop()
        if remark:
            self._progress.say(f"    {name} {remark}")
