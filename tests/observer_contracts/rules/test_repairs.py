"""Ways to repair the specification's deployment, and near misses that are no repair."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from observer_contracts.evidence import kustomize
from observer_contracts.model import Result, Status

OVERLAY = Path(__file__).resolve().parents[1] / "fixtures/specification/infra/k8s/overlays/production"
Documents = list[dict[str, Any]]


@pytest.fixture(scope="module")
def rendered() -> Documents:
    return list(yaml.safe_load_all(kustomize.render(OVERLAY, kustomize.read_sources(OVERLAY))))


@pytest.fixture
def specification(rendered: Documents) -> Documents:
    return copy.deepcopy(rendered)


def _collector(documents: Documents) -> dict[str, Any]:
    return next(d for d in documents if d["kind"] == "Deployment")["spec"]


def _failed(results: list[Result], *, cf: str = "", rule: str = "") -> set[tuple[str, str]]:
    return {
        (r.rule.id, r.finding.object)
        for r in results
        if r.status is Status.FAIL and (r.rule.cf == cf or r.rule.id == rule)
    }


HOSTNAME = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "observer"}}}
PINNED: dict[str, dict[str, Any]] = {
    "a selector by hostname": {"nodeSelector": {"kubernetes.io/hostname": "obs-prod-arm"}},
    "a selector by a label of its own": {"nodeSelector": {"observer/node": "yes"}},
    "affinity to the other pod": {
        "affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [HOSTNAME]}}
    },
    "affinity to one node": {
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [
                        {
                            "matchExpressions": [
                                {"key": "kubernetes.io/hostname", "operator": "In", "values": ["a"]}
                            ]
                        }
                    ]
                }
            }
        }
    },
}
FREE: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a selector that many nodes match": {"nodeSelector": {"kubernetes.io/arch": "arm64"}},
    "affinity within a zone": {
        "affinity": {
            "podAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {**HOSTNAME, "topologyKey": "topology.kubernetes.io/zone"}
                ]
            }
        }
    },
    "affinity that is only preferred": {
        "affinity": {
            "podAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 1, "podAffinityTerm": HOSTNAME}
                ]
            }
        }
    },
}


@pytest.mark.parametrize("pod", PINNED.values(), ids=PINNED.keys())
def test_a_lock_on_one_node_satisfies_the_single_writer_rules(
    specification: Documents, verify_documents: Callable, pod: dict
) -> None:
    """Two replicas on one node break nothing: the declared lock makes the second a standby."""
    _collector(specification)["template"]["spec"].update(pod)
    assert _failed(verify_documents(specification), cf="CF-7") == set()


@pytest.mark.parametrize("pod", FREE.values(), ids=FREE.keys())
def test_a_lock_does_not_hold_over_two_nodes(
    specification: Documents, verify_documents: Callable, pod: dict
) -> None:
    """Without a node that both share, the lock of one cannot be seen by the other."""
    _collector(specification)["template"]["spec"].update(pod)
    assert {rule for rule, _ in _failed(verify_documents(specification), cf="CF-7")} == {"VOL-003", "VOL-004"}


def test_one_replica_that_is_recreated_needs_no_lock(
    specification: Documents, verify_documents: Callable
) -> None:
    """There are never two pods."""
    _collector(specification).update({"replicas": 1, "strategy": {"type": "Recreate"}})
    assert _failed(verify_documents(specification), cf="CF-7") == set()


def test_a_second_writing_workload_is_found(specification: Documents, verify_documents: Callable) -> None:
    """Another workload that mounts the data writable is a second writer; read-only it is none."""
    _collector(specification).update({"replicas": 1, "strategy": {"type": "Recreate"}})
    other = copy.deepcopy(next(d for d in specification if d["kind"] == "Deployment"))
    other["metadata"]["name"] = "exporter"
    labels = {"matchLabels": {"app": "exporter"}}
    other["spec"]["selector"], other["spec"]["template"]["metadata"]["labels"] = labels, labels["matchLabels"]
    writing = verify_documents([*specification, other])
    assert ("VOL-003", "Deployment/exporter") in _failed(writing, cf="CF-7")
    for mount in other["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]:
        mount["readOnly"] = True
    assert _failed(verify_documents([*specification, other]), cf="CF-7") == set()


def test_references_to_the_three_sealed_secrets_repair_cf_1(
    specification: Documents, verify_documents: Callable
) -> None:
    """Phase 1's second way: the workloads name what is made; then only what nobody seals is missing."""
    names = ["obs-db-secret", "obs-kis-secret", "obs-kiwoom-secret"]
    for kind in ("Deployment", "StatefulSet"):
        container = next(d for d in specification if d["kind"] == kind)["spec"]["template"]["spec"][
            "containers"
        ][0]
        container["envFrom"] = [e for e in container["envFrom"] if "secretRef" not in e] + [
            {"secretRef": {"name": n}} for n in names
        ]
    results = verify_documents(specification)
    assert _failed(results, cf="CF-1") == set()
    assert _failed(results, rule="SEC-002") == {("SEC-002", "StatefulSet/postgres")}
    assert "POSTGRES_DB" in next(
        r.finding.observed for r in results if r.rule.id == "SEC-002" and r.status is Status.FAIL
    )


def test_an_optional_reference_does_not_excuse_the_missing_secret(
    specification: Documents, verify_documents: Callable
) -> None:
    """With `optional: true` the pod would start without any credential."""
    for kind in ("Deployment", "StatefulSet"):
        for entry in next(d for d in specification if d["kind"] == kind)["spec"]["template"]["spec"][
            "containers"
        ][0]["envFrom"]:
            if "secretRef" in entry:
                entry["secretRef"]["optional"] = True
    assert _failed(verify_documents(specification), cf="CF-1") == {
        ("SEC-001", "Deployment/observer"),
        ("SEC-001", "StatefulSet/postgres"),
    }


@pytest.mark.parametrize("kind", ["configMap", "persistentVolumeClaim", "projected"])
def test_cf_4_is_repaired_by_any_other_volume(
    specification: Documents, verify_documents: Callable, kind: str
) -> None:
    """A ConfigMap, a claim or a projection in place of the node's folder."""
    source = {
        "configMap": {"name": "observer-config"},
        "persistentVolumeClaim": {"claimName": "observer-logs-pvc"},
        "projected": {"sources": [{"configMap": {"name": "observer-config"}}]},
    }[kind]
    for volume in _collector(specification)["template"]["spec"]["volumes"]:
        if volume["name"] == "observer-config":
            volume.pop("hostPath")
            volume[kind] = source
    assert _failed(verify_documents(specification), cf="CF-4") == set()


def test_an_environment_override_breaks_the_path_contract(
    specification: Documents, verify_documents: Callable
) -> None:
    """The ConfigMap is right, `env` wins: the effective value counts, and both sources are shown."""
    _collector(specification)["template"]["spec"]["containers"][0]["env"].append(
        {"name": "OBSERVER_LOG_DIR", "value": "/app/logs"}
    )
    results = verify_documents(specification)
    assert ("PATH-002", "Deployment/observer") in {
        (r.rule.id, r.finding.object) for r in results if r.status is Status.FAIL
    }
    shadowed = next(r.finding for r in results if r.rule.id == "ENV-002" and r.status is Status.FAIL)
    assert "/app/logs" in shadowed.observed
    assert len(shadowed.evidence) == 2
