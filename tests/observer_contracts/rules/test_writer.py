"""Who may write on a volume that one process writes."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from observer_contracts.model import Result, Status

Documents = list[dict[str, Any]]
Verify = Callable[..., list[Result]]


def _collector(documents: Documents) -> dict[str, Any]:
    return next(d for d in documents if d["kind"] == "Deployment")["spec"]


def _main(documents: Documents) -> dict[str, Any]:
    return _collector(documents)["template"]["spec"]["containers"][0]


def _of(results: list[Result], rule: str, about: str = "Deployment/observer") -> set[Status]:
    return {r.status for r in results if (r.rule.id, r.finding.object) == (rule, about)}


def _second_collector(documents: Documents) -> dict[str, Any]:
    other = copy.deepcopy(next(d for d in documents if d["kind"] == "Deployment"))
    other["metadata"]["name"] = "second"
    labels = {"app": "second"}
    other["spec"]["selector"]["matchLabels"] = other["spec"]["template"]["metadata"]["labels"] = labels
    return other


def test_a_second_collector_takes_the_lock(production: Documents, verify_documents: Verify) -> None:
    """Image and arguments of the collector on the same node are a standby, no stranger, and one too many."""
    results = verify_documents([*production, _second_collector(production)], only=["VOL-003"])
    assert _of(results, "VOL-003", "Deployment/second") == {Status.PASS, Status.WARN}
    assert _of(results, "VOL-003") == {Status.PASS}


@pytest.mark.parametrize(
    "change",
    [
        {"image": "docker.io/library/busybox:1.36.1"},
        {"args": ["lake", "compact"]},
        {"command": ["sh", "-c"], "args": ["collector"]},
    ],
)
def test_another_program_takes_no_lock(
    production: Documents, verify_documents: Verify, change: dict[str, Any]
) -> None:
    """Another image, other arguments or another command may not write beside the collector."""
    other = _second_collector(production)
    other["spec"]["template"]["spec"]["containers"][0].update(change)
    results = verify_documents([*production, other], only=["VOL-003"])
    assert Status.FAIL in _of(results, "VOL-003", "Deployment/second")
    assert _of(results, "VOL-003") == {Status.PASS}


@pytest.mark.parametrize("place", ["mount", "volume"])
def test_a_reader_is_no_writer(production: Documents, verify_documents: Verify, place: str) -> None:
    """What is mounted read-only, by the mount or by the volume, is not written."""
    other = _second_collector(production)
    pod = other["spec"]["template"]["spec"]
    pod["containers"][0]["image"] = "docker.io/library/busybox:1.36.1"
    del pod["initContainers"]
    if place == "mount":
        pod["containers"][0]["volumeMounts"][0]["readOnly"] = True
    else:
        pod["volumes"][0]["persistentVolumeClaim"]["readOnly"] = True
    results = verify_documents([*production, other], only=["VOL-003"])
    assert _of(results, "VOL-003", "Deployment/second") == set()


@pytest.mark.parametrize(
    ("selector", "status"),
    [
        ({"kubernetes.io/hostname": "one"}, Status.PASS),
        ({"disk": "ssd"}, Status.WARN),
        ({"kubernetes.io/arch": "arm64"}, Status.FAIL),
    ],
)
def test_a_label_that_many_nodes_may_carry_is_said(
    production: Documents, verify_documents: Verify, selector: dict[str, str], status: Status
) -> None:
    """Only a hostname is one node for certain; labels of every node pin nothing."""
    documents = copy.deepcopy(production)
    _collector(documents)["template"]["spec"]["nodeSelector"] = selector
    assert _of(verify_documents(documents, only=["VOL-004"]), "VOL-004") == {status}


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"args": ["collector"]}, Status.PASS),
        ({"command": ["observer"], "args": ["collector"]}, Status.PASS),
        ({"command": ["tini", "--", "/app/bin/observer", "collector"]}, Status.PASS),
        ({"command": ["python", "-m", "observer"], "args": ["collector"]}, Status.PASS),
        ({}, Status.WARN),
        ({"command": ["observer"]}, Status.FAIL),
        ({"command": ["sh", "-c", "observer collector"]}, Status.FAIL),
    ],
)
def test_the_program_is_told_by_command_and_arguments(
    production: Documents, verify_documents: Verify, fields: dict[str, Any], status: Status
) -> None:
    """What the image would start by itself is not said, and whatever is not the collector fails."""
    documents = copy.deepcopy(production)
    del _main(documents)["args"]
    _main(documents).update(fields)
    found = _of(verify_documents(documents, only=["WRK-001"]), "WRK-001")
    assert found - {Status.PASS} == {status} - {Status.PASS}
