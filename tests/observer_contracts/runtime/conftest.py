"""A real container for the tests of runtime evidence: namespaces, mounts, a user, and servers around it.

Nothing of the verification is replaced: `observer contracts verify --runtime` runs in the container as it
does in a pod, and every fact is made true or false by the kernel.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from observer.stack.postgres import PostgresServer
from observer_core.brokers.kis.endpoints import fingerprint_of
from observer_core.brokers.token_cache import Entry, TokenCache
from observer_core.settings import KisSettings, Paths, PathSettings
from observer_core.warehouse import connect, migrate

HERE = Path(__file__).parent
ROOT = Path(__file__).resolve().parents[3]

MOUNTS = "/opt/platform/runtime/observer"
CLAIMS = {"data": "observer-data-pvc", "logs": "observer-logs-pvc", "universe": "observer-universe-pvc"}
POD = "observer-77cf5f5949-mxcpm"
OUTSIDE = ("openapi.koreainvestment.com", "ops.koreainvestment.com", "new.real.download.dws.co.kr")

# The ConfigMap and the pod's variables as the specification lists them.
CONFIGURATION = {
    "LOG_LEVEL": "INFO",
    "LOG_FORMAT": "json",
    "SERVICE_PORT": "8000",
    "DB_HOST": "postgres",
    "DB_PORT": "5432",
    "DB_NAME": "observer",
    "OBSERVER_LOG_DIR": f"{MOUNTS}/logs",
    "OBSERVER_DATA_DIR": f"{MOUNTS}/data",
    "OBSERVER_CONFIG_DIR": f"{MOUNTS}/config",
    "OBSERVER_SYSTEM_LOG_DIR": f"{MOUNTS}/logs/system",
    "OBSERVER_MAINTENANCE_LOG_DIR": f"{MOUNTS}/logs/maintenance",
    "OBSERVER_SNAPSHOT_DIR": f"{MOUNTS}/universe",
    "KIS_TOKEN_CACHE_DIR": f"{MOUNTS}/data/cache",
    "OBSERVER_STANDALONE": "1",
    "PYTHONUNBUFFERED": "1",
    "POD_NAME": POD,
    "POD_NAMESPACE": "observer-prod",
    "TZ": "Asia/Seoul",
}
SECRETS = {
    "KIS_APP_KEY": "PSabcdefghijklmnopqrstuvwxyz01234567",
    "KIS_APP_SECRET": "q7Zs" * 45,
    "KIS_HTS_ID": "trader01",
}
TOKEN = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzUxMiJ9.contracts"
READY = {"ready": True, "reason": "recording"}


@dataclass(frozen=True)
class Plan:
    """What differs from a healthy pod.

    Attributes:
        environment: Variables that are set, or removed where None.
        options: Mount options by path: `rw` or `ro`; None leaves the volume out.
        extra_volumes: Further lines of source, path and options.
        folders: Empty folders of the image.
        before: A shell command that runs in the container first, as root.
        filtered: Whether a filter of system calls is in force.
        hosts: Names that resolve.
        tcp: Ports that accept connections.
        no_such_name: Whether a name server says of every other name that it does not exist.
        database: Whether PostgreSQL answers on its port.
        http: Answers of the collector, by path; None where it has not started.
    """

    environment: dict[str, str | None] = field(default_factory=dict)
    options: dict[str, str | None] = field(default_factory=dict)
    extra_volumes: tuple[tuple[str, str, str], ...] = ()
    folders: tuple[str, ...] = ()
    before: str = ":"
    user: int = 1000
    group: int = 1000
    capabilities: bool = False
    no_new_privileges: bool = True
    filtered: bool = True
    read_only_root: bool = True
    hosts: tuple[str, ...] = ("postgres", *OUTSIDE)
    tcp: tuple[int, ...] = (9443, 21000, 443)
    no_such_name: bool = False
    database: bool = True
    http: dict[str, list[Any]] | None = field(
        default_factory=lambda: {"/health": [200, {"status": "healthy"}], "/ready": [200, READY]}
    )
    arguments: tuple[str, ...] = (
        "contracts",
        "verify",
        "--runtime",
        "--format",
        "json",
        "--fail-on",
        "critical",
    )


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

    def broken(self) -> dict[str, set[str]]:
        """Returns the objects of each rule that fails."""
        found: dict[str, set[str]] = {}
        for result in self.results:
            if result["status"] == "FAIL":
                found.setdefault(result["rule"], set()).add(result["object"])
        return found


@dataclass
class Pod:
    """A pod whose volumes last as long as the test."""

    volumes: Path
    database_socket: Path
    database: dict[str, str]
    major_version: int

    @property
    def secrets(self) -> dict[str, str]:
        """Everything that no output may show; the names of role and database are no secrets."""
        return {**SECRETS, "DB_PASSWORD": self.database["DB_PASSWORD"], "token": TOKEN}

    @property
    def configuration(self) -> dict[str, str]:
        """The variables of a healthy pod that are no secrets."""
        return CONFIGURATION

    @property
    def unavoidable(self) -> dict[str, set[str]]:
        """What fails because the machine has another PostgreSQL than the declared one."""
        return {} if self.major_version == 15 else {"DB-002": {"postgres:5432"}}

    @property
    def warnings(self) -> set[str]:
        """What warns because the machine's own disk is as good as full."""
        disk = os.statvfs(self.volume("data"))
        full = disk.f_bavail < 0.2 * disk.f_blocks or disk.f_favail < 0.2 * disk.f_files
        return {"VOL-008"} if full else set()

    def remember(self, entry: Entry) -> None:
        """Writes the token cache, as the token store does."""
        folder = self.volume("data") / "cache"
        folder.mkdir(exist_ok=True)
        settings = KisSettings.load(SECRETS)
        TokenCache(folder / "token_cache.json", fingerprint_of(settings)).write("access_token", entry)
        for path in (folder, folder / "token_cache.json"):
            os.chown(path, 1000, 1000)

    def remember_token(self) -> None:
        now = datetime.now(UTC)
        self.remember(Entry(SecretStr(TOKEN), issued_at=now, expires_at=now + timedelta(hours=24)))

    def lock_file(self, holder: str = POD) -> Path:
        """Writes what the holder of the writer's lock says about itself."""
        said = {"name": holder, "pid": 1, "since": "2026-11-23T08:00:00+09:00"}
        name = Paths(PathSettings()).collector_lock(fingerprint_of(KisSettings.load(SECRETS))).name
        return self.write("data", f"locks/{name}", json.dumps(said))

    def volume(self, name: str) -> Path:
        """Returns the folder behind a volume, named as the provisioner names it."""
        claim = CLAIMS.get(name, name)
        folder = self.volumes / f"pvc-0a1b_observer-prod_{claim}"
        if not folder.exists():
            folder.mkdir()
            # As the kubelet leaves a volume with fsGroup.
            os.chown(folder, 1000, 1000)
            folder.chmod(0o2775)
        return folder

    def write(self, volume: str, name: str, content: str, *, mode: int = 0o644) -> Path:
        path = self.volume(volume) / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
        path.chmod(mode)
        for made in (path, path.parent):
            os.chown(made, 1000, 1000)
        return path

    def verify(self, **changes: Any) -> Outcome:
        """Runs the verification in a container that differs from a healthy one by some changes."""
        plan = Plan(**changes)
        wanted = {
            "tcp": plan.tcp,
            "no_such_name": plan.no_such_name,
            "http": {"port": 8000, "answers": plan.http} if plan.http else None,
            "forward": {5432: str(self.database_socket)} if plan.database else {},
        }
        script = (
            '"$PYTHON/bin/python3" "$SUPPORT/services.py" "$SERVICES" > "$READY_FILE" 2>&1 & '
            'while ! grep -q listening "$READY_FILE"; do kill -0 $! || { cat "$READY_FILE" >&2; exit 99; }; '
            'sleep 0.02; done; unshare --mount --propagation private -- sh "$SUPPORT/build.sh" "$@"; '
            "status=$?; kill $!; exit $status"
        )
        done = subprocess.run(
            ["unshare", "--mount", "--net", "--ipc", "--", "sh", "-c", script, "pod", *self._command(plan)],
            env={**os.environ, **self._settings(plan), "SERVICES": json.dumps(wanted)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def _settings(self, plan: Plan) -> dict[str, str]:
        return {
            "ROOT": str(self._folder("root")),
            "READY_FILE": str(self.volumes / "services.txt"),
            "HOSTS": "\n".join(f"127.0.0.1 {name}" for name in ("localhost", *plan.hosts)),
            "PYTHON": sys.base_prefix,
            "SITE_PACKAGES": str(Path(pytest.__file__).parents[1]),
            "APPLICATION": str(ROOT),
            "SUPPORT": str(HERE / "container"),
            "VOLUMES": "\n".join("|".join(volume) for volume in self._volumes(plan)),
            "FOLDERS": " ".join(plan.folders),
            "READ_ONLY_ROOT": "1" if plan.read_only_root else "0",
            "BEFORE": plan.before,
        }

    def _volumes(self, plan: Plan) -> list[tuple[str, str, str]]:
        standard = {f"{MOUNTS}/{name}": "rw" for name in CLAIMS} | {f"{MOUNTS}/config": "ro", "/tmp": "rw"}
        found = []
        for path, options in {**standard, **plan.options}.items():
            source = "tmpfs" if path == "/tmp" else str(self.volume(path.rpartition("/")[2]))
            if options is not None:
                found.append((source, path, options))
        return [*found, *plan.extra_volumes]

    def _folder(self, name: str) -> Path:
        folder = self.volumes / name
        folder.mkdir(exist_ok=True)
        return folder

    def _command(self, plan: Plan) -> list[str]:
        variables = {**CONFIGURATION, **SECRETS, "DB_USER": self.database["DB_USER"]}
        variables["DB_PASSWORD"] = self.database["DB_PASSWORD"]
        variables["PATH"] = "/usr/bin:/bin"
        variables["PYTHONPATH"] = "/opt/application:/opt/site-packages"
        variables["PYTHONDONTWRITEBYTECODE"] = "1"
        variables |= {name: value for name, value in plan.environment.items() if value is not None}
        removed = {name for name, value in plan.environment.items() if value is None}
        given = [f"{name}={value}" for name, value in variables.items() if name not in removed]
        privileges = [f"--reuid={plan.user}", f"--regid={plan.group}", "--clear-groups"]
        privileges += [] if plan.capabilities else ["--bounding-set=-all", "--inh-caps=-all"]
        privileges += ["--no-new-privs"] if plan.no_new_privileges else []
        python = "/opt/python/bin/python3"
        filtered = [python, "/opt/support/filtered.py"] if plan.filtered else []
        program = [python, "-m", "observer", *plan.arguments]
        return ["env", "-i", *given, "setpriv", *privileges, *filtered, *program]


def _obstacle() -> str:
    """Returns why no container can be made here; empty where one can."""
    if os.geteuid() != 0:
        return "needs root for namespaces and mounts"
    if not all(map(shutil.which, ("unshare", "setpriv", "pivot_root", "mount"))):
        return "needs util-linux: unshare, setpriv, pivot_root, mount"
    new = ("unshare", "--mount", "--net", "--ipc", "--pid", "--fork", "--")
    tried = subprocess.run(
        [*new, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, text=True, check=False
    )
    return f"namespaces are not allowed here: {tried.stderr.strip()}" if tried.returncode else ""


def _on_a_disk(folder: Path) -> bool:
    found = subprocess.run(["stat", "-f", "-c", "%T", folder], capture_output=True, text=True, check=True)
    return found.stdout.strip() not in ("tmpfs", "overlayfs", "ramfs")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A real PostgreSQL: `observer` has its tables, `empty` has none."""
    folder = tmp_path_factory.mktemp("postgres")
    with PostgresServer(folder / "home", databases=("observer", "empty"), durable=False) as running:
        engine = connect(running.settings("observer"))
        migrate(engine)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT 1")).scalar() == 1
        engine.dispose()
        yield running


@pytest.fixture(scope="session")
def database_socket(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A unix socket in front of the server: unlike a port, it is reachable from another network namespace."""
    path = tmp_path_factory.mktemp("s") / "pg"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def copy(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        finally:
            target.close()

    def serve() -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", server.port))
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=copy, args=(source, target), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield path
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.fixture
def pod(tmp_path: Path, server: PostgresServer, database_socket: Path) -> Pod:
    obstacle = _obstacle()
    if obstacle:
        pytest.skip(f"no real container: {obstacle}")
    if not _on_a_disk(tmp_path):
        pytest.skip(f"no real container: {tmp_path} lies in memory or on an overlay, as no volume does")
    assert server.binaries is not None
    return Pod(tmp_path, database_socket, server.environment(), server.binaries.major)


@pytest.fixture
def hold_lock() -> Iterator[Callable[[Path], subprocess.Popen[str]]]:
    """Holds a file's lock in another process, until the test ends."""
    holders = []

    def hold(path: Path) -> subprocess.Popen[str]:
        script = (
            "import fcntl, sys; file = open(sys.argv[1], 'r+'); fcntl.flock(file, fcntl.LOCK_EX); "
            "print('held', flush=True); sys.stdin.read()"
        )
        holder = subprocess.Popen(
            [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        holders.append(holder)
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        return holder

    yield hold
    for holder in holders:
        holder.communicate("")
