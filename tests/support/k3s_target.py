"""The cluster and the overlay that the acceptance on a real cluster is asked for.

Invariant: namespace and contract parameters are the overlay's own, so that no other deployment of the cluster
is touched.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from observer_contracts.declaration.parameters import read_parameters
from observer_contracts.evidence.kustomize import find_kubectl

ROOT = Path(__file__).resolve().parents[2]
_PATIENCE_SECONDS = 15


class TargetError(Exception):
    """What was asked for is not there; the message is for the operator."""


@dataclass(frozen=True)
class Target:
    """What is tested.

    Attributes:
        kubeconfig: How to reach the cluster.
        overlay: What it is compared with.
        namespace: Where the overlay's objects are.
        parameters: The overlay's contract parameters.
    """

    kubeconfig: Path
    overlay: Path
    namespace: str
    parameters: Path

    def contracts(self, *arguments: str) -> tuple[str, ...]:
        """Returns the words of `observer` that verify this deployment."""
        return ("contracts", "verify", "--config", str(self.parameters), *arguments)


def target_of(environment: Mapping[str, str]) -> Target | None:
    """Returns what the variables of `make k3s-test` ask for, None where they name no cluster.

    Raises:
        TargetError: They name what is not there.
    """
    named = environment.get("OBSERVER_K3S_TEST", "")
    if not named:
        return None
    kubeconfig = Path(named).expanduser().resolve()
    if not kubeconfig.is_file():
        raise TargetError(
            f"KUBECONFIG={named} is no file. Remedy: copy /etc/rancher/k3s/k3s.yaml of the node."
        )
    if find_kubectl() is None:
        raise TargetError("there is no kubectl. Remedy: make setup, which installs one.")
    return _of_overlay(kubeconfig, environment.get("OBSERVER_K3S_OVERLAY", "production"))


def require_answer(target: Target) -> None:
    """Asks the cluster for its version, once.

    Raises:
        TargetError: It does not answer, or not to these credentials.
    """
    command = [str(find_kubectl()), "get", "--raw", "/version", f"--request-timeout={_PATIENCE_SECONDS}s"]
    environment = {**os.environ, "KUBECONFIG": str(target.kubeconfig)}
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=4 * _PATIENCE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        said = "no answer in time"
    else:
        if done.returncode == 0:
            return
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1].rstrip(".")
    raise TargetError(
        f"no cluster answers to KUBECONFIG={target.kubeconfig}: {said}. Remedy: start it, or correct "
        "`server` and credentials in that file (a copy of k3s.yaml names 127.0.0.1)."
    )


def _of_overlay(kubeconfig: Path, name: str) -> Target:
    overlays = ROOT / "deploy/overlays"
    file = overlays / name / "kustomization.yaml"
    if not file.is_file():
        known = ", ".join(sorted(path.parent.name for path in overlays.glob("*/kustomization.yaml")))
        raise TargetError(f"OBSERVER_K3S_OVERLAY={name} is no overlay. Remedy: one of {known}.")
    namespace = yaml.safe_load(file.read_text())["namespace"]
    own = file.with_name("contracts.yaml")
    parameters = own if own.is_file() else ROOT / "contracts.yaml"
    declared = read_parameters(parameters).namespace
    if declared != namespace:
        raise TargetError(
            f"{parameters} is about {declared}, the overlay about {namespace}. Remedy: give the overlay a "
            "contracts.yaml with its namespace."
        )
    return Target(kubeconfig, file.parent, namespace, parameters)
