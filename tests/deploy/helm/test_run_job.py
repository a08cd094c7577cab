"""The Job that the launcher makes by the values is bound by the same contracts as the collector."""

from pathlib import Path

import pytest
import yaml
from kubelet import Objects, effective_environment

from observer_contracts.declaration.build import declare
from observer_contracts.engine import Verification, verify
from observer_contracts.evidence.manifests import read_manifests
from observer_contracts.model import Status
from observer_core.settings import BackupSettings

JOBS = ("refresh_reference", "compact_hours", "close_day", "verify_contracts")
BACKUP_JOBS = ("ship_backup", "dump_databases", "apply_retention", "close_day")
# What a run has and the collector has not: Dagster's own, and the cache of libraries.
_DAGSTERS_OWN = {
    "DAGSTER_HOME", "DAGSTER_PG_PASSWORD", "DAGSTER_RUN_JOB_NAME", "DAGSTER_K8S_INSTANCE_CONFIG_MAP",
    "DAGSTER_K8S_PG_PASSWORD_SECRET", "DAGSTER_K8S_PIPELINE_RUN_ENV_CONFIGMAP",
    "DAGSTER_K8S_PIPELINE_RUN_NAMESPACE", "HOME",
}  # fmt: skip


@pytest.fixture(scope="session")
def collector(deployed):
    """The pod spec of the collector."""
    [found] = [
        one for one in deployed if one["kind"] == "Deployment" and one["metadata"]["name"] == "observer"
    ]
    return found["spec"]["template"]["spec"]


@pytest.fixture
def objects(deployed, chart_objects):
    """Everything by name, with the Secret that the controller makes."""
    data = {"DB_USER": "b2JzZXJ2ZXI=", "DB_PASSWORD": "c2VjcmV0", "postgresql-password": "c2VjcmV0"}
    secret = {"kind": "Secret", "metadata": {"name": "observer-secrets"}, "data": data}
    return Objects([*deployed, *chart_objects, secret])


@pytest.mark.parametrize("name", JOBS)
def test_a_run_has_the_collectors_environment(name, jobs, collector, objects):
    """Same names, same values; only the pod's own name differs."""
    facts = {"metadata": {"name": "pod", "namespace": "observer-prod"}, "spec": {}, "status": {}}
    [run] = jobs[name]["spec"]["template"]["spec"]["containers"]
    of_the_run = effective_environment(run, facts, objects)
    of_the_collector = effective_environment(collector["containers"][0], facts, objects)
    assert {key: of_the_run.get(key) for key in of_the_collector} == of_the_collector
    assert set(of_the_run) - set(of_the_collector) <= _DAGSTERS_OWN
    assert of_the_run["DAGSTER_PG_PASSWORD"] == of_the_collector["DB_PASSWORD"]


def test_a_run_has_the_collectors_volumes_at_their_places(jobs, collector, objects):
    spec = jobs["close_day"]["spec"]["template"]["spec"]
    of_the_run, of_the_collector = _mounts(spec, objects), _mounts(collector, objects)
    assert {path: of_the_run.get(path) for path in of_the_collector} == of_the_collector
    assert set(of_the_run) - set(of_the_collector) == {"/opt/dagster/dagster_home"}


def test_a_run_is_the_collectors_user_with_an_account_without_rights(jobs, collector, deployed):
    spec = jobs["compact_hours"]["spec"]["template"]["spec"]
    [run] = spec["containers"]
    assert run["securityContext"] == collector["containers"][0]["securityContext"]
    assert collector["securityContext"].items() <= spec["securityContext"].items()
    assert spec["enableServiceLinks"] is False
    assert spec["automountServiceAccountToken"] is False
    assert spec["nodeSelector"] == collector["nodeSelector"]
    accounts = {one["metadata"]["name"] for one in deployed if one["kind"] == "ServiceAccount"}
    assert spec["serviceAccountName"] in accounts
    bound = {
        subject["name"]
        for one in deployed
        if one["kind"] == "RoleBinding"
        for subject in one["subjects"]
    }  # fmt: skip
    assert spec["serviceAccountName"] not in bound


def test_a_job_runs_once_with_the_code_locations_image_and_is_cleared_away(jobs, chart_objects):
    [code] = [
        one["spec"]["template"]["spec"]["containers"][0]
        for one in chart_objects
        if one["kind"] == "Deployment" and one["metadata"]["name"].endswith("-observer-pipeline")
    ]
    job = jobs["refresh_reference"]
    spec = job["spec"]["template"]["spec"]
    assert spec["containers"][0]["image"] == code["image"]
    assert spec["containers"][0]["args"][:3] == ["dagster", "api", "execute_run"]
    assert "command" not in spec["containers"][0]
    assert spec["restartPolicy"] == "Never"
    assert job["spec"]["backoffLimit"] == 0
    assert job["spec"]["ttlSecondsAfterFinished"] == 3600
    assert [one["name"] for one in spec["imagePullSecrets"]] == ["ghcr-secret"]
    labels = job["spec"]["template"]["metadata"]["labels"]
    # What the network policies of deploy/ choose runs by.
    assert labels["app.kubernetes.io/name"] == "dagster"
    assert labels["app.kubernetes.io/component"] == "run_worker"


@pytest.mark.parametrize(
    ("name", "requests", "limits"),
    [
        ("refresh_reference", "512Mi", "1536Mi"),
        ("compact_hours", "1Gi", "2Gi"),
        ("close_day", "1536Mi", "4Gi"),
        ("verify_contracts", "512Mi", "1536Mi"),
    ],
)
def test_each_job_has_the_memory_it_needs(name, requests, limits, jobs):
    """The job's tag goes over the launcher's resources and leaves what it does not name."""
    [run] = jobs[name]["spec"]["template"]["spec"]["containers"]
    assert run["resources"]["requests"] == {"cpu": "250m", "memory": requests, "ephemeral-storage": "64Mi"}
    assert run["resources"]["limits"] == {"cpu": "2", "memory": limits, "ephemeral-storage": "1536Mi"}


def test_the_contracts_hold_for_jobs_and_charts_alike(jobs, deployed, chart_objects, tmp_path):
    """`observer contracts verify --manifests` over deploy/, the charts' objects and the Jobs of runs."""
    results = _verified([*deployed, *chart_objects, *map(_as_given, jobs.values())], tmp_path)
    about_dagster = [one for one in results if "agster" in one.finding.object]
    wrong = {
        (one.rule.id, one.finding.object, one.finding.observed)
        for one in about_dagster
        if one.status is Status.FAIL
    }
    assert wrong == set()
    asked = {one.rule.id for one in about_dagster}
    assert {"RUN-001", "PSS-001", "RES-001", "SEC-001", "ENV-001", "VOL-002"} <= asked


@pytest.mark.parametrize("name", BACKUP_JOBS)
def test_a_run_finds_the_backups_volume_beside_its_own(name, jobs, backup_jobs):
    """The launcher adds volume and mount to its lists; environment and memory of the job stay."""
    given, without = (
        backup_jobs[name]["spec"]["template"]["spec"],
        jobs["close_day"]["spec"]["template"]["spec"],
    )
    claims = [
        (one["name"], one["persistentVolumeClaim"]["claimName"])
        for one in given["volumes"] if one not in without["volumes"]
    ]  # fmt: skip
    assert claims == [("observer-backup", declare().backup.claim)]
    [run], [plain] = given["containers"], without["containers"]
    added = [one for one in run["volumeMounts"] if one not in plain["volumeMounts"]]
    assert added == [{"name": "observer-backup", "mountPath": "/backup"}]
    assert len(run["volumeMounts"]) == len(plain["volumeMounts"]) + 1
    changing = {"DAGSTER_RUN_JOB_NAME"}
    assert _named(run, changing) == _named(plain, changing)
    if name == "close_day":
        assert run["resources"] == plain["resources"]


def _named(container, without):
    return [one for one in container["env"] if one["name"] not in without]


def test_a_run_has_target_and_keys_of_a_bucket(jobs, deployed, chart_objects):
    """ConfigMap and Secret reach the run as they are, whatever keys an operator adds."""
    target = {"OBSERVER_BACKUP_TARGET": "s3://bucket/prefix"}
    given = [
        one | {"data": one["data"] | target} if one["metadata"]["name"] == "observer-environment" else one
        for one in deployed
    ]
    keys = {"OBSERVER_BACKUP_ACCESS_KEY": "YQ==", "OBSERVER_BACKUP_SECRET_KEY": "Yg=="}
    data = {"DB_PASSWORD": "c2VjcmV0", "postgresql-password": "c2VjcmV0"} | keys
    secret = {"kind": "Secret", "metadata": {"name": "observer-secrets"}, "data": data}
    facts = {"metadata": {"name": "pod", "namespace": "observer-prod"}, "spec": {}, "status": {}}
    [run] = jobs["close_day"]["spec"]["template"]["spec"]["containers"]
    found = effective_environment(run, facts, Objects([*given, *chart_objects, secret]))
    settings = BackupSettings.load(found)
    assert settings.target == "s3://bucket/prefix"
    assert (settings.access_key.get_secret_value(), settings.secret_key.get_secret_value()) == ("a", "b")


def _verified(documents, folder: Path):
    file = folder / "all.yaml"
    file.write_text(yaml.safe_dump_all(documents))
    return verify(Verification(declare(), manifests=read_manifests([str(file)], None)))


def _as_given(job):
    """Returns the Job as the launcher posted it, without what the API server adds."""
    metadata = {
        key: value for key, value in job["metadata"].items() if key not in ("uid", "creationTimestamp")
    }
    spec = {key: value for key, value in job["spec"].items() if key != "status"}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def _mounts(spec, objects):
    """Returns by path: what the volume comes from, and whether it may be written."""
    sources = {}
    for volume in spec["volumes"]:
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        files = objects.get("ConfigMap", volume.get("configMap", {}).get("name", ""))
        sources[volume["name"]] = claim or (str(files["data"]) if files else "emptyDir")
    return {
        mount["mountPath"]: (sources[mount["name"]], bool(mount.get("readOnly")))
        for mount in spec["containers"][0]["volumeMounts"]
    }
