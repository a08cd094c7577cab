"""What `make k3s-test` acts on: the overlay that was asked for, and nothing beside it."""

import http
import http.server
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml
from k3s_target import ROOT, TargetError, require_answer, target_of

from observer.stack.ports import ephemeral


@pytest.fixture
def kubeconfig(tmp_path: Path) -> str:
    path = tmp_path / "config"
    path.write_text("apiVersion: v1\nkind: Config\n")
    return str(path)


@pytest.mark.parametrize(
    ("overlay", "namespace", "parameters"),
    [
        ("production", "observer-prod", "contracts.yaml"),
        ("staging", "observer-staging", "deploy/overlays/staging/contracts.yaml"),
        ("local-k3s", "observer-local", "deploy/overlays/local-k3s/contracts.yaml"),
    ],
)
def test_namespace_and_parameters_are_the_overlays(
    kubeconfig: str, overlay: str, namespace: str, parameters: str
) -> None:
    """The persistence test deletes pods: those of staging where staging was asked for."""
    target = target_of({"OBSERVER_K3S_TEST": kubeconfig, "OBSERVER_K3S_OVERLAY": overlay})
    assert target is not None
    assert target.namespace == namespace
    assert target.contracts("--live") == (
        "contracts", "verify", "--config", str(ROOT / parameters), "--live",
    )  # fmt: skip


def test_the_acceptance_names_no_namespace_itself() -> None:
    text = (ROOT / "tests/k3s/test_acceptance.py").read_text()
    assert re.findall(r"observer-(?:prod|staging|local)", text) == []


def test_production_is_what_is_meant_where_nothing_is_said(kubeconfig: str) -> None:
    target = target_of({"OBSERVER_K3S_TEST": kubeconfig})
    assert target is not None
    assert target.overlay == ROOT / "deploy/overlays/production"


def test_without_a_cluster_there_is_nothing_to_act_on() -> None:
    assert target_of({}) is None


def test_an_unknown_overlay_is_named_with_those_that_there_are(kubeconfig: str) -> None:
    with pytest.raises(
        TargetError, match=r"OBSERVER_K3S_OVERLAY=prod is no overlay.*local-k3s, production, staging"
    ):
        target_of({"OBSERVER_K3S_TEST": kubeconfig, "OBSERVER_K3S_OVERLAY": "prod"})


def _only_line(kubeconfig: Path) -> str:
    """The one line that the command says, and nothing else."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/k3s"],
        cwd=ROOT, env={**os.environ, "OBSERVER_K3S_TEST": str(kubeconfig)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    [line] = [line for line in (done.stdout + done.stderr).splitlines() if line]
    return line


def test_a_missing_kubeconfig_is_one_line(tmp_path: Path) -> None:
    """Not a traceback for every test."""
    missing = tmp_path / "nonexistent"
    assert _only_line(missing).startswith(f"ERROR: k3s-test: KUBECONFIG={missing} is no file. Remedy: ")


def _kubeconfig(folder: Path, port: int) -> Path:
    cluster = {"name": "k", "cluster": {"server": f"http://127.0.0.1:{port}"}}
    context = {"name": "k", "context": {"cluster": "k", "user": ""}}
    config = {"apiVersion": "v1", "kind": "Config", "current-context": "k"}
    path = folder / "config"
    path.write_text(yaml.safe_dump(config | {"clusters": [cluster], "contexts": [context]}))
    return path


def test_a_server_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    """It is asked once, before any test."""
    [port] = ephemeral()
    path = _kubeconfig(tmp_path, port)
    line = _only_line(path)
    assert line.startswith(f"ERROR: k3s-test: no cluster answers to KUBECONFIG={path}: ")
    assert "refused" in line
    assert ". Remedy: " in line


class _Version(http.server.BaseHTTPRequestHandler):
    """Answers as an API server does, to whoever asks."""

    status = 200

    def do_GET(self) -> None:
        body = b'{"gitVersion": "v1.34.1+k3s1"}' if self.status == http.HTTPStatus.OK else b"{}"
        self.send_response(self.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Keeps the test's output to itself."""


@pytest.mark.parametrize("status", [200, 401])
def test_a_server_that_answers_is_let_through(tmp_path: Path, status: int) -> None:
    """Unless it does not know who asks."""
    handler = type("Answering", (_Version,), {"status": status})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            found = target_of({"OBSERVER_K3S_TEST": str(_kubeconfig(tmp_path, server.server_address[1]))})
            assert found is not None
            if status == http.HTTPStatus.OK:
                require_answer(found)
            else:
                with pytest.raises(TargetError, match=r"no cluster answers to .*credentials.*Remedy: "):
                    require_answer(found)
        finally:
            server.shutdown()
            thread.join()
