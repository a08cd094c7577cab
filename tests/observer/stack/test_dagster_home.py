"""The Dagster instance and workspace that are in the repository, and those that a stack writes."""

from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config
from dagster._core.workspace.load_target import WorkspaceFileTarget

from observer.stack import environment
from observer.stack.layout import StackFolder, project_root
from observer.stack.postgres import PostgresServer

HOME = project_root() / "dagster_home"


def test_the_instance_sends_nothing_and_covers_no_page_with_a_dialog() -> None:
    """Telemetry and the first visitor's dialog are off; an unknown key would raise here."""
    config, _ = dagster_instance_config(str(HOME))
    assert config["telemetry"] == {"enabled": False}
    assert config["nux"] == {"enabled": False}


def test_the_instance_opens_on_a_real_postgres(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Storage through dagster-postgres by environment variables alone; one run at a time, watched."""
    with PostgresServer(tmp_path / "pg", databases=("dagster",), durable=False) as server:
        folder = StackFolder(project_root(), tmp_path / "stack")
        for name, value in environment.dagster(folder, server.settings("dagster")).items():
            monkeypatch.setenv(name, value)
        with dg.DagsterInstance.from_config(str(HOME)) as instance:
            assert instance.get_runs_count() == 0
            assert type(instance.run_storage).__module__.startswith("dagster_postgres")
            assert instance.run_monitoring_enabled
            assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == 1


def test_the_workspace_names_the_code_location_as_the_stack_serves_it() -> None:
    """`dagster dev` and the stack show the same location under the same name."""
    path = project_root() / "workspace.yaml"
    [location] = yaml.safe_load(path.read_text())["load_from"]
    assert location["python_module"]["module_name"] == "observer_pipeline.definitions"
    [origin] = WorkspaceFileTarget(paths=[str(path)]).create_origins()
    assert origin.location_name == "observer"
