"""The collector's contract for the init step and for Dagster's runs."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from observer_contracts.model import Result, Status

HOME = "/opt/platform/runtime/observer"
RUN = "Job/dagster-run-1f0c"
Documents = list[dict[str, Any]]
Verify = Callable[..., list[Result]]


def _pod(documents: Documents, kind: str) -> dict[str, Any]:
    return next(d for d in documents if d["kind"] == kind)["spec"]["template"]["spec"]


def _run_job(production: Documents) -> dict[str, Any]:
    """A Job as the run launcher makes it, with the collector's environment, mounts and context."""
    collector = copy.deepcopy(_pod(production, "Deployment"))
    container = collector["containers"][0]
    labels = {"dagster/run-id": "1f0c", "app.kubernetes.io/component": "run_worker"}
    spec = {
        field: collector[field]
        for field in ("securityContext", "nodeSelector", "volumes", "imagePullSecrets", "enableServiceLinks")
    }
    kept = ("image", "envFrom", "env", "resources", "securityContext", "volumeMounts")
    spec |= {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "containers": [{"name": "dagster", **{field: container[field] for field in kept}}],
    }
    template = {"metadata": {"labels": labels}, "spec": spec}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "dagster-run-1f0c", "namespace": "observer-prod", "labels": labels},
        "spec": {"backoffLimit": 0, "template": template},
    }


@pytest.fixture
def job(production: Documents) -> dict[str, Any]:
    return _run_job(production)


def _failed(results: list[Result]) -> set[tuple[str, str]]:
    return {(r.rule.id, r.finding.object) for r in results if r.status is Status.FAIL}


def _main(job: dict[str, Any]) -> dict[str, Any]:
    return job["spec"]["template"]["spec"]["containers"][0]


def _without(items: list[dict[str, Any]], value: str) -> None:
    items[:] = [item for item in items if value not in item.values()]


def test_a_run_like_the_collector_passes(production: Documents, job: Any, verify_documents: Verify) -> None:
    """Nothing fails, and RUN-001 has looked at the Job, and at the pod that a person makes."""
    results = verify_documents([*production, job])
    assert _failed(results) == set()
    seen = [r.finding.object for r in results if r.rule.id == "RUN-001"]
    assert seen == ["CronJob/observer-maintenance", RUN]


def _set_user(job: dict[str, Any]) -> None:
    _main(job)["securityContext"]["runAsUser"] = 1234


def _drop_variables(job: dict[str, Any]) -> None:
    del _main(job)["envFrom"][0]


def _drop_secret(job: dict[str, Any]) -> None:
    del _main(job)["envFrom"][1]


def _other_group(job: dict[str, Any]) -> None:
    job["spec"]["template"]["spec"]["securityContext"]["fsGroup"] = 2000


def _writable_configuration(job: dict[str, Any]) -> None:
    for mount in _main(job)["volumeMounts"]:
        mount.pop("readOnly", None)


BROKEN: dict[str, Callable[[dict[str, Any]], None]] = {
    "no data": lambda job: _without(_main(job)["volumeMounts"], f"{HOME}/data"),
    "no universe": lambda job: _without(_main(job)["volumeMounts"], f"{HOME}/universe"),
    "no temporary folder": lambda job: _without(_main(job)["volumeMounts"], "/tmp"),
    "no pod name": lambda job: _without(_main(job)["env"], "POD_NAME"),
    "another user": _set_user,
    "another group": _other_group,
    "no configuration": _drop_variables,
    "no secret": _drop_secret,
    "a writable configuration": _writable_configuration,
}


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.parametrize("alone", [False, True], ids=["with the deployment", "among the workloads it needs"])
def test_a_run_that_differs_is_found(
    production: Documents, job: Any, verify_documents: Verify, case: str, alone: bool
) -> None:
    """RUN-001 fails at the Job; the collector's own rules stay green."""
    BROKEN[case](job)
    others = (
        [d for d in production if d["kind"] not in ("Deployment", "StatefulSet")] if alone else production
    )
    results = verify_documents([*others, job], only=("RUN-001",) if alone else ())
    assert _failed(results) == {("RUN-001", RUN)}


def test_a_fault_that_run_and_collector_share_is_told_once(
    production: Documents, job: Any, verify_documents: Verify
) -> None:
    """A key that the ConfigMap lacks is the ConfigMap's fault, not that of each run."""
    documents = copy.deepcopy(production)
    configuration = next(d for d in documents if d["kind"] == "ConfigMap" and "LOG_LEVEL" in d["data"])
    del configuration["data"]["LOG_LEVEL"]
    assert {rule for rule, _ in _failed(verify_documents([*documents, job]))} == {"ENV-003"}


def test_the_rule_that_differs_is_named(production: Documents, job: Any, verify_documents: Verify) -> None:
    """Whoever reads the finding knows which part of the contract it is."""
    BROKEN["no data"](job)
    [found] = [r for r in verify_documents([*production, job]) if r.status is Status.FAIL]
    assert "(PATH-001)" in found.finding.expected
    assert found.finding.evidence


def test_a_job_of_somebody_else_is_none_of_a_runs_business(
    production: Documents, job: Any, verify_documents: Verify
) -> None:
    """Only the launcher's label makes a Job a run."""
    for labels in (job["metadata"]["labels"], job["spec"]["template"]["metadata"]["labels"]):
        labels.pop("dagster/run-id", None)
    BROKEN["no data"](job)
    assert "RUN-001" not in {rule for rule, _ in _failed(verify_documents([*production, job]))}


def test_a_run_as_a_file_of_its_own_can_be_read(job: Any, verify_text: Verify) -> None:
    """The launcher's Job alone: what the deployment gives it is missing, and the Job itself is judged."""
    _set_user(job)
    results = verify_text(yaml.safe_dump(job), only=("RUN-001",))
    users = [r for r in results if r.status is Status.FAIL and "runAsUser" in r.finding.expected]
    assert [r.finding.object for r in users] == [RUN]


def test_without_an_init_step_there_is_a_warning(production: Documents, verify_documents: Verify) -> None:
    """The deployment works without it, unverified."""
    documents = copy.deepcopy(production)
    del _pod(documents, "Deployment")["initContainers"]
    results = [r for r in verify_documents(documents) if r.rule.id == "PRB-004"]
    assert [(r.status, r.finding.object) for r in results] == [(Status.WARN, "Deployment/observer")]


def test_an_init_step_of_another_version_is_a_warning(
    production: Documents, verify_documents: Verify
) -> None:
    """It would compare the pod with another declaration."""
    documents = copy.deepcopy(production)
    _pod(documents, "Deployment")["initContainers"][0]["image"] = "ghcr.io/observer/observer:older"
    notable = [
        r for r in verify_documents(documents) if r.rule.id == "PRB-004" and r.status is not Status.PASS
    ]
    assert [(r.status, r.finding.object) for r in notable] == [(Status.WARN, "Deployment/observer")]
