"""A healthy cluster: our own production overlay, applied to an emulated K3s, read over real HTTP."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client import ApiClient, Configuration
from kubernetes_emulator import Cluster, Server
from kubernetes_emulator.server import TOKEN

from observer_contracts.declaration.build import declare
from observer_contracts.engine import Verification
from observer_contracts.engine import verify as verify_all
from observer_contracts.evidence.live.kubernetes_access import KubernetesAccess
from observer_contracts.evidence.live.observations import Live
from observer_contracts.evidence.live.reader import read_live
from observer_contracts.evidence.manifests import Manifests
from observer_contracts.model import Result, Status

ROOT = Path(__file__).resolve().parents[3]
MOUNTS = "/opt/platform/runtime/observer"
Documents = list[dict[str, Any]]

# The role has as many letters as the declared one, and stands in no manifest.
VALUES = {
    "DB_USER": "obs-role",
    "DB_PASSWORD": "pw-0a3b9c1d",
    "POSTGRES_USER": "obs-role",
    "POSTGRES_PASSWORD": "pw-0a3b9c1d",
    "POSTGRES_DB": "observer",
    "PGHOST": "postgres",
    "PGPORT": "5432",
    "PGDATABASE": "observer",
    "PGUSER": "obs-role",
    "PGPASSWORD": "pw-0a3b9c1d",
    "KIS_APP_KEY": "PSabcdefghijklmnopqrstuvwxyz01234567",
    "KIS_APP_SECRET": "q7Zs" * 45,
    "KIS_HTS_ID": "trader01",
}
# What no output may show; the others are names that stand in every manifest.
SECRET_VALUES = [
    VALUES[key] for key in ("DB_USER", "DB_PASSWORD", "KIS_APP_KEY", "KIS_APP_SECRET", "KIS_HTS_ID")
]
SECRET_VALUES.append("ghp_registry-password")

NOW, RECENT = "2026-11-23T10:00:00+09:00", "2026-11-23T09:59:59.500000+09:00"


@dataclass
class Collectors:
    """What the two pods of the collector say on HTTP; the first pod is the writer."""

    cluster: Cluster
    changes: dict[tuple[int, str], tuple[int, Any]] = field(default_factory=dict)

    def answer(self, pod: str, path: str) -> tuple[int, Any]:
        names = [found["metadata"]["name"] for found in self.cluster.pods("observer")]
        number = names.index(pod)
        if (number, path) in self.changes:
            return self.changes[number, path]
        writer = number == 0
        reason = "recording" if writer else "standby: another process is the writer"
        status = {
            "role": "writer" if writer else "standby",
            "ready": True,
            "time": NOW,
            "phase": "continuous",
            "slots": [{"symbol": "005930", "last_data": RECENT}] if writer else [],
            "contracts": {"verified": True, "rules": {"CTX-004": "PASS", "PATH-001": "PASS"}},
        }
        return {
            "/health": (200, {"status": "healthy"}),
            "/ready": (200, {"ready": True, "reason": reason}),
            "/status": (200, status),
        }[path]

    def say(self, number: int, path: str, status: int, body: Any) -> None:
        """Changes an answer of a pod."""
        self.changes[number, path] = (status, body)


@dataclass(frozen=True)
class Outcome:
    """What the command said."""

    exit_status: int
    output: str
    errors: str

    @property
    def results(self) -> list[dict[str, Any]]:
        return json.loads(self.output)["results"]

    def of(self, rule: str) -> list[dict[str, Any]]:
        return [found for found in self.results if found["rule"] == rule]

    def statuses(self, rule: str) -> set[str]:
        return {found["status"] for found in self.of(rule)}

    def objects(self, *statuses: str) -> dict[str, set[str]]:
        """Returns the objects of each rule that has one of these states."""
        found: dict[str, set[str]] = {}
        for result in self.results:
            if result["status"] in statuses:
                found.setdefault(result["rule"], set()).add(result["object"])
        return found


@dataclass(frozen=True)
class Seen:
    """What the rules say about the cluster."""

    live: Live
    results: list[Result]

    def of(self, rule: str) -> list[Result]:
        return [found for found in self.results if found.rule.id == rule]

    def statuses(self, rule: str) -> set[Status]:
        return {found.status for found in self.of(rule)}

    def objects(self, status: Status) -> dict[str, set[str]]:
        """Returns the objects of each rule that has this state."""
        found: dict[str, set[str]] = {}
        for result in self.results:
            if result.status is status:
                found.setdefault(result.rule.id, set()).add(result.finding.object)
        return found

    def said(self, rule: str) -> str:
        return "; ".join(found.finding.observed for found in self.of(rule) if found.status is not Status.PASS)


@pytest.fixture
def secret_values() -> list[str]:
    return SECRET_VALUES


@pytest.fixture
def cluster(production: Documents) -> Cluster:
    made = Cluster(VALUES)
    made.install()
    made.apply(production)
    made.settle()
    return made


@pytest.fixture
def collectors(cluster: Cluster) -> Collectors:
    made = Collectors(cluster)
    cluster.answers = made.answer
    return made


@pytest.fixture
def volumes(tmp_path: Path) -> dict[str, Path]:
    """The folders behind the writable mounts."""
    folders = {f"{MOUNTS}/{name}": tmp_path / "volumes" / name for name in ("data", "logs", "universe")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    return folders


@pytest.fixture
def server(cluster: Cluster, collectors: Collectors, volumes: dict[str, Path]) -> Iterator[Server]:
    with Server(cluster, volumes) as running:
        yield running


@pytest.fixture
def access(server: Server) -> KubernetesAccess:
    """The emulated API through the real client, with little patience."""
    configuration = Configuration(host=f"http://127.0.0.1:{server.port}")
    configuration.api_key = {"authorization": f"Bearer {TOKEN}"}
    configuration.retries = False
    return KubernetesAccess(ApiClient(configuration), inside=False, seconds=0.5)


@pytest.fixture
def look(access: KubernetesAccess) -> Callable[..., Seen]:
    """Reads the cluster and runs every rule, in this process."""

    def looked(*, manifests: Sequence[Manifests] | None = None) -> Seen:
        live = read_live(declare(), access)
        return Seen(live, verify_all(Verification(declare(), manifests=manifests, live=live)))

    return looked


@pytest.fixture
def verify(server: Server, tmp_path: Path) -> Callable[..., Outcome]:
    """Runs `observer contracts verify --live` as a person would, against the emulated API."""

    def verified(*more: str, token: str | None = None, form: str = "json") -> Outcome:
        kubeconfig = server.kubeconfig(tmp_path, token=token) if token else server.kubeconfig(tmp_path)
        command = [sys.executable, "-m", "observer", "contracts", "verify", "--live", "--format", form, *more]
        environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "PYTHONPATH": str(ROOT)}
        environment.pop("KUBERNETES_SERVICE_HOST", None)
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=110
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return verified


@pytest.fixture
def manifests(production: Documents, tmp_path: Path) -> str:
    """The manifests that were applied, as a file."""
    path = tmp_path / "production.yaml"
    path.write_text(yaml.safe_dump_all(production, sort_keys=False))
    return str(path)
