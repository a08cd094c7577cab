"""A deployment in a temporary folder: real mounts, clock file, PostgreSQL, simulated broker, journal."""

import asyncio
import gc
import shutil
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import date, datetime
from pathlib import Path

import dagster as dg
import pytest
from journalist import DAY, Journalist, at

from observer.stack.postgres import SUPERUSER, PostgresServer
from observer_core.clock import Conductor, open_clock
from observer_core.reference.universe import Universe, read_universe
from observer_core.settings import Paths, PathSettings
from observer_pipeline import keys
from observer_pipeline.definitions import build_defs
from observer_pipeline.failures import SOURCE_RETRIES
from observer_simulator.settings import (
    SIMULATED_APP_KEY,
    SIMULATED_APP_SECRET,
    SIMULATED_KIWOOM_APP_KEY,
    SIMULATED_KIWOOM_APP_SECRET,
    SimulatorSettings,
)
from observer_simulator.simulator import Simulator


class Deployment:
    """One deployment on a virtual clock that stands still until `set_clock`.

    Args:
        folder: An empty folder.
        monkeypatch: Sets the environment.
        database: The `DB_*` variables.
    """

    day = DAY
    at = staticmethod(at)

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, database: dict[str, str]) -> None:
        self.folder = folder
        clock_file = folder / "clock"
        self._monkeypatch = monkeypatch
        self._conductor = Conductor.create(clock_file, start_ns=_ns(at(7, 30)), speed=1)
        self.environment = {
            "OBSERVER_DATA_DIR": str(folder / "data"),
            "OBSERVER_LOG_DIR": str(folder / "logs"),
            "OBSERVER_CONFIG_DIR": str(folder / "config"),
            "OBSERVER_SNAPSHOT_DIR": str(folder / "universe"),
            "OBSERVER_CLOCK": f"shared:{clock_file}",
            "KIS_APP_KEY": SIMULATED_APP_KEY,
            "KIS_APP_SECRET": SIMULATED_APP_SECRET,
            # Nobody listens there; a test that needs the broker says so.
            "KIS_REST_URL": "http://127.0.0.1:9",
            "KIS_MASTER_URL": "http://127.0.0.1:9/",
            **database,
        }
        for name in ("data", "logs", "config", "universe"):
            (folder / name).mkdir()
        self.set_environment(**self.environment)
        # A broker that is not there is asked four times; its absence is no matter of seconds here.
        monkeypatch.setattr("observer_core.brokers.kis.rest._FIRST_PAUSE_SECONDS", 0.01)
        # Nor is that of its files one of minutes.
        quick = dg.RetryPolicy(max_retries=SOURCE_RETRIES.max_retries, delay=0.01)
        monkeypatch.setattr("observer_pipeline.assets.reference.SOURCE_RETRIES", quick)
        self.paths = Paths(PathSettings.load(self.environment))
        self.defs = build_defs()
        self.instance = dg.DagsterInstance.ephemeral()

    def close(self) -> None:
        self.instance.dispose()
        # Sqlite wants its connections to end in the thread that opened them.
        gc.collect()

    def set_environment(self, **variables: str) -> None:
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)

    def set_clock(self, moment: datetime) -> None:
        """Moves the market's time forward."""
        self._conductor.jump(_ns(moment))

    def run(self, job: str, day: date = DAY) -> "Run":
        """Runs a job for a trading day in this process."""
        result = self.defs.resolve_job_def(job).execute_in_process(
            instance=self.instance, partition_key=day.isoformat(), raise_on_error=False
        )
        return Run(result, self.instance)

    @contextmanager
    def broker(self, *, with_master_files: bool = True, with_kiwoom: bool = False) -> Iterator[None]:
        """Lets a simulated broker run on this deployment's clock.

        Args:
            with_master_files: False leaves KIS_MASTER_URL where nobody answers.
            with_kiwoom: Whether this deployment has an account there, too.
        """
        settings = SimulatorSettings.load(
            {
                "OBSERVER_SIMULATOR_HTTP_PORT": "0",
                "OBSERVER_SIMULATOR_WEBSOCKET_PORT": "0",
                # A page a second of a clock that runs as fast as ours.
                "OBSERVER_SIMULATOR_KIWOOM_PAGE_ROWS": "5000",
            }
        )
        clock = open_clock(self.environment["OBSERVER_CLOCK"])
        listening, stop, loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()
        addresses: list[str] = []

        async def serve() -> None:
            async with Simulator(clock, settings) as simulator:
                addresses.append(simulator.rest_url)
                listening.set()
                await stop.wait()

        thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
        thread.start()
        assert listening.wait(30), "the simulated broker does not listen"
        self.set_environment(KIS_REST_URL=addresses[0])
        if with_master_files:
            self.set_environment(KIS_MASTER_URL=f"{addresses[0].rstrip('/')}/common/master/")
        if with_kiwoom:
            self.set_environment(
                KIWOOM_REST_URL=addresses[0],
                KIWOOM_APP_KEY=SIMULATED_KIWOOM_APP_KEY,
                KIWOOM_APP_SECRET=SIMULATED_KIWOOM_APP_SECRET,
            )
        try:
            with self._running_time() if with_kiwoom else nullcontext():
                yield
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(30)
            loop.close()

    @contextmanager
    def _running_time(self) -> Iterator[None]:
        """Lets market time run, in which Kiwoom's client waits for its turns."""
        over = threading.Event()

        def run() -> None:
            clock = open_clock(self.environment["OBSERVER_CLOCK"])
            while not over.wait(0.05):
                self._conductor.jump(clock.now_ns() + 10**9)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(30)

    def journalist(self) -> Journalist:
        """Returns a writer of the day for three symbols of its universe, at their base prices."""
        universe: Universe = read_universe(self.paths.universe(DAY))
        return Journalist(self.paths, {one.code: one.base_price for one in universe.symbols[:3]})


class Run:
    """What a run has reported."""

    def __init__(self, result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance) -> None:
        self.success = result.success
        self.result = result
        self.events = [
            entry.dagster_event for entry in instance.all_logs(result.run_id) if entry.dagster_event
        ]

    @property
    def rows(self) -> dict[str, int]:
        """Asset -> rows that its materialization states."""
        return {
            key: metadata["dagster/partition_row_count"].value
            for key, metadata in self.metadata.items()
            if "dagster/partition_row_count" in metadata
        }

    @property
    def metadata(self) -> dict[str, dict]:
        """Asset -> metadata of its materialization."""
        found = [event for event in self.events if event.is_step_materialization]
        return {
            event.asset_key.to_user_string(): event.step_materialization_data.materialization.metadata
            for event in found
        }

    @property
    def observations(self) -> dict[str, dict]:
        """Asset -> metadata of its observation."""
        found = [event for event in self.events if event.event_type == dg.DagsterEventType.ASSET_OBSERVATION]
        return {
            event.asset_key.to_user_string(): event.asset_observation_data.asset_observation.metadata
            for event in found
        }

    @property
    def checks(self) -> dict[str, dg.AssetCheckEvaluation]:
        """`asset:check` -> evaluation."""
        return {
            f"{one.asset_key.to_user_string()}:{one.check_name}": one
            for one in self.result.get_asset_check_evaluations()
        }

    @property
    def failed_checks(self) -> dict[str, str]:
        """`asset:check` -> severity and description, of those that did not pass."""
        return {
            name: f"{one.severity.value} {one.description}"
            for name, one in self.checks.items()
            if not one.passed
        }

    @property
    def our_failed_checks(self) -> dict[str, str]:
        """The same without those whose description lays it to the broker."""
        return {name: told for name, told in self.failed_checks.items() if " external: " not in told}

    @property
    def failures(self) -> dict[str, dg.Failure | str]:
        """Step -> why it failed."""
        return {event.step_key: event.step_failure_data for event in self.events if event.is_step_failure}


def _ns(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000_000


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    folder = tmp_path_factory.mktemp("postgres")
    with PostgresServer(folder / "home", durable=False) as server:
        yield server


@pytest.fixture
def database(postgres, request) -> dict[str, str]:
    """The `DB_*` variables of an empty database of this test's own."""
    name = f"test_{zlib.crc32(request.node.nodeid.encode()):08x}"
    with postgres.connection("postgres", user=SUPERUSER) as session, session.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} OWNER observer")
    return postgres.environment(name)


@pytest.fixture
def mounts(tmp_path, monkeypatch) -> Iterator["Deployment"]:
    """A deployment without a database."""
    deployment = Deployment(tmp_path, monkeypatch, {"DB_HOST": "127.0.0.1", "DB_PORT": "9"})
    yield deployment
    deployment.close()


@pytest.fixture
def deployment(tmp_path, monkeypatch, database) -> Iterator["Deployment"]:
    """A deployment with an empty database."""
    deployment = Deployment(tmp_path, monkeypatch, database)
    yield deployment
    deployment.close()


@pytest.fixture(scope="session")
def reference(tmp_path_factory) -> Path:
    """A folder with what a refresh from the simulated broker leaves; made once, for it takes seconds."""
    folder = tmp_path_factory.mktemp("reference")
    with pytest.MonkeyPatch.context() as monkeypatch:
        made = Deployment(folder, monkeypatch, {"DB_HOST": "127.0.0.1", "DB_PORT": "9"})
        with made.broker():
            job = made.defs.resolve_job_def("refresh_reference")
            job.execute_in_process(
                instance=made.instance,
                partition_key=DAY.isoformat(),
                asset_selection=[keys.INSTRUMENT_MASTER, keys.SYMBOLS, keys.UNIVERSE],
            )
        made.close()
    return folder


@pytest.fixture
def refreshed(deployment, reference) -> "Deployment":
    """A deployment whose symbols and universe of the day are there."""
    for name in ("data", "universe"):
        shutil.copytree(reference / name, deployment.folder / name, dirs_exist_ok=True)
    return deployment
