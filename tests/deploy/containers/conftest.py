"""The images, built from their own Dockerfiles and run from the rendered pod spec on this machine.

No registry can be reached here: the base image is bootstrapped from Debian's packages and takes the place
of the one that BASE_IMAGE names. `OBSERVER_TEST_IMAGES` names a folder with the archives of `make images`
that are tested instead; `OBSERVER_TEST_CONTAINERS` another place for layers and images.
"""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubelet import Engine, Node, Objects, Pod
from kubelet.volumes import Volumes
from simulated_market import SimulatedMarket, universe_file

from observer_core.journal import read_lines, sealed_segments
from observer_core.settings import DatabaseSettings, Paths, PathSettings
from observer_core.settings.paths import Track
from observer_core.warehouse import connect, migrate
from observer_simulator.settings import SIMULATED_APP_KEY, SIMULATED_APP_SECRET

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).parent

# Of Debian bookworm: what python:3.11-slim-bookworm has, as far as our Dockerfiles use it.
_BASE_PACKAGES = "ca-certificates,python3,python3-venv,tzdata"
_DEBIAN = "http://deb.debian.org/debian"
_NEEDED = {
    "podman": "podman",
    "runc": "runc",
    "mmdebstrap": "mmdebstrap",
    "/usr/lib/podman/netavark": "netavark",
    "/usr/lib/podman/aardvark-dns": "aardvark-dns",
}
# Layers make the next build fast; a machine that builds once saves the time of writing them.
_LAYERS = "false" if os.environ.get("CI") == "true" else "true"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def _obstacle() -> str:
    if os.geteuid() != 0:
        return "containers need root"
    missing = [package for program, package in _NEEDED.items() if shutil.which(program) is None]
    return f"not installed: {', '.join(missing)} (Debian package names)" if missing else ""


@pytest.fixture(scope="session")
def engine() -> Engine:
    obstacle = _obstacle()
    if obstacle and os.environ.get("CI") == "true":
        pytest.fail(f"no containers: {obstacle}")
    if obstacle:
        pytest.skip(f"no containers: {obstacle}")
    engine = Engine(Path(os.environ.get("OBSERVER_TEST_CONTAINERS", ROOT / "var/cache/containers")))
    engine.own()
    return engine


@pytest.fixture(scope="session")
def base_image(engine: Engine) -> str:
    """Debian with Python 3.11, kept between test runs."""
    key = hashlib.sha256(_BASE_PACKAGES.encode()).hexdigest()[:12]
    name = f"localhost/observer-test-base:{key}"
    if engine.has_image(name):
        return name
    bootstrap = subprocess.Popen(
        ["mmdebstrap", "--quiet", "--variant=apt", f"--include={_BASE_PACKAGES}", "bookworm", "-", _DEBIAN],
        stdout=subprocess.PIPE,
    )
    importing = engine.start(
        "import", "--quiet", "-", name, stdin=bootstrap.stdout, stdout=subprocess.DEVNULL
    )
    assert importing.wait(300) == 0
    assert bootstrap.wait(10) == 0
    return name


@pytest.fixture(scope="session")
def builds(
    engine: Engine, base_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[str]]]:
    """The images that are being made, side by side: the tests of one run while the other is built."""
    folder = tmp_path_factory.mktemp("build")
    with ThreadPoolExecutor(3) as pool:
        yield {
            "collector": pool.submit(_observer_image, engine, "collector", base_image, folder),
            "postgres": pool.submit(_postgres_image, engine, base_image),
            "pipeline": pool.submit(_observer_image, engine, "pipeline", base_image, folder),
        }


def _observer_image(engine: Engine, image: str, base_image: str, folder: Path) -> str:
    """Builds an image with `make images`' own program, or loads the one that is to be tested."""
    architecture = "arm64" if os.uname().machine == "aarch64" else "amd64"
    given = os.environ.get("OBSERVER_TEST_IMAGES")
    if given:
        archive = f"{given}/{image}-{architecture}.tar"
        return engine.run("load", "--quiet", "--input", archive, timeout=300).rpartition(": ")[2]
    cache = ROOT / "var/cache/pip"
    cache.mkdir(parents=True, exist_ok=True)
    configuration = folder / f"{image}-pip.conf"
    configuration.write_text("[global]\ncert = /run/certificates.crt\n")
    command = [
        sys.executable, "tools/images.py", "--engine", "podman", "--arch", architecture,
        "--only", image, "--tag", "test",
        "--", "--pull=never", f"--layers={_LAYERS}", "--network", "host",
        "--build-arg", f"BASE_IMAGE={base_image}",
        "--volume", f"{configuration}:/etc/pip.conf:ro",
        "--volume", f"{_CERTIFICATES}:/run/certificates.crt:ro",
        "--volume", f"{cache}:/root/.cache/pip",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=ROOT, env=engine.environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    (name,) = re.findall(r"^images: (\S+:test-\S+)$", done.stdout, re.MULTILINE)
    return str(name)


def _postgres_image(engine: Engine, base_image: str) -> str:
    name = "localhost/observer-test-postgres:15"
    engine.build(
        [
            "--network",
            "host",
            "--build-arg",
            f"BASE_IMAGE={base_image}",
            "--tag",
            name,
            str(HERE / "postgres"),
        ]
    )
    return name


@pytest.fixture(scope="session")
def collector_image(builds: dict[str, "Future[str]"]) -> str:
    return builds["collector"].result()


@pytest.fixture(scope="session")
def pipeline_image(builds: dict[str, "Future[str]"]) -> str:
    return builds["pipeline"].result()


@pytest.fixture(scope="session")
def postgres_image(builds: dict[str, "Future[str]"]) -> str:
    return builds["postgres"].result()


@pytest.fixture(scope="session")
def network(engine: Engine) -> Iterator[str]:
    name = f"observer-{uuid.uuid4().hex[:8]}"
    engine.run("network", "create", name)
    yield name
    engine.run("network", "rm", "--force", "--time", "0", name)


NAMESPACE = "observer-prod"
MOUNTS = "/opt/platform/runtime/observer"
SECRETS = {
    "DB_USER": "observer-role", "DB_PASSWORD": "pw-0a3b9c1d", "POSTGRES_USER": "observer-role",
    "POSTGRES_PASSWORD": "pw-0a3b9c1d", "POSTGRES_DB": "observer", "PGHOST": "postgres", "PGPORT": "5432",
    "PGDATABASE": "observer", "PGUSER": "observer-role", "PGPASSWORD": "pw-0a3b9c1d",
    "KIS_HTS_ID": "trader01", "postgresql-password": "pw-0a3b9c1d",
}  # fmt: skip


def render(
    folder: Path, secrets: dict[str, str] | None = None, component: str = "", **variables: str
) -> Objects:
    """Renders the production overlay with further variables for the collector, as an own overlay would.

    Args:
        secrets: Keys of the Secret that differ.
        component: One of deploy/components.
    """
    folder.mkdir(exist_ok=True)
    overlay: dict[str, Any] = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": NAMESPACE,
        "resources": [os.path.relpath(ROOT / "deploy/overlays/production", folder.resolve())],
    }
    if component:
        chosen = ROOT / "deploy/components" / component
        overlay["components"] = [os.path.relpath(chosen, folder.resolve())]
    if variables:
        given = [f"{name}={value}" for name, value in variables.items()]
        overlay["configMapGenerator"] = [{"name": "observer-config", "behavior": "merge", "literals": given}]
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    objects = Objects.rendered(folder)
    # A SealedSecret becomes a Secret in the cluster only.
    values = {**SECRETS, **(secrets or {})}
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}
    objects.add({"kind": "Secret", "metadata": {"name": "observer-secrets"}, "data": encoded})
    return objects


@pytest.fixture(scope="session")
def rendered() -> Callable[..., Objects]:
    return render


def image_of(objects: Objects, kind: str, name: str) -> str:
    """Returns the image that a workload names."""
    template = objects.need(kind, name)["spec"]["template"]
    return str(template["spec"]["containers"][0]["image"])


@pytest.fixture(scope="session")
def database(
    engine: Engine, network: str, postgres_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pod]:
    """The StatefulSet's pod, ready and with the tables; its name in the network is that of its Services."""
    folder = tmp_path_factory.mktemp("database")
    objects = render(folder / "overlay")
    engine.run("tag", postgres_image, image_of(objects, "StatefulSet", "postgres"))
    with Node(engine, folder / "node", network, objects).running("StatefulSet", "postgres") as pod:
        warehouse = connect(DatabaseSettings.load({**SECRETS, "DB_HOST": pod.address}))
        migrate(warehouse)
        warehouse.dispose()
        yield pod


@dataclass
class Scene:
    """A node with the deployment on it, and a market whose broker the collector finds.

    Attributes:
        claims: Folder of each claim on the node, by its short name.
    """

    node: Node
    market: SimulatedMarket
    claims: dict[str, Path]

    def collector(self) -> Pod:
        """Makes a further pod of the Deployment."""
        return self.node.pod("Deployment", "observer")

    @property
    def paths(self) -> Paths:
        """The folders of the program, as the node sees them."""
        mounts = {
            "OBSERVER_DATA_DIR": "data",
            "OBSERVER_LOG_DIR": "logs",
            "OBSERVER_SNAPSHOT_DIR": "universe",
        }
        return Paths(PathSettings.load({name: str(self.claims[short]) for name, short in mounts.items()}))

    def status(self, pod: Pod) -> dict[str, Any]:
        """Returns `/status` of a pod."""
        with urllib.request.urlopen(f"http://{pod.address}:8000/status", timeout=10) as answer:
            return json.loads(answer.read())

    def journal(self) -> dict[str, dict[str, int]]:
        """Counts the records of all sealed segments by channel and key."""
        counts: dict[str, dict[str, int]] = {}
        for track in Track:
            for folder in sorted(self.paths.journal(track).glob("*")):
                for segment in sealed_segments(folder):
                    for line in read_lines(segment.path):
                        if not line.is_control:
                            keys = counts.setdefault(line.channel, {})
                            keys[line.key] = keys.get(line.key, 0) + 1
        return counts


@pytest.fixture
def quiet(
    engine: Engine, network: str, database: Pod, collector_image: str, tmp_path: Path
) -> Iterator[Node]:
    """The deployment as it is, on a node of its own; no broker answers."""
    objects = render(
        tmp_path / "overlay", {"KIS_APP_KEY": SIMULATED_APP_KEY, "KIS_APP_SECRET": SIMULATED_APP_SECRET}
    )
    engine.run("tag", collector_image, image_of(objects, "Deployment", "observer"))
    node = Node(engine, tmp_path / "node", network, objects)
    yield node
    node.clear()


@pytest.fixture
def scene(
    engine: Engine, network: str, database: Pod, collector_image: str, tmp_path: Path
) -> Iterator[Scene]:
    """The day stands at its opening until the test lets time pass."""
    volumes = Volumes(tmp_path / "node")
    claims = {name: volumes.claim(f"observer-{name}-pvc", NAMESPACE) for name in ("data", "logs", "universe")}
    universe_file(claims["universe"])
    gateway = engine.inspect(network, "network")["subnets"][0]["gateway"]
    with SimulatedMarket(claims["logs"] / "clock", start="09:00:00", host=gateway) as market:
        objects = render(
            tmp_path / "overlay",
            market.secrets,
            **market.variables,
            OBSERVER_CLOCK=f"shared:{MOUNTS}/logs/clock",
            OBSERVER_FSYNC_INTERVAL_MS="20",
        )
        engine.run("tag", collector_image, image_of(objects, "Deployment", "observer"))
        node = Node(engine, tmp_path / "node", network, objects)
        try:
            yield Scene(node, market, claims)
        finally:
            node.clear()
