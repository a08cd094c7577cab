"""The demonstration: a whole trading day in an emptied folder, and the proof.

Invariant: the day begins with nothing and ends with a proof; the exit status is 0 only if every
equation held.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import httpx
from rich.console import Console

from observer.stack import environment
from observer.stack.conductor import DayConductor, instant_ns
from observer.stack.layout import StackFolder
from observer.stack.ports import ephemeral
from observer.stack.programme import DAY_BEGINS, DayProgramme, Job, Request
from observer.stack.programs import Ports
from observer.stack.progress import Progress
from observer.stack.proof import Equation, collect_evidence, judge
from observer.stack.proof.summary import summarise, table_of
from observer.stack.reset import empty
from observer.stack.screen import Screen
from observer.stack.session import Session
from observer.stack.stack import LocalStack, Plan
from observer.stack.standstill import standstill
from observer.stack.status import StatusReader
from observer.stack.tasks import first_of
from observer_core.errors import ProcessError
from observer_core.files import write_atomically
from observer_core.market.calendar import MarketCalendar
from observer_core.settings import Paths, PathSettings

_STUCK_SECONDS = 120.0
# The start of a run takes as long as an hour of the market at full speed.
_HOURS_IN_A_RUN = 3


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """How the day is run.

    Attributes:
        day: The trading day.
        speed: Virtual seconds per real second, at most.
        swing_interval_seconds: Between two sweeps: so that a day has records enough and a small machine
            is done in minutes.
        keep: Whether Dagster stays open after the proof.
    """

    day: date = date(2026, 9, 15)
    speed: float = 600.0
    swing_interval_seconds: int = 600
    keep: bool = False


async def run_demo(
    folder: StackFolder, settings: DemoSettings, machine: Mapping[str, str], *, started: float
) -> int:
    """Runs the day and proves it.

    Args:
        folder: Its files; emptied first.
        settings: How it is run.
        machine: The caller's environment, cleansed.
        started: Monotonic seconds at which the command began.

    Returns:
        The exit status.
    """
    progress = Progress()
    progress.say(f"Observer demo: {settings.day:%A %Y-%m-%d} in virtual time, in {folder.folder}")
    empty(folder)
    async with httpx.AsyncClient(trust_env=False) as client:
        stack = LocalStack(_plan(folder, settings), progress, client, machine)
        demo = _Demo(stack, settings, progress, client, started)
        status = await Session(stack, progress).run(demo.run)
    # Once the day is proved or not, being told to stop changes nothing.
    return status if demo.verdict is None else demo.verdict


class _Demo:
    def __init__(
        self,
        stack: LocalStack,
        settings: DemoSettings,
        progress: Progress,
        client: httpx.AsyncClient,
        started: float,
    ) -> None:
        self._stack = stack
        self._client = client
        self._settings = settings
        self._progress = progress
        self._started = started
        self.verdict: int | None = None

    async def run(self) -> int:
        stack = self._stack
        assert stack.clock is not None, "the broker is simulated"
        session = MarketCalendar().session(self._settings.day)
        programme = DayProgramme(session, batch=_HOURS_IN_A_RUN)
        conductor = DayConductor(
            stack.clock, stack.dagster, stack.collector, programme, strict=True, single_day=True
        )
        stack.let_time_pass()
        screen = Screen(StatusReader(stack, conductor), self._progress, ())
        self._progress.say(f"  the day runs, up to {self._settings.speed:.0f} times as fast as time")
        await first_of(conductor.run(), screen.run(), self._guard(conductor))
        self._progress.say(f"  the day is over after {time.monotonic() - self._started:.0f} s")
        await stack.stop_intake()
        # What the collector received at the stroke of the last hour is sealed only now.
        with self._progress.step("closing the day with its last lines"):
            await conductor.finish(Request(Job.CLOSE_DAY, programme.partition))
        equations = await self._prove()
        self.verdict = 0 if all(equation.holds for equation in equations) else 1
        if self._settings.keep:
            self._progress.say(f"Dagster is open at {stack.dagster.address} ; Ctrl-C ends it.")
            await asyncio.Event().wait()
        return self.verdict

    async def _guard(self, conductor: DayConductor) -> None:
        """Raises where time stands still for too long, and the run that it waits for does as well."""
        assert self._stack.clock is not None, "the broker is simulated"
        moment = await standstill(
            lambda: conductor.now, lambda: self._told(conductor), seconds=_STUCK_SECONDS
        )
        waiting = ", ".join(self._stack.clock.waiting_for()) or "nothing that it names"
        raise ProcessError(
            f"Virtual time stands still at {moment:%H:%M:%S}; it waits for {waiting}.",
            remedy=f"See the logs in {self._stack.plan.folder.logs}.",
        )

    async def _told(self, conductor: DayConductor) -> tuple[str, int]:
        """Returns the run in flight, and how many events it has told."""
        run_id = conductor.run_in_flight
        return (run_id, await self._stack.dagster.event_count(run_id)) if run_id else ("", 0)

    async def _prove(self) -> list[Equation]:
        stack = self._stack
        assert stack.database is not None, "the stack is up"
        with self._progress.step("counting every record in every layer"):
            sent = (await stack.broker.read()).counts
            runs = await stack.dagster.runs()
            checks = [result for run in runs for result in await stack.dagster.checks(run.run_id)]
            evidence = collect_evidence(_paths(stack.plan.folder), stack.database, self._settings.day)
            equations = judge(evidence, sent, runs, checks)
        summary = summarise(evidence, sent, runs, checks, equations)
        summary["wall_seconds"] = round(time.monotonic() - self._started, 1)
        write_atomically(stack.plan.folder.summary, (json.dumps(summary, indent=1) + "\n").encode())
        self._tell(equations, summary["wall_seconds"])
        return equations

    def _tell(self, equations: list[Equation], seconds: float) -> None:
        # Wide enough for the table also where there is no terminal to ask.
        console = Console(width=None if sys.stdout.isatty() else 120)
        console.print()
        console.print(table_of(equations, title=f"{self._settings.day:%A %Y-%m-%d}, 07:20 to 20:40"))
        failed = [equation for equation in equations if not equation.holds]
        verdict = "Nothing lost, nothing doubled." if not failed else f"{len(failed)} of them did NOT hold."
        self._progress.say(f"\n{verdict} It took {seconds:.0f} s. Numbers: {self._stack.plan.folder.summary}")


def _plan(folder: StackFolder, settings: DemoSettings) -> Plan:
    session = MarketCalendar().session(settings.day)
    return Plan(
        folder=folder,
        ports=Ports(*ephemeral(6)),
        settings={
            "OBSERVER_SWING_INTERVAL_SECONDS": str(settings.swing_interval_seconds),
            "LOG_LEVEL": "INFO",
            # A trigger changes what is registered at an instant that depends on the machine; each run of the
            # demo has the same counts.
            "OBSERVER_TRIGGER_SYMBOLS": "0",
        },
        real_broker=None,
        database=None,
        postgres_programs=None,
        start_ns=instant_ns(session.at(DAY_BEGINS)),
        speed=settings.speed,
        durable=False,
        restarts=False,
    )


def _paths(folder: StackFolder) -> Paths:
    return Paths(PathSettings.load(environment.mounts(folder.runtime)))
