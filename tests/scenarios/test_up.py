"""`observer up`: started, stopped, continued, killed, continued again."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import psutil
import pytest

from observer.stack import ports

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]

SECONDS = 150


def alive(process: psutil.Process) -> str:
    """Returns the command of a process that still runs, and nothing for one that has ended.

    Who outlives its parent is reaped by the machine's first process, and where that one is no real init
    the entry of an ended process stays for ever.
    """
    try:
        return "" if process.status() == psutil.STATUS_ZOMBIE else " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


class Up:
    """The command, in a session of its own as in a terminal of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.output = folder.parent / f"output-{time.monotonic_ns()}"
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "observer",
                    "up",
                    "--folder",
                    str(folder),
                    "--speed",
                    "30",
                    *arguments,
                ],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        return self.output.read_text()

    def until(self, pattern: str) -> re.Match[str]:
        deadline = time.monotonic() + SECONDS
        while not (found := re.search(pattern, self.text)):
            assert self.process.poll() is None, self.text
            assert time.monotonic() < deadline, self.text
            time.sleep(0.2)
        return found

    def goes_on(self, begin: datetime) -> None:
        """Waits until the market has moved on by a minute, so that most symbols have traded."""
        deadline = time.monotonic() + SECONDS
        while saved(self.folder) < begin + timedelta(minutes=1):
            assert self.process.poll() is None, self.text
            assert time.monotonic() < deadline, self.text
            time.sleep(0.2)

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, number: signal.Signals) -> int:
        """Ends the command and waits until nothing of it is left."""
        below = self.descendants()
        self.process.send_signal(number)
        status = self.process.wait(90)
        deadline = time.monotonic() + 60
        while left := [one for one in map(alive, below) if one]:
            assert time.monotonic() < deadline, left
            time.sleep(0.2)
        return status


def controls(folder: Path, kind: str) -> list[dict]:
    """Returns what the journal's control records of a kind say."""
    found = []
    for path in (folder / "runtime" / "data" / "assets" / "scalp").glob("*/*.jsonl*"):
        lines = (json.loads(line) for line in path.read_bytes().splitlines())
        found += [
            json.loads(line["payload"])
            for line in lines
            if line["channel"] == "_control" and line["key"] == kind
        ]
    return found


def saved(folder: Path) -> datetime:
    return datetime.fromisoformat(json.loads((folder / "clock.json").read_text())["now"])


def missing(folder: Path) -> int:
    """Returns how many records the broker has sent that the journal does not hold."""
    account = json.loads((folder / "simulator.json").read_text())["account"]
    journaled = 0
    for path in (folder / "runtime" / "data" / "assets").glob("*/*/*.jsonl"):
        lines = (json.loads(line) for line in path.read_bytes().splitlines())
        journaled += sum(line["channel"] != "_control" for line in lines)
    assert journaled > 1000
    return account["records_sent"] - journaled


def test_a_killed_stack_leaves_nothing_and_a_stopped_one_loses_nothing(tmp_path: Path) -> None:
    """SIGKILL, a new start, Ctrl-C, a new start: one market, one journal, no trade missed by stopping."""
    folder = tmp_path / "stack"
    [dagster] = ports.ephemeral()

    killed = Up(folder, "--start", "2026-09-15T08:58", "--dagster-port", str(dagster))
    killed.until(r"09-15 09:0\d:\d\d continuous")
    assert httpx.get(f"http://127.0.0.1:{dagster}/server_info", trust_env=False).status_code == 200
    second = subprocess.run(
        [sys.executable, "-m", "observer", "up", "--folder", str(folder)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert second.returncode == 1
    assert f"Dagster at http://127.0.0.1:{dagster}" in second.stderr
    assert killed.end(signal.SIGKILL) == -signal.SIGKILL

    continued = Up(folder)
    continued.goes_on(saved(folder))
    assert continued.end(signal.SIGINT) == 0
    assert "`make up` continues here." in continued.text
    stopped, gaps, lost = saved(folder), len(controls(folder, "gap")), missing(folder)

    again = Up(folder)
    begins = again.until(r"continues at \w+ (\S+ \S+),")[1]
    assert begins == f"{stopped:%Y-%m-%d %H:%M:%S}"
    again.goes_on(stopped)
    assert again.end(signal.SIGTERM) == 0
    assert missing(folder) == lost
    assert len(controls(folder, "gap")) == gaps
    # The kill tore one hole into each symbol that traded meanwhile; the stop none.
    holed = [hole["symbol"] for hole in controls(folder, "hole")]
    assert len(holed) == len(set(holed))


def test_a_requested_port_that_is_taken_is_named(tmp_path: Path) -> None:
    """The message tells port, setting and remedy, and nothing was started."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        up = Up(tmp_path / "stack", "--dagster-port", str(port))
        assert up.process.wait(60) == 1
    assert f"Port {port} (OBSERVER_UP_DAGSTER_PORT) is taken" in up.text
