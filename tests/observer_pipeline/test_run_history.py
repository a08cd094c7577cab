"""Dagster forgets what a later run tells too, and nothing else."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from observer_pipeline.run_history import purge_runs

DAYS = dg.StaticPartitionsDefinition(["2026-09-14", "2026-09-15"])
LATER = datetime.now(UTC) + timedelta(hours=1)


@dg.asset(partitions_def=DAYS)
def table(context: dg.AssetExecutionContext) -> None:
    context.log_event(dg.AssetObservation("journal", partition=context.partition_key))


@dg.asset
def report() -> None:
    pass


@dg.op
def fails() -> None:
    raise RuntimeError


@dg.job
def broken() -> None:
    fails()


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def make(instance, asset, day=None) -> str:
    return dg.materialize([asset], instance=instance, partition_key=day).run_id


def made_days(instance) -> set[str]:
    return instance.get_materialized_partitions(table.key)


def test_a_run_whose_day_was_made_again_goes_and_the_last_of_each_day_stays(instance):
    first = [make(instance, table, "2026-09-14"), make(instance, table, "2026-09-15"), make(instance, report)]
    last = [make(instance, table, "2026-09-15"), make(instance, report)]
    failed = broken.execute_in_process(instance=instance, raise_on_error=False).run_id
    done = purge_runs(instance, before=LATER, rehearse=False)
    assert set(done.gone) == {first[1], first[2], failed}
    assert {run.run_id for run in instance.get_runs()} == {first[0], *last}
    assert made_days(instance) == {"2026-09-14", "2026-09-15"}
    assert instance.get_latest_materialization_event(report.key).run_id == last[1]
    held = {run.run_id: run.holds for run in done.runs if not run.goes}
    assert held[first[0]] == ("journal 2026-09-14", "table 2026-09-14")
    assert done.jobs["broken"] == (1, 1)
    again = purge_runs(instance, before=LATER, rehearse=False)
    assert (again.gone, again.in_all) == ((), 3)


def test_a_rehearsal_deletes_nothing_and_tells_the_same(instance):
    for _ in range(3):
        make(instance, report)
    done = purge_runs(instance, before=LATER, rehearse=True)
    assert (done.due, done.gone, instance.get_runs_count()) == (2, (), 3)
    assert purge_runs(instance, before=LATER, rehearse=False).due == 2


def test_what_is_not_old_stays(instance):
    for _ in range(2):
        make(instance, report)
    assert purge_runs(instance, before=LATER - timedelta(days=1), rehearse=False).runs == ()


def test_a_large_backlog_takes_several_nights(instance):
    for _ in range(4):
        make(instance, report)
    assert len(purge_runs(instance, before=LATER, rehearse=False, most=2).gone) == 2
    assert len(purge_runs(instance, before=LATER, rehearse=False, most=2).gone) == 1
    assert instance.get_runs_count() == 1


def test_the_job_rehearses_when_it_is_told_to(mounts):
    """Its figures stand in the materialization, and the check says that a rehearsal judges nothing."""
    job = mounts.defs.resolve_job_def("purge_runs")
    config = {"ops": {"run_history": {"config": {"dry_run": True}}}}
    for run_config, deleted in ((config, True), ({}, False)):
        run = job.execute_in_process(instance=mounts.instance, run_config=run_config)
        [made] = run.asset_materializations_for_node("run_history")
        assert made.metadata["dry_run"].value is deleted
        assert made.metadata["deleted"].value == 0
        [check] = run.get_asset_check_evaluations()
        assert check.passed
