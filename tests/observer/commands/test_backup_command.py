"""`observer backup` with one target and more than one deployment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def node(tmp_path):
    """Makes the environment of a node's pod; with a symbols file of its own where it says something."""
    (tmp_path / "target").mkdir()

    def make(name: str, *, namespace: str = "", symbols: str = "") -> dict[str, str]:
        for mount in ("data/symbols", "logs", "config", "universe"):
            (tmp_path / name / mount).mkdir(parents=True)
        if symbols:
            (tmp_path / name / "data/symbols/symbols_20261120.json").write_text(symbols)
        return {
            "PATH": os.environ["PATH"],
            "OBSERVER_DATA_DIR": str(tmp_path / name / "data"),
            "OBSERVER_LOG_DIR": str(tmp_path / name / "logs"),
            "OBSERVER_CONFIG_DIR": str(tmp_path / name / "config"),
            "OBSERVER_SNAPSHOT_DIR": str(tmp_path / name / "universe"),
            "OBSERVER_BACKUP_TARGET": str(tmp_path / "target"),
            "POD_NAMESPACE": namespace,
        }

    return make


def backup(environment: dict[str, str], *words: str) -> tuple[int, str]:
    """Returns exit status and everything that was said."""
    done = subprocess.run(
        [sys.executable, "-m", "observer", "backup", *words],
        env=environment,
        text=True,
        check=False,
        timeout=100,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    return done.returncode, done.stdout


def test_the_second_of_two_deployments_is_refused_and_the_first_ones_files_come_back(node):
    """Production and staging with one line in both backup.env; no database is asked before that is told."""
    production = node("production", namespace="observer-prod", symbols='{"who":"production"}')
    staging = node("staging", namespace="observer-staging", symbols='{"who":"staging"}')
    assert backup(production, "ship")[0] == 0
    for words in (["ship"], ["dump"], ["status"], ["verify"], ["restore", "files"], ["restore", "dump"]):
        status, said = backup(staging, *words)
        assert status == 1, said
        assert "belongs to the deployment observer-prod, and this one is observer-staging" in said
        assert "OBSERVER_BACKUP_TARGET" in said
    new = node("new", namespace="observer-prod")
    assert backup(new, "restore", "files")[0] == 0
    restored = Path(new["OBSERVER_DATA_DIR"]) / "symbols/symbols_20261120.json"
    assert restored.read_text() == '{"who":"production"}'


def test_a_renamed_deployment_takes_its_target_over_by_a_command_that_names_the_former(node):
    before = node("node", namespace="observer-prod", symbols="{}")
    assert backup(before, "ship")[0] == 0
    renamed = {**before, "POD_NAMESPACE": "market"}
    status, said = backup(renamed, "take-over", "--from", "observer")
    assert (status, "it belongs to observer-prod" in said) == (1, True), said
    status, said = backup(renamed, "take-over", "--from", "observer-prod")
    assert (status, "belongs to market." in said) == (0, True), said
    assert "owner     market" in backup(renamed, "status")[1]
    assert "this one is observer-prod" in backup(before, "ship")[1]


def test_a_drill_in_another_namespace_names_the_deployment_for_one_command(node):
    """What it has restored is production's; what the pod does without the name is refused as before."""
    assert backup(node("production", namespace="observer-prod", symbols="{}"), "ship")[0] == 0
    drill = node("drill", namespace="drill")
    assert backup({**drill, "OBSERVER_BACKUP_DEPLOYMENT": "observer-prod"}, "restore", "files")[0] == 0
    assert "this one is drill" in backup(drill, "ship")[1]
