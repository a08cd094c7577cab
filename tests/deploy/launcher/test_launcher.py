"""The real jobs, launched by `K8sRunLauncher` with the production's values, end as Dagster says they do.

All of it runs with the rights of the account `dagster` in deploy/, and the last test says that it needs
all of them.
"""

import os

import pytest
from dagster._core.storage.dagster_run import DagsterRunStatus as Status
from kubernetes_emulator import NodeImage
from kubernetes_emulator.jobs import delete_pod_of_job


def test_a_run_succeeds_as_a_job_of_its_own(deployment):
    """Symbols, universe and their table come from a pod that has the contract's environment."""
    run_id = deployment.launch()
    deployment.until(run_id, Status.SUCCESS, Status.FAILURE)
    assert deployment.status(run_id) is Status.SUCCESS, deployment.messages(run_id)
    deployment.wait(lambda: deployment.job(run_id)["status"].get("succeeded") == 1, "the Job's end")
    environment = deployment.environment(run_id)
    assert environment["POD_NAME"] == deployment.pod(run_id)["metadata"]["name"]
    assert environment["POD_NAMESPACE"] == "observer-prod"
    assert environment["TZ"] == "Asia/Seoul"
    # A Service called `observer` would put OBSERVER_PORT=tcp://... among the settings.
    assert not {"OBSERVER_PORT", "OBSERVER_SERVICE_HOST", "POSTGRES_PORT"} & set(environment)


def test_a_failing_asset_fails_run_and_pod(deployment):
    """A mount that is not there: the run says which, and the Job counts as failed in Kubernetes too."""
    with deployment.setting(OBSERVER_DATA_DIR="/nowhere/data"):
        run_id = deployment.launch()
        deployment.until(run_id, Status.SUCCESS, Status.FAILURE)
        deployment.wait(lambda: deployment.job(run_id)["status"].get("failed") == 1, "the Job's end")
    assert deployment.status(run_id) is Status.FAILURE
    assert "OBSERVER_DATA_DIR" in deployment.messages(run_id)
    deployment.monitor()
    assert deployment.status(run_id) is Status.FAILURE


def test_a_terminated_run_is_canceled_and_leaves_neither_job_nor_pod(deployment):
    run_id = _running(deployment)
    assert deployment.instance.run_launcher.terminate(run_id)
    deployment.until(run_id, Status.CANCELED)
    deployment.wait(lambda: not deployment.pods(run_id), "the pod's end")
    assert deployment.cluster.find("Job", f"dagster-run-{run_id}") is None
    assert "Run was terminated successfully" in deployment.messages(run_id)


def test_a_pod_that_ran_out_of_memory_fails_its_run(deployment):
    """The run's page says what became of the container."""
    run_id = _running(deployment)
    deployment.kubelet.kill(deployment.pod(run_id)["metadata"]["name"])
    deployment.wait(lambda: deployment.job(run_id)["status"].get("failed") == 1, "the Job's end")
    assert deployment.status(run_id) is Status.STARTED
    deployment.monitor()
    assert deployment.status(run_id) is Status.FAILURE
    said = deployment.messages(run_id)
    assert "K8s job has no active pods" in said
    assert "Terminated with exit code 137: OOMKilled" in said


def test_a_pod_that_was_taken_away_fails_its_run(deployment):
    """A node that is lost or drained without grace: no pod is left to be asked, so the Job is."""
    run_id = _running(deployment)
    pod = deployment.pod(run_id)
    deployment.kubelet.kill(pod["metadata"]["name"])
    delete_pod_of_job(pod)
    deployment.wait(lambda: not deployment.pods(run_id), "the pod's end")
    deployment.monitor()
    assert deployment.status(run_id) is Status.FAILURE
    assert "BackoffLimitExceeded" in deployment.messages(run_id)


def test_a_drained_pod_ends_its_run_by_itself(deployment):
    """SIGTERM: the run's process still says that it was interrupted."""
    run_id = _running(deployment)
    delete_pod_of_job(deployment.pod(run_id))
    deployment.until(run_id, Status.FAILURE, Status.CANCELED)
    assert deployment.status(run_id) is Status.FAILURE
    assert "interrupted" in deployment.messages(run_id)


def test_a_missing_secret_is_named_and_a_late_pod_does_nothing(deployment):
    """The Job stays behind (Dagster issue 16535): its pod starts with the Secret, and finds its run over."""
    with deployment.without("Secret", "observer-secrets"):
        run_id = _not_started(deployment, "CreateContainerConfigError")
        assert 'secret "observer-secrets" not found' in deployment.messages(run_id)
    deployment.wait(lambda: deployment.pod(run_id)["status"]["phase"] in ("Succeeded", "Failed"), "the pod")
    assert deployment.status(run_id) is Status.FAILURE
    assert "STEP_START" not in deployment.events(run_id)


def test_a_missing_key_of_a_secret_is_named(deployment):
    """The chart asks for the key `postgresql-password`, which no variable of ours has."""
    data = deployment.cluster.of("Secret", "observer-secrets")["data"]
    password = data.pop("postgresql-password")
    try:
        run_id = _not_started(deployment, "CreateContainerConfigError")
    finally:
        deployment.clear()
        data["postgresql-password"] = password
    assert "couldn't find key postgresql-password in Secret" in (deployment.messages(run_id))


def test_a_pod_that_fits_nowhere_fails_its_run_with_the_schedulers_reason(deployment):
    enough = deployment.kubelet.memory
    deployment.kubelet.memory = 256 * 2**20
    try:
        run_id = _not_started(deployment, "FailedScheduling")
    finally:
        deployment.clear()
        deployment.kubelet.memory = enough
    assert "1 Insufficient memory" in deployment.messages(run_id)


def test_an_image_that_cannot_be_pulled_is_named(deployment):
    images: dict[str, NodeImage] = deployment.kubelet.images
    kept = dict(images)
    images.clear()
    try:
        run_id = _not_started(deployment, "ErrImagePull")
    finally:
        deployment.clear()
        images.update(kept)
    [name] = kept
    assert f'Failed to pull image "{name}"' in deployment.messages(run_id)


def test_a_process_that_never_reports_is_given_up_with_its_last_words(deployment):
    """A database that hangs, an import that waits: the pod's log is all there is."""
    stuck = NodeImage({"PATH": os.defpath}, ("/bin/sh", "-c", "echo waiting for the network; exec sleep 100"))
    images = dict(deployment.kubelet.images)
    deployment.kubelet.images.update(dict.fromkeys(images, stuck))
    try:
        run_id = _not_started(deployment, "waiting for the network")
    finally:
        deployment.clear()
        deployment.kubelet.images.update(images)
    said = deployment.messages(run_id)
    assert "Last 25 log lines for container 'dagster'" in said
    assert "waiting for the network" in said


def test_a_run_that_the_api_refuses_says_so(deployment):
    """Without the right to create Jobs the run fails at once, and is not left as started."""
    rights = deployment.server.rights
    deployment.server.rights = deployment.nothing
    try:
        run_id = deployment.launch()
    finally:
        deployment.server.rights = rights
    assert deployment.status(run_id) is Status.FAILURE
    assert "jobs is forbidden" in deployment.messages(run_id)


def test_the_role_covers_exactly_the_calls_that_were_made(deployment, request):
    """Each right of the role in deploy/ was used above, and nothing else was asked for."""
    here = {item.name for item in request.session.items if item.path == request.path}
    if not {name for name in globals() if name.startswith("test_")} <= here:
        pytest.skip("only where all tests of this file have run")
    asked = {(request.group, request.resource, request.verb) for request in deployment.server.asked}
    [role] = [
        one for one in deployment.documents if one["kind"] == "Role" and one["metadata"]["name"] == "dagster"
    ]
    allowed = {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert asked == allowed


def _running(deployment) -> str:
    """Returns a run that downloads from a server which takes the connection and does not answer."""
    with deployment.setting(KIS_MASTER_URL=f"{deployment.silent_server}/"):
        run_id = deployment.launch()
        deployment.wait(lambda: deployment.is_in_step(run_id, "symbols"), "the step that downloads")
    return run_id


def _not_started(deployment, reason: str) -> str:
    """Returns a run whose pod does not start, once run monitoring has given it up."""
    run_id = deployment.launch()
    deployment.wait(lambda: reason in deployment.seen(), reason)
    assert deployment.status(run_id) is Status.STARTING
    deployment.wait(lambda: deployment.monitored(run_id) is not Status.STARTING, "the start time-out")
    assert deployment.status(run_id) is Status.FAILURE
    assert "to start" in deployment.messages(run_id)
    return run_id
