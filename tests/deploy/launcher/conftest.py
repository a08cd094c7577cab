"""Dagster as the Helm values make it, with the objects of deploy/, on an emulated cluster: only the
folders, the database's address and the broker's are this machine's.
"""

import asyncio
import base64
import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._cli.job import _create_run
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES, DagsterRunStatus, RunsFilter
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import GrpcServerTarget
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon
from dagster._grpc.client import DagsterGrpcClient
from dagster_chart import Release, code_objects, merged, system_objects
from kubernetes_emulator import Cluster, Kubelet, NodeImage, Rights, Server
from kubernetes_emulator.environment import container_environment
from kubernetes_emulator.jobs import delete_job, delete_pod_of_job, is_pod_of_job

from observer.stack import ports
from observer.stack.postgres import PostgresServer
from observer_contracts.evidence import kustomize
from observer_core.clock import Conductor, open_clock
from observer_simulator.settings import SIMULATED_APP_KEY, SIMULATED_APP_SECRET, SimulatorSettings
from observer_simulator.simulator import Simulator

ROOT = Path(__file__).resolve().parents[3]
OVERLAY = ROOT / "deploy/overlays/production"
NAMESPACE = "observer-prod"
DAY = "2026-09-15"
SYSTEM, CODE = Release("dagster"), Release("dagster-code")
_CODE_IMAGE = merged(ROOT / "helm-values/dagster-code.yaml", defaults={})["deployments"][0]["image"]
IMAGE = f"{_CODE_IMAGE['repository']}:{_CODE_IMAGE['tag']}"
_SECONDS = 90.0
_LOG = logging.getLogger("test.run_monitoring")


@dataclass
class Deployment:
    """What the tests look at.

    Attributes:
        cluster: The emulated cluster.
        server: Its API.
        kubelet: Its node.
        instance: Dagster's instance, as the daemon has it.
        process: Dagster's workspace, as the daemon has it.
        documents: The rendered objects of deploy/.
        silent_server: Address where connections are taken and nothing is ever answered.
        folder: What the volumes of all pods are.
        nothing: An account without a role.
    """

    cluster: Cluster
    server: Server
    kubelet: Kubelet
    instance: dg.DagsterInstance
    process: WorkspaceProcessContext
    documents: list[dict[str, Any]]
    silent_server: str
    folder: Path
    nothing: Rights = field(default_factory=Rights)
    _daemon: QueuedRunCoordinatorDaemon = field(
        default_factory=lambda: QueuedRunCoordinatorDaemon(interval_seconds=1)
    )

    def launch(
        self, job: str = "refresh_reference", day: str = DAY, steps: Sequence[str] | None = None
    ) -> str:
        """Asks for a run of a job, or of some of its steps, and lets the daemon's queue launch it."""
        workspace = self.process.create_request_context()
        location = workspace.get_code_location("observer")
        repository = next(iter(location.get_repositories().values()))
        run = _create_run(
            self.instance, location, repository, repository.get_full_job(job), {},
            {"dagster/partition": day}, steps, None,
        )  # fmt: skip
        self.instance.submit_run(run.run_id, workspace)
        self.dequeue()
        return run.run_id

    def dequeue(self) -> None:
        """Does once what the daemon's queue does every few seconds."""
        assert [error for error in self._daemon.run_iteration(self.process) if error] == []

    def monitor(self) -> None:
        """Does once what the daemon's run monitoring does every poll."""
        assert [error for error in execute_run_monitoring_iteration(self.process, _LOG) if error] == []

    def status(self, run_id: str) -> DagsterRunStatus:
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run.status

    def messages(self, run_id: str) -> str:
        """Returns everything the run's page says, without stack traces' frames."""
        said = []
        for entry in self.instance.all_logs(run_id):
            event = entry.dagster_event
            said.append(entry.user_message or (event.message if event else "") or "")
            error = getattr(event.event_specific_data, "error", None) if event else None
            while error:
                said.append(error.message)
                error = error.cause
        return "\n".join(said)

    def events(self, run_id: str) -> list[str]:
        """Returns the kinds of a run's events."""
        found = [entry.dagster_event for entry in self.instance.all_logs(run_id)]
        return [event.event_type_value for event in found if event]

    def is_in_step(self, run_id: str, step: str) -> bool:
        """Returns whether the last event of a run is that a step has begun."""
        last = [entry.dagster_event for entry in self.instance.all_logs(run_id) if entry.dagster_event][-1:]
        return [(one.event_type_value, one.step_key) for one in last] == [("STEP_START", step)]

    def monitored(self, run_id: str) -> DagsterRunStatus:
        """Returns the state of a run after another look of run monitoring."""
        self.monitor()
        return self.status(run_id)

    def clear(self) -> None:
        """Ends what a test has left unfinished, and removes its objects."""
        for run in self.instance.get_runs(RunsFilter(statuses=NOT_FINISHED_STATUSES)):
            self.instance.report_run_canceled(run, "The test is over.")
        for job in list(self.cluster.objects["Job"]):
            delete_job(self.cluster, job, "Background")
        for pod in [pod for pod in self.cluster.objects["Pod"] if is_pod_of_job(pod)]:
            if pod["metadata"]["name"] in self.kubelet.running():
                self.kubelet.kill(pod["metadata"]["name"])
            delete_pod_of_job(pod)
        self.wait(lambda: not any(map(is_pod_of_job, self.cluster.objects["Pod"])), "the pods' end")

    def until(self, run_id: str, *wanted: DagsterRunStatus, seconds: float = _SECONDS) -> None:
        self.wait(lambda: self.status(run_id) in wanted, f"{wanted}; {run_id} is", seconds=seconds)

    def wait(self, holds: Callable[[], bool], what: str, *, seconds: float = _SECONDS) -> None:
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, f"waited for {what}\n{self.seen()}"
            time.sleep(0.05)

    def job(self, run_id: str) -> dict[str, Any]:
        return self.cluster.of("Job", f"dagster-run-{run_id}")

    def steps(self, run_id: str) -> dict[str, dict[str, Any]]:
        """Returns the Jobs of a run's steps, by the step, in the order in which they were made."""
        jobs = [job for job in self.cluster.objects["Job"] if "dagster/op" in job["metadata"]["labels"]]
        of_run = [job for job in jobs if job["metadata"]["labels"]["dagster/run-id"] == run_id]
        return {job["metadata"]["labels"]["dagster/op"]: job for job in of_run}

    def pods(self, run_id: str) -> list[dict[str, Any]]:
        return [
            pod
            for pod in self.cluster.objects["Pod"]
            if pod["metadata"].get("labels", {}).get("job-name") == f"dagster-run-{run_id}"
        ]

    def pod(self, run_id: str) -> dict[str, Any]:
        [found] = self.pods(run_id)
        return found

    def environment(self, run_id: str) -> dict[str, str]:
        """Returns what the run's process was started with."""
        return self.kubelet.environments[self.pod(run_id)["metadata"]["name"]]

    def seen(self) -> str:
        """Returns what a person would look at: pods, events, logs."""
        pods = [f"{pod['metadata']['name']}: {pod['status']}" for pod in self.cluster.objects["Pod"]]
        events = [f"{event['reason']}: {event['message']}" for event in self.cluster.objects["Event"]]
        # A copy: the kubelet adds to them meanwhile.
        logs = [path.read_text(errors="replace")[-2000:] for path in list(self.cluster.logs.values())]
        return "\n".join([*pods, *events, *logs])

    @contextmanager
    def without(self, kind: str, name: str) -> Iterator[None]:
        """Takes an object away for a while."""
        found = self.cluster.of(kind, name)
        self.cluster.objects[kind].remove(found)
        try:
            yield
        finally:
            self.cluster.objects[kind].append(found)

    @contextmanager
    def setting(self, **variables: str) -> Iterator[None]:
        """Gives the pods other values of the ConfigMap for a while."""
        data = self.cluster.of("ConfigMap", "observer-environment")["data"]
        before = dict(data)
        data |= variables
        try:
            yield
        finally:
            data.clear()
            data.update(before)


@pytest.fixture(scope="module")
def rendered() -> list[dict[str, Any]]:
    """The objects of the production overlay."""
    return list(yaml.safe_load_all(kustomize.render(OVERLAY, kustomize.read_sources(OVERLAY))))


@pytest.fixture(scope="module")
def value_files() -> list[Path]:
    """The values of Dagster's release."""
    return [ROOT / "helm-values/dagster.yaml"]


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """The server of the deployment's databases, with an empty one beside them."""
    folder, databases = tmp_path_factory.mktemp("postgres"), ("observer", "dagster", "other")
    with PostgresServer(folder / "home", databases=databases, durable=False) as server:
        yield server


@pytest.fixture(scope="module")
def deployment(
    tmp_path_factory: pytest.TempPathFactory,
    postgres: PostgresServer,
    rendered: list[dict[str, Any]],
    value_files: list[Path],
) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("launcher")
    start = datetime(2026, 9, 15, 8, 5, tzinfo=timezone(timedelta(hours=9)))
    Conductor.create(folder / "clock", start_ns=int(start.timestamp()) * 10**9, speed=1)
    for name in ("data", "logs", "config", "universe", "home"):
        (folder / name).mkdir()
    given = rendered, value_files
    with _simulator(f"shared:{folder / 'clock'}") as simulator:
        yield from _deployed(folder, postgres, simulator, *given)


@pytest.fixture(autouse=True)
def cleared(deployment: Deployment) -> Iterator[None]:
    """Lets each test begin with an empty queue."""
    yield
    deployment.clear()


def _deployed(
    folder: Path,
    postgres: PostgresServer,
    simulator: str,
    rendered: list[dict[str, Any]],
    value_files: list[Path],
) -> Iterator[Deployment]:
    database = postgres.environment("observer")
    cluster = _cluster(folder, database, simulator, rendered)
    image = NodeImage({"PATH": f"{Path(sys.executable).parent}:{os.defpath}"})
    with (
        Server(cluster) as server,
        Kubelet(cluster, folder / "containers", {IMAGE: image}) as kubelet,
        pytest.MonkeyPatch.context() as patch,
        socket.create_server((ports.LOOPBACK, 0)) as listener,
    ):
        server.rights = Rights.of(rendered, "dagster")
        server.accounts = {
            one["metadata"]["name"]: Rights.of(rendered, one["metadata"]["name"])
            for one in rendered if one["kind"] == "ServiceAccount"
        }  # fmt: skip
        kubelet.mount_token = server.mount_token
        values = merged(*value_files, _here(folder, database))
        cluster.apply(system_objects(values, SYSTEM))
        cluster.apply(code_objects(merged(ROOT / "helm-values/dagster-code.yaml", defaults={}), CODE))
        # The configuration that the ConfigMap carries, where webserver and daemon mount it.
        content = cluster.of("ConfigMap", "dagster-instance")["data"]["dagster.yaml"]
        (folder / "home" / "dagster.yaml").write_text(content)
        for name, value in _environment_of(cluster, "dagster-daemon", image).items():
            patch.setenv(name, value)
        # The launcher's kubeconfig is looked for where a process works: in a pod, where its token is mounted.
        (folder / "daemon").mkdir()
        server.kubeconfig(folder / "daemon")
        patch.chdir(folder / "daemon")
        code = _environment_of(cluster, "dagster-code-dagster-user-deployments-observer-pipeline", image)
        with _code_server(cluster, code, folder) as port:
            target = GrpcServerTarget(host=ports.LOOPBACK, port=port, socket=None, location_name="observer")
            with (
                dg.DagsterInstance.from_config(str(folder / "home")) as instance,
                WorkspaceProcessContext(instance, target) as process,
            ):
                address = f"http://{ports.LOOPBACK}:{listener.getsockname()[1]}"
                yield Deployment(cluster, server, kubelet, instance, process, rendered, address, folder)


def _here(folder: Path, database: dict[str, str]) -> dict[str, Any]:
    """Returns what must differ from the production's values on this machine."""
    access = {"loadInclusterConfig": False, "kubeconfigFile": "kubeconfig"}
    return {
        "global": {"dagsterHome": str(folder / "home")},
        "postgresql": {"postgresqlHost": ports.LOOPBACK, "service": {"port": int(database["DB_PORT"])}},
        "runLauncher": {"config": {"k8sRunLauncher": access}},
        # The daemon looks when a test says so.
        "dagsterDaemon": {"runMonitoring": {"startTimeoutSeconds": 1}},
    }


def _cluster(
    folder: Path, database: dict[str, str], simulator: str, rendered: list[dict[str, Any]]
) -> Cluster:
    secret = {
        "DB_USER": database["DB_USER"],
        "DB_PASSWORD": database["DB_PASSWORD"],
        "postgresql-password": database["DB_PASSWORD"],
        "KIS_APP_KEY": SIMULATED_APP_KEY,
        "KIS_APP_SECRET": SIMULATED_APP_SECRET,
    }
    cluster = Cluster({})
    cluster.install()
    taken = ("ConfigMap", "PersistentVolumeClaim", "Service", "ServiceAccount", "Role", "RoleBinding")
    cluster.apply(document for document in rendered if document["kind"] in taken)
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in secret.items()}
    cluster.put("Secret", "observer-secrets", type="Opaque", data=encoded)
    data = cluster.of("ConfigMap", "observer-environment")["data"]
    for name in [name for name in data if name.endswith("_DIR")]:
        data[name] = data[name].replace("/opt/platform/runtime/observer", str(folder))
    data |= {
        "DB_HOST": ports.LOOPBACK,
        "DB_PORT": database["DB_PORT"],
        "OBSERVER_CLOCK": f"shared:{folder / 'clock'}",
        "KIS_REST_URL": simulator,
        "KIS_MASTER_URL": f"{simulator.rstrip('/')}/common/master/",
    }
    return cluster


def _environment_of(cluster: Cluster, name: str, image: NodeImage) -> dict[str, str]:
    """Returns the environment of a Deployment's container."""
    template = cluster.of("Deployment", name)["spec"]["template"]
    spec = {"enableServiceLinks": True} | template["spec"]
    pod = {"metadata": {"namespace": NAMESPACE}, "spec": spec, "status": {}}
    return container_environment(cluster, pod, spec["containers"][0], image.environment)


@contextmanager
def _code_server(cluster: Cluster, environment: dict[str, str], folder: Path) -> Iterator[int]:
    """Runs the code location's own command, on a free port."""
    template = cluster.of("Deployment", "dagster-code-dagster-user-deployments-observer-pipeline")["spec"][
        "template"
    ]
    [port] = ports.ephemeral(1)
    command = [str(port) if word == "3030" else word for word in template["spec"]["containers"][0]["args"]]
    program = shutil.which(command[0], path=environment["PATH"])
    assert program
    with (folder / "code-server.log").open("wb") as log:
        process = subprocess.Popen(
            [program, *command[1:]], env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        end = time.monotonic() + _SECONDS
        client = DagsterGrpcClient(host=ports.LOOPBACK, port=port)
        while not _listens(port) or client.health_check_query() != "SERVING":
            assert process.poll() is None, (folder / "code-server.log").read_text()
            assert time.monotonic() < end, (folder / "code-server.log").read_text()
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((ports.LOOPBACK, port)) == 0


@contextmanager
def _simulator(clock: str) -> Iterator[str]:
    """Runs the simulated broker; gives its address."""
    settings = SimulatorSettings.load(
        {"OBSERVER_SIMULATOR_HTTP_PORT": "0", "OBSERVER_SIMULATOR_WEBSOCKET_PORT": "0"}
    )
    listening, stop, loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()
    addresses: list[str] = []

    async def serve() -> None:
        async with Simulator(open_clock(clock), settings) as simulator:
            addresses.append(simulator.rest_url)
            listening.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert listening.wait(30)
    try:
        yield addresses[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()
