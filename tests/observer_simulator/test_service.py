"""The simulator as a process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest


@contextmanager
def process(tmp_path: Path, **variables: str) -> Iterator[subprocess.Popen[str]]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("KIS_", "OBSERVER_"))
    }
    environment |= {
        "OBSERVER_SIMULATOR_HTTP_PORT": "0",
        "OBSERVER_SIMULATOR_WEBSOCKET_PORT": "0",
        "OBSERVER_SIMULATOR_READY_FILE": str(tmp_path / "ready.json"),
        "OBSERVER_SIMULATOR_STATE_FILE": str(tmp_path / "state.json"),
    } | variables
    command = [sys.executable, "-m", "observer", "simulator"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def wait_for(file: Path, running: subprocess.Popen[str]) -> dict[str, str]:
    while not file.exists():
        assert running.poll() is None
        try:
            running.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
    return json.loads(file.read_text())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order_with_its_state_saved(tmp_path: Path, number: int) -> None:
    with process(tmp_path) as running:
        ready = wait_for(tmp_path / "ready.json", running)
        account = httpx.get(ready["rest_url"] + "/admin/account").json()
        assert account["records_sent"] == 0
        running.send_signal(number)
        _, errors = running.communicate()
        assert running.returncode == 0, errors
    assert json.loads((tmp_path / "state.json").read_text())["format"] == 1


def test_a_taken_port_is_named_with_its_remedy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with process(tmp_path, OBSERVER_SIMULATOR_WEBSOCKET_PORT=port) as running:
            _, errors = running.communicate()
    assert running.returncode == 1
    assert "OBSERVER_SIMULATOR_WEBSOCKET_PORT" in errors
    assert "Traceback" not in errors
