"""The pod in which backup, restore and retention run: made by hand from a template, with what they need."""

import io
from typing import Any

import kubernetes_validate
import pytest
import yaml
from renderings import Rendering

from observer_contracts.declaration.build import declare
from observer_contracts.declaration.dagster import PODS
from observer_contracts.engine import Verification, verify
from observer_contracts.evidence.manifests import read_manifests
from observer_contracts.model import Status

NAME = "observer-maintenance"
HOME = "/opt/platform/runtime/observer"


def _template(rendering: Rendering) -> dict[str, Any]:
    found: dict[str, Any] = rendering.find("CronJob", NAME)["spec"]["jobTemplate"]
    return found


def _main(rendering: Rendering) -> dict[str, Any]:
    (container,) = _template(rendering)["spec"]["template"]["spec"]["containers"]
    return container


def _by_hand(rendering: Rendering) -> dict[str, Any]:
    """The Job that `kubectl create job maintenance --from=cronjob/observer-maintenance` makes."""
    metadata = {"name": "maintenance", "namespace": rendering.namespace}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": _template(rendering)["spec"],
    }


def test_nothing_starts_by_itself(renderings: list[Rendering]) -> None:
    """It waits for a person, and ends when nobody ends it."""
    for rendering in renderings:
        assert rendering.find("CronJob", NAME)["spec"]["suspend"] is True
        job = _template(rendering)["spec"]
        assert (job["backoffLimit"], job["ttlSecondsAfterFinished"]) == (0, 3600)
        assert job["template"]["spec"]["restartPolicy"] == "Never"
        program, seconds = _main(rendering)["command"]
        assert program == "sleep"
        assert 3600 <= int(seconds) <= 86_400


def test_it_is_this_releases_pipeline(renderings: list[Rendering]) -> None:
    """The overlay's tag, so that a promotion renews it with the collector."""
    for rendering in renderings:
        collector = rendering.find("Deployment", "observer")["spec"]["template"]["spec"]["containers"]
        image = next(found["image"] for found in collector if found["name"] == "observer")
        name, _, tag = image.rpartition(":")
        assert _main(rendering)["image"] == f"{name}-pipeline:{tag}"


def test_it_has_the_collectors_environment_and_may_write_its_volumes(renderings: list[Rendering]) -> None:
    """ConfigMap and Secret whole, the three claims writable, the configuration read-only, room for a dump."""
    facts = declare().volumes_of("observer")
    assert {fact.mount_path for fact in facts} == {
        f"{HOME}/{n}" for n in ("data", "logs", "universe", "config")
    }
    for rendering in renderings:
        container, pod = _main(rendering), _template(rendering)["spec"]["template"]["spec"]
        (collector,) = [
            found
            for found in rendering.find("Deployment", "observer")["spec"]["template"]["spec"]["containers"]
            if found["name"] == "observer"
        ]
        assert container["envFrom"] == collector["envFrom"]
        claims = {
            volume["name"]: volume.get("persistentVolumeClaim", {}).get("claimName", "")
            for volume in pod["volumes"]
        }
        mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
        for fact in facts:
            mount = mounts[fact.mount_path]
            assert (claims[mount["name"]], not mount.get("readOnly", False)) == (fact.claim, fact.writable)
        backup = mounts.get("/backup", {}).get("name", "")
        assert claims.get(backup, "") == (
            "observer-backup-pvc" if "backup-volume" in rendering.components else ""
        )
        assert "/tmp" in mounts


def test_it_passes_the_policies_as_a_run_does(renderings: list[Rendering]) -> None:
    """Its labels are a run's, so that also a policy of the operator's own for runs lets it through."""
    (run,) = [fact for fact in PODS if fact.name == "dagster-run"]
    for rendering in renderings:
        labels = _template(rendering)["spec"]["template"]["metadata"]["labels"]
        assert run.labels.items() <= labels.items()
        # No Service may take it for one of its own, and no program for a collector.
        for service in rendering.of("Service"):
            assert not service["spec"]["selector"].items() <= labels.items()


def test_the_admission_lets_it_in(renderings: list[Rendering]) -> None:
    """The Job of each combination is valid, and restricted in the words of Kubernetes 1.34."""
    jobs = {yaml.safe_dump(_by_hand(rendering)): rendering for rendering in renderings}
    for text, rendering in jobs.items():
        kubernetes_validate.validate(yaml.safe_load(text), "1.34", strict=True)
        manifests = read_manifests(["-"], io.BytesIO(rendering.text.encode() + b"\n---\n" + text.encode()))
        results = verify(
            Verification(declare(), manifests, only=("PSS-001", "RES-001", "SEC-001", "ENV-001"))
        )
        own = [result for result in results if result.finding.object == "Job/maintenance"]
        assert {result.status for result in own} == {Status.PASS}
        assert {result.rule.id for result in own} >= {"PSS-001", "RES-001", "SEC-001", "ENV-001"}


@pytest.mark.parametrize("overlay", ["production", "staging", "local-k3s"])
def test_a_restore_begins_without_the_collector(renderings: list[Rendering], overlay: str) -> None:
    """`kubectl apply -l app!=observer` makes volumes, database and Secret, and nothing that records."""
    rendering = next(found for found in renderings if str(found) == overlay)
    applied = {
        (found["kind"], found["metadata"]["name"])
        for found in rendering.documents
        if found["metadata"].get("labels", {}).get("app") != "observer"
    }
    assert not [kind for kind, _ in applied if kind in ("Deployment", "Job", "Pod")]
    claims = {(found["kind"], found["metadata"]["name"]) for found in rendering.of("PersistentVolumeClaim")}
    needed = {
        ("Namespace", rendering.namespace),
        ("SealedSecret", "observer-secrets"),
        ("StatefulSet", "postgres"),
        ("Service", "postgres"),
        ("CronJob", NAME),
        ("ServiceAccount", "dagster-runs"),
        ("NetworkPolicy", "dagster-runs"),
    }
    assert claims | needed <= applied
