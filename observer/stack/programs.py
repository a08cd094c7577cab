"""The programs of a local stack, and how each is started.

Invariant: this is the only place that knows a program's command line and when it counts as ready.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from observer.stack import environment
from observer.stack.dagster_client import LOCATION, DagsterClient
from observer.stack.layout import StackFolder
from observer.stack.ports import LOOPBACK
from observer.stack.processes import Probe, Program
from observer_core.files import write_atomically
from observer_core.probes import HEALTH_PATH
from observer_core.settings import DatabaseSettings

SIMULATOR = "simulator"
COLLECTOR = "collector"
CODE_SERVER = "code-server"
WEBSERVER = "webserver"
DAEMON = "daemon"

# `-P`: the working directory must not hide a package.
_PYTHON = (sys.executable, "-P", "-m")
# Shorter than the stack waits for any program: the keeper is to end what it keeps.
_CODE_SERVER_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the programs listen, all on the loopback address."""

    simulator_http: int
    simulator_websocket: int
    collector: int
    code_server: int
    dagster: int
    postgres: int


class Programs:
    """Makes the programs of one stack.

    Args:
        folder: The stack's files.
        ports: Where they listen.
        observed: Environment of the programs that record, compact and load.
        simulator: Environment of the simulated broker, None with the real one.
        storage: Dagster's own database.
        client: For the probes.
    """

    def __init__(
        self,
        folder: StackFolder,
        ports: Ports,
        *,
        observed: Mapping[str, str],
        simulator: Mapping[str, str] | None,
        storage: DatabaseSettings,
        client: httpx.AsyncClient,
    ) -> None:
        self._folder = folder
        self._ports = ports
        self._observed = dict(observed)
        self._simulator = simulator
        self._dagster = environment.dagster(folder, storage)
        self._client = client

    @property
    def dagster_address(self) -> str:
        return f"http://{LOOPBACK}:{self._ports.dagster}"

    def simulator(self) -> Program:
        """The simulated broker; ready when its REST side answers."""
        return self._program(
            SIMULATOR,
            ("observer", "simulator"),
            dict(self._simulator or {}),
            self._answers(f"http://{LOOPBACK}:{self._ports.simulator_http}/admin/account"),
        )

    def collector(self) -> Program:
        """The collector; ready when it is alive: it becomes ready to serve as the market allows."""
        variables = {
            "SERVICE_HOST": LOOPBACK,
            **self._observed,
            "SERVICE_PORT": str(self._ports.collector),
        }
        health = f"http://{LOOPBACK}:{self._ports.collector}{HEALTH_PATH}"
        return self._program(COLLECTOR, ("observer", "collector"), variables, self._answers(health))

    def code_server(self) -> Program:
        """The code location under its keeper; ready when the webserver has loaded it."""
        command = (
            "observer.stack.keeper", str(_CODE_SERVER_SECONDS), *_PYTHON,
            "dagster", "api", "grpc", "--module-name", "observer_pipeline.definitions", "--attribute", "defs",
            "--host", LOOPBACK, "--port", str(self._ports.code_server), "--location-name", LOCATION,
            # Runs are started with this very interpreter.
            "--use-python-environment-entry-point",
        )  # fmt: skip
        return self._program(CODE_SERVER, command, {**self._observed, **self._dagster}, self._is_loaded)

    def webserver(self) -> Program:
        """Dagster's web page and API; ready with the code location."""
        command = (
            "dagster_webserver", "--host", LOOPBACK, "--port", str(self._ports.dagster),
            "--workspace", str(self._folder.workspace),
        )  # fmt: skip
        return self._program(WEBSERVER, command, self._plain(), self._is_loaded, signal.SIGKILL)

    def daemon(self) -> Program:
        """Dagster's daemon: the run queue, and on the real clock schedules and sensors."""
        command = ("dagster._daemon", "run", "--workspace", str(self._folder.workspace))
        return self._program(DAEMON, command, self._plain(), _at_once, signal.SIGKILL)

    def write_dagster_home(self) -> None:
        """Writes the instance's configuration and the workspace that names the code server."""
        shutil.copyfile(
            self._folder.project / "dagster_home" / "dagster.yaml", self._folder.dagster_home / "dagster.yaml"
        )
        server = {"host": LOOPBACK, "port": self._ports.code_server, "location_name": LOCATION}
        # JSON is YAML.
        workspace = json.dumps({"load_from": [{"grpc_server": server}]}, indent=1)
        write_atomically(self._folder.workspace, workspace.encode())

    def _plain(self) -> dict[str, str]:
        return {**environment.of_the_machine(self._observed), **self._dagster}

    def _program(
        self,
        name: str,
        command: tuple[str, ...],
        variables: Mapping[str, str],
        ready: Probe,
        orphan_signal: signal.Signals = signal.SIGTERM,
    ) -> Program:
        return Program(
            name=name,
            command=(*_PYTHON, *command),
            environment=variables,
            folder=self._folder.folder,
            log=self._folder.log(name),
            ready=ready,
            orphan_signal=orphan_signal,
        )

    def _answers(self, address: str) -> Probe:
        async def probe() -> bool:
            try:
                response = await self._client.get(address, timeout=5)
            except httpx.TransportError:
                return False
            return response.status_code == httpx.codes.OK

        return probe

    async def _is_loaded(self) -> bool:
        return await DagsterClient(self.dagster_address, self._client).is_loaded()


async def _at_once() -> bool:
    return True
