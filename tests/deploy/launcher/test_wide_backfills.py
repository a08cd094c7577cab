"""The component `wide-backfills`: runs of `backfill_days` whose steps are pods, with the rights of its role.

The run's pod has its account's token, a step's pod has none: without one, the launcher's configuration cannot
be loaded.
"""

import io
import logging

import pytest
import yaml
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.storage.dagster_run import DagsterRunStatus as Status
from dagster._core.storage.dagster_run import RunsFilter
from dagster._daemon.backfill import execute_backfill_iteration
from kubernetes_emulator import NodeImage
from renderings import ROOT, render

from observer_contracts.declaration.build import declare
from observer_contracts.engine import Verification, verify
from observer_contracts.evidence.manifests import read_manifests
from observer_contracts.model import Status as Verdict
from observer_pipeline.assets.credentials import BROKER_POOL

LOG = logging.getLogger("test.backfill")
COMPONENT = "wide-backfills"
# Over, by the clock of the deployment.
DAYS = ("2026-09-11", "2026-09-14")
DAY = DAYS[1]
SOME_STEPS = ["compaction", "day_close"]
OF_A_STEP = {"DAGSTER_RUN_JOB_NAME", "DAGSTER_RUN_STEP_KEY", "DAGSTER_COMPRESSED_EXECUTE_STEP_ARGS"}
# Runs go on, and what they start for a step waits.
STEPS_THAT_HANG = (
    "/bin/sh",
    "-c",
    'case "$*" in *execute_step*) exec sleep 500 ;; *) exec "$@" ;; esac',
    "-",
)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """The objects of the production overlay with the component."""
    return render(tmp_path_factory.mktemp("rendered"), "production", (COMPONENT,)).documents


@pytest.fixture(scope="module")
def value_files():
    """The values of Dagster's release with those of the component."""
    return [ROOT / "helm-values/dagster.yaml", ROOT / f"deploy/components/{COMPONENT}/dagster-values.yaml"]


@pytest.fixture
def hanging(deployment):
    """Lets the pods of steps start and do nothing."""
    images = dict(deployment.kubelet.images)
    for name, image in images.items():
        deployment.kubelet.images[name] = NodeImage(image.environment, STEPS_THAT_HANG)
    yield
    deployment.kubelet.images.update(images)


def _ended(deployment, run_id):
    deployment.until(run_id, Status.SUCCESS, Status.FAILURE, Status.CANCELED)
    return deployment.status(run_id)


def test_each_step_of_a_run_is_a_job_with_the_runs_pod_and_without_its_rights(deployment, tmp_path):
    """Image, volumes, environment and contexts are the run's; account, token and memory are not."""
    run_id = deployment.launch("backfill_days", DAY, SOME_STEPS)
    assert _ended(deployment, run_id) is Status.SUCCESS, deployment.messages(run_id)
    run, steps = deployment.job(run_id), deployment.steps(run_id)
    assert list(steps) == SOME_STEPS
    deployment.wait(lambda: all(job["status"].get("succeeded") for job in steps.values()), "the Jobs' end")
    pod = run["spec"]["template"]["spec"]
    assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == ("dagster-backfills", True)
    assert pod["containers"][0]["resources"]["limits"]["memory"] == "1536Mi"
    for job in steps.values():
        own = job["spec"]["template"]["spec"]
        assert (own["serviceAccountName"], own["automountServiceAccountToken"]) == ("dagster-runs", False)
        assert _contract(own) == _contract(pod)
        resources = own["containers"][0]["resources"]
        assert (resources["requests"]["memory"], resources["limits"]["memory"]) == ("1536Mi", "4Gi")
        assert job["spec"]["ttlSecondsAfterFinished"] == run["spec"]["ttlSecondsAfterFinished"]
        assert job["metadata"]["labels"]["app.kubernetes.io/component"] == "step_worker"
    of_charts = [
        one
        for one in deployment.cluster.objects["ConfigMap"]
        if one["metadata"]["name"].startswith("dagster")
    ]
    text = yaml.safe_dump_all([*deployment.documents, *of_charts, run, *steps.values()])
    (tmp_path / "all.yaml").write_text(text)
    results = verify(Verification(declare(), read_manifests([str(tmp_path / "all.yaml")], io.BytesIO())))
    about = [one for one in results if "dagster-step" in one.finding.object]
    assert {"RUN-001", "PSS-001", "RES-001"} <= {one.rule.id for one in about}
    assert [one for one in about if one.status is Verdict.FAIL] == []


def _contract(pod):
    """Returns what the contracts say of a pod: everything but the command, the account, and the memory."""
    kept = {key: value for key, value in pod.items()
            if key not in ("serviceAccountName", "automountServiceAccountToken", "containers")}  # fmt: skip
    [container] = pod["containers"]
    kept |= {key: value for key, value in container.items()
             if key not in ("args", "name", "env", "resources")}  # fmt: skip
    kept["env"] = [one for one in container["env"] if one["name"] not in OF_A_STEP]
    return kept


def test_a_failing_step_fails_the_run_and_leaves_out_what_needs_it(deployment):
    """The error is on the run's page, as in one process; the run's Job counts as failed."""
    with deployment.setting(OBSERVER_DATA_DIR="/nowhere/data"):
        run_id = deployment.launch("backfill_days", DAY, SOME_STEPS)
        assert _ended(deployment, run_id) is Status.FAILURE
        deployment.wait(lambda: deployment.job(run_id)["status"].get("failed") == 1, "the Job's end")
    assert "OBSERVER_DATA_DIR" in deployment.messages(run_id)
    assert list(deployment.steps(run_id)) == SOME_STEPS[:1]
    assert "Dependencies for step day_close failed" in deployment.messages(run_id)


@pytest.mark.usefixtures("hanging")
def test_the_days_of_a_backfill_run_side_by_side_and_end_with_their_steps(deployment):
    """Neither the broker's pool nor the tag of a day holds another day back, and a day runs once at a time.

    A step that is killed fails its run, which says what became of it; a run that is terminated ends its step.
    """
    # What the first run of a deployment leaves: only a pool that is known holds anything back.
    assert deployment.instance.event_log_storage.initialize_concurrency_limit_to_default(BROKER_POOL)
    runs = _backfill(deployment, DAYS)
    again = deployment.launch("backfill_days", DAY)
    assert deployment.status(again) is Status.QUEUED
    assert Status.QUEUED not in {deployment.status(run_id) for run_id in runs.values()}
    for run_id in runs.values():
        deployment.wait(lambda of=run_id: len(_running_steps(deployment, of)) == 1, "the first step")
    lost, left = (runs[day] for day in DAYS)
    assert deployment.instance.run_launcher.terminate(left)
    deployment.until(left, Status.CANCELED)
    deployment.wait(lambda: not deployment.pods(left) and not deployment.steps(left), "the end of both")
    deployment.kubelet.kill(*_running_steps(deployment, lost))
    assert _ended(deployment, lost) is Status.FAILURE
    name = deployment.steps(lost)["compaction"]["metadata"]["name"]
    assert f"Discovered failed Kubernetes job {name} for step compaction" in deployment.messages(lost)
    assert list(deployment.steps(lost)) == ["compaction"]


def _backfill(deployment, days):
    """Asks for a backfill of the job as its page does; returns its launched runs by day."""
    location = deployment.process.create_request_context().get_code_location("observer")
    repository = next(iter(location.get_repositories().values()))
    [partitions] = [one for one in repository.get_partition_sets() if one.job_name == "backfill_days"]
    backfill = PartitionBackfill(
        "wide", BulkActionStatus.REQUESTED, False, {}, 0.0,
        partition_set_origin=partitions.get_remote_origin(), partition_names=days,
        asset_selection=repository.get_asset_keys_in_job("backfill_days"),
    )  # fmt: skip
    deployment.instance.add_backfill(backfill)
    assert [error for error in execute_backfill_iteration(deployment.process, LOG) if error] == []
    deployment.dequeue()
    runs = deployment.instance.get_runs(RunsFilter(tags={"dagster/backfill": "wide"}))
    assert {run.job_name for run in runs} == {"backfill_days"}
    return {run.tags["dagster/partition"]: run.run_id for run in runs}


def _running_steps(deployment, run_id):
    jobs = {job["metadata"]["name"] for job in deployment.steps(run_id).values()}
    labels = {pod["metadata"]["name"]: pod["metadata"]["labels"] for pod in deployment.cluster.objects["Pod"]}
    return [pod for pod in deployment.kubelet.running() if labels.get(pod, {}).get("job-name") in jobs]


def test_the_role_covers_exactly_the_calls_that_were_made(deployment, request):
    """Each right of the component's role was used above, and nothing else was asked for, by nobody else."""
    here = {item.name for item in request.session.items if item.path == request.path}
    if not {name for name in globals() if name.startswith("test_")} <= here:
        pytest.skip("only where all tests of this file have run")
    assert deployment.server.asked_by.keys() == {"dagster-backfills"}
    asked = deployment.server.asked_by["dagster-backfills"]
    [role] = [
        one for one in deployment.documents
        if one["kind"] == "Role" and one["metadata"]["name"] == "dagster-backfills"
    ]  # fmt: skip
    allowed = {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert {(one.group, one.resource, one.verb) for one in asked} == allowed
