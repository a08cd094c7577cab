"""What works, and not as it should be, is a warning."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from observer_contracts.model import Result, Status

Documents = list[dict[str, Any]]
Verify = Callable[..., list[Result]]


def _of(results: list[Result], rule: str, about: str) -> set[Status]:
    return {r.status for r in results if (r.rule.id, r.finding.object) == (rule, about)}


def test_a_secret_that_any_namespace_opens_is_a_warning(
    production: Documents, verify_documents: Verify
) -> None:
    """The scope cluster-wide works, and binds a value to nothing."""
    documents = copy.deepcopy(production)
    sealed = next(d for d in documents if d["kind"] == "SealedSecret")
    sealed["metadata"]["annotations"] = {"sealedsecrets.bitnami.com/cluster-wide": "true"}
    about = "SealedSecret/observer-secrets"
    assert Status.WARN in _of(verify_documents(documents, only=["SEC-006"]), "SEC-006", about)


def test_a_claim_beyond_the_declared_disk_is_a_warning(
    production: Documents, verify_documents: Verify
) -> None:
    """A larger claim fits the program and not the node's declared free disk."""
    documents = copy.deepcopy(production)
    name = "observer-data-pvc"
    claim = next(d for d in documents if d["metadata"]["name"] == name)
    claim["spec"]["resources"]["requests"]["storage"] = "40Gi"
    found = _of(verify_documents(documents, only=["VOL-002"]), "VOL-002", f"PersistentVolumeClaim/{name}")
    assert found == {Status.PASS, Status.WARN}


def _pod(document: dict[str, Any]) -> dict[str, Any]:
    return document["spec"]["template"]["spec"]


def _without_folder(database: dict[str, Any]) -> None:
    [container] = _pod(database)["containers"]
    container["env"] = [entry for entry in container["env"] if entry["name"] != "PGDATA"]


def _another_folder(database: dict[str, Any]) -> None:
    [container] = _pod(database)["containers"]
    next(entry for entry in container["env"] if entry["name"] == "PGDATA")["value"] += "/15"


def _impatient(collector: dict[str, Any]) -> None:
    _pod(collector)["containers"][0]["livenessProbe"].update(periodSeconds=1, failureThreshold=1)


def _greedy(collector: dict[str, Any]) -> None:
    _pod(collector)["containers"][0]["resources"]["limits"]["memory"] = "20Gi"


COLLECTOR, DATABASE = "Deployment/observer", "StatefulSet/postgres"
MAIN = "spec.template.spec.containers[0]"
FOLDER = "/var/lib/postgresql/data/pgdata"
# What is changed where; the rule that warns, the field it names, and words of what it saw and of its remedy.
_WEAK: dict[str, tuple[str, Callable[[dict[str, Any]], None], str, str, str, str]] = {
    "a third pod": (
        COLLECTOR,
        lambda d: d["spec"].update(replicas=3),
        "WRK-002",
        "spec.replicas",
        "3: more than one of them waits",
        "Set replicas to 2",
    ),
    "a database that may be pruned": (
        DATABASE,
        lambda d: d["metadata"].pop("annotations"),
        "VOL-006",
        "metadata",
        "removes the server",
        "Prune=false",
    ),
    "no folder of the server": (
        DATABASE,
        _without_folder,
        "PATH-001",
        f"{MAIN}.env",
        "not set: the image's default",
        "Set PGDATA",
    ),
    "another folder of the server": (
        DATABASE,
        _another_folder,
        "PATH-001",
        f"{MAIN}.env[3]",
        f"{FOLDER}/15",
        f"Write {FOLDER}",
    ),
    "a kill at the first silence": (
        COLLECTOR,
        _impatient,
        "PRB-001",
        f"{MAIN}.livenessProbe",
        "after 1 s",
        "Raise periodSeconds",
    ),
    "more memory than there is": (
        COLLECTOR,
        _greedy,
        "RES-001",
        f"{MAIN}.resources",
        f"40.0 of them for 2 x {COLLECTOR}",
        "node_memory_gib",
    ),
}


@pytest.mark.parametrize("case", _WEAK)
def test_a_weakness_is_said_with_its_place_and_its_remedy(
    case: str, production: Documents, verify_documents: Verify
) -> None:
    """Nothing fails; the rule of the fact warns at the field, with what it saw and what to do."""
    label, change, rule, place, observed, remedy = _WEAK[case]
    documents = copy.deepcopy(production)
    change(next(d for d in documents if f"{d['kind']}/{d['metadata']['name']}" == label))
    results = verify_documents(documents)
    before = {(r.rule.id, r.finding.object, r.finding.observed) for r in verify_documents(production)}
    assert [r.rule.id for r in results if r.status is Status.FAIL] == []
    [found] = [r for r in results if r.status is Status.WARN
               and (r.rule.id, r.finding.object, r.finding.observed) not in before]  # fmt: skip
    assert (found.rule.id, found.finding.object) == (rule, label)
    assert found.finding.evidence[0].field == place
    assert observed in found.finding.observed
    assert remedy in found.remedy
