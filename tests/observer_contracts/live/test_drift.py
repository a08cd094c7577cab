"""What runs is compared with what the manifests say; what the API adds is no difference."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from kubernetes_emulator import Cluster

from observer_contracts.evidence.manifests import Manifests, read_manifests
from observer_contracts.model import Status

COLLECTOR = "Deployment/observer"


@pytest.fixture
def given(manifests: str) -> Sequence[Manifests]:
    return read_manifests([manifests], None)  # type: ignore[arg-type]  # nothing is read from it


def test_what_was_applied_is_the_same(look: Any, given: Sequence[Manifests]) -> None:
    """Defaults, quantities in another notation, status and managed fields are the API's own."""
    seen = look(manifests=given)
    assert seen.objects(Status.FAIL) == {}
    assert seen.statuses("RND-003") == {Status.PASS}
    assert len(seen.of("RND-003")) >= 15


def _container(cluster: Cluster) -> dict[str, Any]:
    return cluster.of("Deployment", "observer")["spec"]["template"]["spec"]["containers"][0]


def _run_everywhere(cluster: Cluster, image: str) -> None:
    for container in (
        _container(cluster),
        *(pod["spec"]["containers"][0] for pod in cluster.pods("observer")),
    ):
        container["image"] = image


DRIFTS: dict[str, tuple[Callable[[Cluster], object], str, str]] = {
    "image": (
        lambda c: _run_everywhere(c, "ghcr.io/observer/observer:hotfix"),
        COLLECTOR,
        "`ghcr.io/observer/observer:hotfix` instead of",
    ),
    "replicas": (
        lambda c: (c.of("Deployment", "observer")["spec"].update(replicas=3), c.settle()),
        COLLECTOR,
        "spec.replicas: `3` instead of `2`",
    ),
    "memory": (
        lambda c: _container(c)["resources"]["limits"].update(memory="4Gi"),
        COLLECTOR,
        "`4Gi` instead of `2Gi`",
    ),
    "a further mount": (
        lambda c: (
            _container(c)["volumeMounts"].append({"name": "tmp", "mountPath": "/scratch"}),
        ),
        COLLECTOR,
        "volumeMounts: 6 entries instead of 5 entries",
    ),
    "a port of a Service": (
        lambda c: c.of("Service", "postgres-headless")["spec"]["ports"][0].update(name="pg"),
        "Service/postgres-headless",
        "spec.ports[0].name: `pg` instead of `postgres`",
    ),
    "a label": (
        lambda c: c.of("Service", "postgres")["metadata"]["labels"].update(environment="staging"),
        "Service/postgres",
        "`staging` instead of `production`",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DRIFTS)
def test_a_change_by_hand_is_told(look: Any, cluster: Cluster, given: Sequence[Manifests], name: str) -> None:
    """Which object, which field, what it is and what it should be."""
    change, about, said = DRIFTS[name]
    change(cluster)
    seen = look(manifests=given)
    assert seen.objects(Status.FAIL)["RND-003"] == {about}
    assert said in seen.said("RND-003")


def test_a_change_of_the_configuration_is_told_without_its_value(
    look: Any, cluster: Cluster, given: Sequence[Manifests]
) -> None:
    """A ConfigMap may hold what nobody should read in a report."""
    found = next(
        c for c in cluster.objects["ConfigMap"] if c["metadata"]["name"].startswith("observer-config")
    )
    found["data"]["LOG_LEVEL"] = "DEBUG"
    seen = look(manifests=given)
    assert "data.LOG_LEVEL differs" in seen.said("RND-003")
    assert "DEBUG" not in seen.said("RND-003")


def test_an_object_that_was_never_applied_is_told(
    look: Any, cluster: Cluster, given: Sequence[Manifests]
) -> None:
    """It is in the manifests and not in the cluster."""
    cluster.remove("ServiceAccount", "postgres")
    seen = look(manifests=given)
    assert seen.objects(Status.FAIL)["RND-003"] == {"ServiceAccount/postgres"}


def test_without_manifests_nothing_is_compared(look: Any) -> None:
    """The question was not asked."""
    assert look().of("RND-003") == []
