"""The charts' objects for the repository's values, and the Jobs that the run launcher makes by them."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster_chart import Release, code_objects, instance_configuration, merged, system_objects
from kubernetes_emulator import Cluster, Server

from observer_contracts.evidence import kustomize
from observer_pipeline.definitions import build_defs

ROOT = Path(__file__).resolve().parents[3]
SYSTEM, CODE = Release("dagster"), Release("dagster-code")
Object = dict[str, Any]
JOBS = ("refresh_reference", "compact_hours", "close_day", "verify_contracts")
BACKUP_JOBS = ("ship_backup", "dump_databases", "apply_retention", "close_day")
BACKUP_VALUES = ROOT / "deploy/components/backup-volume/dagster-values.yaml"


@pytest.fixture(scope="session")
def values() -> Object:
    """The chart's values in production."""
    return merged(ROOT / "helm-values/dagster.yaml")


@pytest.fixture(scope="session")
def configuration(values: Object) -> Object:
    """The dagster.yaml that they become."""
    return instance_configuration(values, SYSTEM)


@pytest.fixture(scope="session")
def chart_objects(values: Object) -> list[Object]:
    """What both releases make."""
    code = merged(ROOT / "helm-values/dagster-code.yaml", defaults={})
    return [*system_objects(values, SYSTEM), *code_objects(code, CODE)]


@pytest.fixture(scope="session")
def deployed() -> list[Object]:
    """The objects of the production overlay."""
    overlay = ROOT / "deploy/overlays/production"
    return list(yaml.safe_load_all(kustomize.render(overlay, kustomize.read_sources(overlay))))


@pytest.fixture(scope="session")
def jobs(
    configuration: Object, chart_objects: list[Object], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Object]:
    """The Job of a run of each job, as the launcher of the configuration posts it."""
    return _launched(configuration, chart_objects, JOBS, tmp_path_factory.mktemp("jobs"))


@pytest.fixture(scope="session")
def backup_jobs(tmp_path_factory: pytest.TempPathFactory, chart_objects: list[Object]) -> dict[str, Object]:
    """The Jobs of runs with the values of the component backup-volume."""
    values = merged(ROOT / "helm-values/dagster.yaml", BACKUP_VALUES)
    configuration = instance_configuration(values, SYSTEM)
    return _launched(configuration, chart_objects, BACKUP_JOBS, tmp_path_factory.mktemp("backup-jobs"))


def _launched(
    configuration: Object, chart_objects: list[Object], names: tuple[str, ...], folder: Path
) -> dict[str, Object]:
    cluster = Cluster({})
    cluster.install()
    [code] = [
        one
        for one in chart_objects
        if one["metadata"]["name"].endswith("-observer-pipeline") and "spec" in one
    ]
    [environment] = [one["data"] for one in chart_objects if one["metadata"]["name"] == "dagster-daemon-env"]
    image = code["spec"]["template"]["spec"]["containers"][0]["image"]
    made = {}
    with Server(cluster) as server, pytest.MonkeyPatch.context() as patch:
        launcher = configuration["run_launcher"]
        access = {"load_incluster_config": False, "kubeconfig_file": str(server.kubeconfig(folder))}
        here = {"run_launcher": launcher | {"config": launcher["config"] | access}}
        with dg.instance_for_test(temp_dir=str(folder), overrides=here) as instance:
            for name, value in environment.items():
                patch.setenv(name, value)
            definitions = build_defs(clock="real")
            for name in names:
                run = _run_of(instance, definitions.resolve_job_def(name), image)
                instance.launch_run(run.run_id, workspace=None)
                made[name] = cluster.of("Job", f"dagster-run-{run.run_id}")
    return made


def _run_of(instance: dg.DagsterInstance, job: dg.JobDefinition, image: str) -> dg.DagsterRun:
    """Makes a run as the code location's answer would: its image, its pointer, the job's tags."""
    pointer = ModuleCodePointer("observer_pipeline.definitions", "defs", None)
    origin = RepositoryPythonOrigin("python", pointer, image, ["dagster"], None)
    location = InProcessCodeLocationOrigin(
        LoadableTargetOrigin(module_name="observer_pipeline.definitions"), location_name="observer"
    )
    remote = RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), job.name)
    return instance.create_run_for_job(
        job, tags=job.tags, job_code_origin=JobPythonOrigin(job.name, origin), remote_job_origin=remote
    )
