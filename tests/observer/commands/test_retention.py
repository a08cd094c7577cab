"""`observer retention`, and `observer backup` where there is nothing to back up to."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    for name in ("data", "logs", "config", "universe"):
        (tmp_path / name).mkdir()
    old = tmp_path / "logs/system/collector.log.3"
    old.parent.mkdir()
    old.write_text("long ago")
    os.utime(old, (0, 0))
    (tmp_path / "data/assets/scalp/20260922").mkdir(parents=True)
    (tmp_path / "data/assets/scalp/20260923").mkdir(parents=True)
    return {
        "PATH": os.environ["PATH"],
        "OBSERVER_DATA_DIR": str(tmp_path / "data"),
        "OBSERVER_LOG_DIR": str(tmp_path / "logs"),
        "OBSERVER_CONFIG_DIR": str(tmp_path / "config"),
        "OBSERVER_SNAPSHOT_DIR": str(tmp_path / "universe"),
    }


def observer(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "observer", *words],
        env=environment, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip


def test_a_plan_shows_what_would_go_and_why_the_rest_stays_and_apply_does_it(environment):
    old = Path(environment["OBSERVER_LOG_DIR"]) / "system/collector.log.3"
    planned = observer(environment, "retention", "plan", "--no-database")
    assert planned.returncode == 0, planned.stderr
    lines = [" ".join(line.split()) for line in planned.stdout.splitlines()]
    assert "log system/collector.log.3 0.0 MB would go" in lines
    assert "journal 2026-09-22 0.0 MB stays: the day is not closed" in lines
    assert any(line.startswith("journal 2026-09-23 0.0 MB stays: it is the newest day") for line in lines)
    assert old.exists()
    applied = observer(environment, "retention", "apply", "--no-database")
    assert applied.returncode == 0, applied.stderr
    assert "1 went" in applied.stdout
    assert not old.exists()
    log = Path(environment["OBSERVER_LOG_DIR"]) / "maintenance/retention.log"
    assert '"event": "retention.gone"' in log.read_text()


def test_without_a_target_the_command_says_which_variable_is_missing(environment):
    refused = observer(environment, "backup", "status")
    assert refused.returncode == 1
    assert "Set OBSERVER_BACKUP_TARGET" in refused.stderr


def test_an_unreachable_database_is_a_problem_and_the_rest_goes(environment):
    applied = observer({**environment, "DB_HOST": "127.0.0.1", "DB_PORT": "9"}, "retention", "apply")
    assert applied.returncode == 1
    assert "problem   PostgreSQL at 127.0.0.1:9 failed" in applied.stdout
    assert "1 went" in applied.stdout
