"""What `make k3s-test` acts on: the overlay that was asked for, and nothing beside it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from k3s_target import ROOT, TargetError, target_of


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


def test_a_missing_kubeconfig_is_one_line(tmp_path: Path) -> None:
    """Not a traceback for every test."""
    missing = tmp_path / "nonexistent"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/k3s"],
        cwd=ROOT, env={**os.environ, "OBSERVER_K3S_TEST": str(missing)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line]
    assert len(lines) == 1
    assert lines[0].startswith(f"ERROR: k3s-test: KUBECONFIG={missing} is no file. Remedy: ")
