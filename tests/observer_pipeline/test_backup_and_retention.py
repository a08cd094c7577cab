"""Backup and retention as Dagster runs them, on a real node with a real database."""

import shutil
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest
from pg_dump import require_pg_dump

from observer_core.settings.paths import Track

SEVERITY = {"WARN": dg.AssetCheckSeverity.WARN, "ERROR": dg.AssetCheckSeverity.ERROR}


@pytest.fixture
def run(deployment):
    """Runs a job that belongs to no trading day, and returns what it reported."""
    from .conftest import Run

    def execute(job: str) -> Run:
        result = deployment.defs.resolve_job_def(job).execute_in_process(
            instance=deployment.instance, raise_on_error=False
        )
        return Run(result, deployment.instance)

    return execute


@pytest.fixture
def target(deployment) -> Path:
    folder = deployment.folder / "second volume"
    folder.mkdir()
    deployment.set_environment(OBSERVER_BACKUP_TARGET=str(folder), OBSERVER_BACKUP_OTHER_DATABASES="postgres")
    return folder


@pytest.fixture
def journal(deployment):
    from .conftest import Journalist

    writer = Journalist(deployment.paths, {"005930": 70000})
    writer.write(9, 10)
    return writer


def test_without_a_target_nothing_is_done_and_nothing_is_claimed(run, journal):
    for job in ("ship_backup", "dump_databases"):
        done = run(job)
        assert done.success
        assert (done.metadata, done.checks) == ({}, {})


def test_what_is_sealed_leaves_and_the_checks_say_so(run, journal, target, deployment):
    done = run("ship_backup")
    assert done.metadata["backup/shipment"]["files_sent"].value == 8
    # All of the test lies on one disk.
    assert set(done.failed_checks) == {"backup/shipment:target_is_elsewhere"}
    assert run("ship_backup").metadata["backup/shipment"]["files_sent"].value == 0
    log = (deployment.folder / "logs/maintenance/backup.log").read_text()
    assert '"event": "backup.shipped"' in log


def test_a_target_that_is_away_is_a_warning_about_something_outside(run, journal, target):
    run("ship_backup")
    shutil.rmtree(target)
    for job, check in (
        ("ship_backup", "backup/shipment:target_answers"),
        ("dump_databases", "backup/dumps:last_dumps_are_good"),
    ):
        done = run(job)
        assert done.success
        assert done.failed_checks[check].startswith("WARN")
        assert done.checks[check].metadata["cause"].value == "external"


def test_a_target_of_another_deployment_is_an_error_of_our_configuration(run, journal, target):
    """No failure of something outside, and nothing that the next run makes up for."""
    (target / "owner.json").write_text('{"format": 1, "deployment": "observer-prod"}')
    for job, check in (
        ("ship_backup", "backup/shipment:target_answers"),
        ("dump_databases", "backup/dumps:last_dumps_are_good"),
    ):
        done = run(job)
        assert not done.success
        assert done.failed_checks[check].startswith("ERROR")
        assert "belongs to the deployment observer-prod" in done.failed_checks[check]
        assert done.checks[check].metadata["cause"].value == "configuration"
        assert "OBSERVER_BACKUP_TARGET" in done.checks[check].metadata["remedy"].value
        [failure] = done.failures.values()
        assert failure.user_failure_data.metadata["cause"].value == "configuration"
    assert [path.name for path in target.iterdir()] == ["owner.json"]


def test_a_damaged_segment_is_an_error_of_ours(run, journal, target, deployment):
    [segment, *_] = sorted((deployment.paths.data / "assets/scalp").rglob("*.jsonl"))
    segment.write_bytes(segment.read_bytes().replace(b"005930", b"005931", 1))
    failed = run("ship_backup").failed_checks
    assert failed["backup/shipment:sources_are_intact"].startswith("ERROR 1 files are damaged")


def test_both_databases_are_dumped_each_night(run, target, postgres):
    require_pg_dump(postgres)
    done = run("dump_databases")
    assert len(done.metadata["backup/dumps"]["dumps"].records) == 2
    assert done.failed_checks == {}
    assert len(list((target / "dumps").rglob("*.dump"))) == 2


def test_retention_shows_what_went_and_what_stays(run, deployment, monkeypatch):
    monkeypatch.setattr("observer_core.retention.facts.shutil.disk_usage", disk(free=90))
    later = deployment.day + timedelta(days=15)
    deployment.set_clock(deployment.at(20, 40, day=later))
    unclosed_day(deployment, deployment.day)
    unclosed_day(deployment, later)
    done = run("apply_retention")
    [held] = [
        one.data
        for one in done.metadata["retention"]["holdings"].records
        if one.data["why"].startswith("the day")
    ]
    assert (held["subject"], held["name"], held["went"]) == ("journal", "2026-09-15", False)
    assert done.failed_checks["retention:nothing_is_held_back"].startswith("WARN 1 holdings")
    assert done.checks["retention:volumes_have_room"].passed


def test_a_day_whose_journal_has_gone_can_be_run_again_and_still_adds_up(run, refreshed, target, monkeypatch):
    """A backfill of an old date: every check knows what was journaled, from the manifests that stayed."""
    monkeypatch.setattr("observer_core.retention.facts.shutil.disk_usage", disk(free=90))
    refreshed.journalist().write(*range(9, 21))
    refreshed.set_clock(refreshed.at(20, 10))
    closed = refreshed.run("close_day")
    assert closed.our_failed_checks == {}
    later = refreshed.day + timedelta(days=15)
    refreshed.set_clock(refreshed.at(20, 30, day=later))
    unclosed_day(refreshed, later)
    run("ship_backup")
    done = run("apply_retention")
    assert done.failed_checks == {}
    gone = {one.data["subject"] for one in done.metadata["retention"]["holdings"].records if one.data["went"]}
    assert gone == {"journal", "scalp_trades"}
    assert not refreshed.paths.journal(Track.SCALP, refreshed.day).exists()
    again = refreshed.run("close_day")
    assert again.success, again.failures
    assert again.our_failed_checks == {}
    assert again.rows == closed.rows


@pytest.mark.parametrize(("free", "severity"), [(14, "WARN"), (4, "ERROR")])
def test_little_room_is_told_and_grave_when_intake_is_in_danger(run, monkeypatch, free, severity):
    monkeypatch.setattr("observer_core.retention.facts.shutil.disk_usage", disk(free=free))
    check = run("apply_retention").checks["retention:volumes_have_room"]
    assert (check.passed, check.severity) == (False, SEVERITY[severity])


def disk(*, free: int):
    usage = type("Usage", (), {"total": 100, "free": free})
    return lambda _: usage


def unclosed_day(deployment, day: date) -> None:
    folder = deployment.paths.data / "assets" / "scalp" / f"{day:%Y%m%d}"
    folder.mkdir(parents=True)
    (folder / "0_09_000001.jsonl.open").write_bytes(b"")
