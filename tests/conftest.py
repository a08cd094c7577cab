"""What tests of several folders share: one real demo, run once for all of them."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from observer.stack.environment import mounts
from observer.stack.postgres import PostgresServer
from observer_core.settings import DatabaseSettings, Paths, PathSettings

# Another deployment's environment: none of it may reach the demo.
FOREIGN = {
    "KIS_APP_KEY": "of-a-real-account",
    "KIS_REST_URL": "http://nowhere.invalid",
    "DB_HOST": "nowhere.invalid",
    "DB_PASSWORD": "of-production",
    "OBSERVER_CLOCK": "real",
    "OBSERVER_DATA_DIR": "/nowhere",
    "DAGSTER_HOME": "/nowhere",
    "PGSSLMODE": "require",
    "SERVICE_PORT": "1",
}


def pytest_configure() -> None:
    """Lets processes that tests start end at SIGTERM, also where whoever started pytest ignores it."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


@dataclass
class Demo:
    """A demo that has proved its day, with Dagster still open.

    Attributes:
        folder: Its files.
        dagster: Address of the web page.
        output: What it printed until then.
        summary: Content of `summary.json`.
        process: The command.
    """

    folder: Path
    dagster: str
    output: str
    summary: dict[str, Any]
    process: subprocess.Popen[str]

    @property
    def paths(self) -> Paths:
        return Paths(PathSettings.load(mounts(self.folder / "runtime")))

    @property
    def database(self) -> DatabaseSettings:
        lock = self.folder / "postgres" / "data" / "postmaster.pid"
        server = PostgresServer(self.folder / "postgres", port=int(lock.read_text().splitlines()[3]))
        return server.settings()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Runs `observer demo --keep` through the whole day; whoever uses it sets a timeout of minutes."""
    folder = tmp_path_factory.mktemp("demo") / "stack"
    process = subprocess.Popen(
        [sys.executable, "-m", "observer", "demo", "--keep", "--folder", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **FOREIGN, "PYTHONIOENCODING": "utf-8"},
        start_new_session=True,
    )
    try:
        yield _when_open(process, folder)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


def _when_open(process: subprocess.Popen[str], folder: Path) -> Demo:
    assert process.stdout is not None
    printed: list[str] = []
    for line in process.stdout:
        printed.append(line)
        found = re.match(r"Dagster is open at (\S+)", line)
        if found:
            summary = json.loads((folder / "summary.json").read_text())
            return Demo(folder, found[1], "".join(printed), summary, process)
    pytest.fail(f"The demo ended with status {process.wait()}:\n{''.join(printed[-60:])}")
