"""The instance configuration that follows from the values is one that Dagster takes, and says what was
meant.
"""

import copy
import shlex
from pathlib import Path

import click
import pytest
import yaml
from dagster._cli import create_dagster_cli
from dagster._core.instance.config import dagster_instance_config
from dagster._daemon.cli import create_dagster_daemon_cli
from dagster_chart import Release, instance_configuration, merged
from dagster_k8s.job import UserDefinedDagsterK8sConfig
from dagster_webserver.cli import dagster_webserver

ROOT = Path(__file__).resolve().parents[3]


def test_dagster_takes_the_configuration(configuration, tmp_path):
    """An unknown key or a wrong type would raise here."""
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(configuration))
    config, _ = dagster_instance_config(str(tmp_path))
    assert config["telemetry"] == {"enabled": False}
    assert config["nux"] == {"enabled": False}
    assert config["retention"] == {
        "schedule": {"purge_after_days": 30},
        "sensor": {"purge_after_days": {"skipped": 3, "started": 30, "success": 30, "failure": 30}},
    }
    assert config["run_retries"] == {"enabled": True, "max_retries": 1, "retry_on_asset_or_op_failure": False}


def test_every_storage_is_the_deployments_postgres_by_psycopg2(configuration):
    for storage in ("run_storage", "event_log_storage", "schedule_storage"):
        database = configuration[storage]["config"]["postgres_db"]
        assert database == {
            "username": "observer",
            "password": {"env": "DAGSTER_PG_PASSWORD"},
            "hostname": "postgres",
            "db_name": "dagster",
            "port": 5432,
            "params": {},
            "scheme": "postgresql+psycopg2",
        }


def test_the_database_is_the_one_that_postgres_is_initialised_with(configuration):
    created = (ROOT / "deploy/base/database/initialisation.sql").read_text()
    name = configuration["run_storage"]["config"]["postgres_db"]["db_name"]
    assert f"CREATE DATABASE {name};" in created


def test_runs_are_watched_and_bounded(configuration):
    assert configuration["run_monitoring"] == {
        "enabled": True,
        "start_timeout_seconds": 600,
        "poll_interval_seconds": 30,
        "max_runtime_seconds": 10800,
    }
    assert configuration["concurrency"] == {
        "pools": {"default_limit": 1, "granularity": "run"},
        "runs": {
            "max_concurrent_runs": 2,
            "tag_concurrency_limits": [{"key": "dagster/partition", "limit": 1}],
        },
    }


def test_the_longest_job_ends_before_monitoring_ends_it(configuration):
    """A job's own limit speaks first; the instance's is for runs that have none."""
    from observer_pipeline.definitions import build_defs

    limits = [
        int(job.tags["dagster/max_runtime"])
        for job in build_defs(clock="real").resolve_all_job_defs()
        if "dagster/max_runtime" in job.tags
    ]
    assert len(limits) >= 4
    assert max(limits) < configuration["run_monitoring"]["max_runtime_seconds"]


def test_the_local_instance_has_the_same_guards(configuration):
    """What is proved on one machine holds in the cluster: storage driver, retries, ticks, nothing sent."""
    local = yaml.safe_load((ROOT / "dagster_home/dagster.yaml").read_text())
    assert local["storage"]["postgres"]["postgres_db"]["scheme"] == "postgresql+psycopg2"
    for section in ("run_retries", "telemetry", "nux"):
        assert local[section] == configuration[section], section
    assert (
        local["concurrency"]["pools"]["granularity"] == configuration["concurrency"]["pools"]["granularity"]
    )


def test_the_development_values_make_a_configuration_too(tmp_path):
    values = merged(ROOT / "helm-values/dagster.yaml", ROOT / "helm-values/dagster-dev.yaml")
    configuration = instance_configuration(values, Release("dagster"))
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(configuration))
    config, _ = dagster_instance_config(str(tmp_path))
    assert config["concurrency"]["runs"]["max_concurrent_runs"] == 1
    assert config["run_monitoring"]["start_timeout_seconds"] == 120
    assert config["run_launcher"]["config"]["image_pull_policy"] == "Never"
    assert "image_pull_secrets" not in config["run_launcher"]["config"]


def test_staging_is_production_with_one_run_at_a_time(configuration, tmp_path):
    """What differs of the instance is what the node has to share, and nothing else."""
    values = merged(ROOT / "helm-values/dagster.yaml", ROOT / "helm-values/dagster-staging.yaml")
    staging = instance_configuration(values, Release("dagster"))
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(staging))
    assert dagster_instance_config(str(tmp_path))[0]["concurrency"]["runs"]["max_concurrent_runs"] == 1
    staging["concurrency"]["runs"]["max_concurrent_runs"] = 2
    resources = staging["run_launcher"]["config"].pop("resources")
    assert resources["requests"] == {"cpu": "10m", "memory": "256Mi", "ephemeral-storage": "64Mi"}
    expected = copy.deepcopy(configuration)
    del expected["run_launcher"]["config"]["resources"]
    assert staging == expected


@pytest.mark.parametrize("name", ["dagster-webserver", "dagster-webserver-read-only", "dagster-daemon"])
def test_the_workspace_leads_to_the_code_locations_service(chart_objects, name):
    """Host and port are those of the Service that the other release makes."""
    assert any(one["kind"] == "Deployment" and one["metadata"]["name"] == name for one in chart_objects)
    [workspace] = [one for one in chart_objects if one["metadata"]["name"] == "dagster-workspace-yaml"]
    [entry] = yaml.safe_load(workspace["data"]["workspace.yaml"])["load_from"]
    [service] = [
        one for one in chart_objects
        if one["kind"] == "Service" and one["metadata"]["name"] == entry["grpc_server"]["host"]
    ]  # fmt: skip
    assert service["spec"]["ports"][0]["port"] == entry["grpc_server"]["port"]
    assert entry["grpc_server"]["location_name"] == "observer"


def test_the_programs_take_the_command_lines_of_the_charts(chart_objects, tmp_path):
    """An option that this version of Dagster does not have would stop a pod at its start."""
    (tmp_path / "workspace.yaml").touch()
    programs = {
        "dagster-webserver": dagster_webserver,
        "dagster-daemon": create_dagster_daemon_cli(),
        "dagster": create_dagster_cli(),
    }
    lines = [line for one in chart_objects if one["kind"] == "Deployment" for line in _command_lines(one)]
    # Two webservers, a daemon with two probes, a code location with three.
    assert len(lines) == 2 + 3 + 4
    for line in lines:
        here = [word.replace("/dagster-workspace", str(tmp_path)) for word in line]
        _parse(programs[line[0]], here)


def _command_lines(deployment):
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    command = container.get("command") or container["args"]
    yield shlex.split(command[2]) if command[0] == "/bin/bash" else command
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        if "exec" in container.get(probe, {}):
            yield container[probe]["exec"]["command"]


def _parse(command, line):
    """Parses as the program would, down to the last sub-command."""
    name, *words = line
    context = command.make_context(name, list(words), resilient_parsing=False)
    if isinstance(command, click.Group):
        rest = (
            [*context._protected_args, *context.args] if hasattr(context, "_protected_args") else context.args
        )
        name, sub, rest = command.resolve_command(context, rest)
        _parse(sub, [name, *rest])


def test_an_unknown_field_of_the_runs_pod_is_what_the_launcher_fails_on(configuration):
    """Helm takes it; no run could be started (HLM-002)."""
    given = copy.deepcopy(configuration["run_launcher"]["config"]["run_k8s_config"])
    given["pod_spec_config"]["enableServiceLink"] = False
    with pytest.raises(Exception, match="enableServiceLink"):
        UserDefinedDagsterK8sConfig.from_dict(given)


def test_null_in_the_runs_pod_is_what_the_launcher_fails_on(configuration):
    """Why HLM-005 forbids it: Helm passes null on where the chart has no default to take away."""
    given = copy.deepcopy(configuration["run_launcher"]["config"]["run_k8s_config"])
    UserDefinedDagsterK8sConfig.from_dict(given)
    given["pod_spec_config"]["nodeSelector"] = None
    with pytest.raises(AttributeError):
        UserDefinedDagsterK8sConfig.from_dict(given)
