"""The job of wide backfills: what `close_day` does, with a pod for each step, where a deployment says so."""

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob

from observer_core.errors import ConfigurationError
from observer_pipeline.definitions import build_defs
from observer_pipeline.step_pods import WRITERS, pod_for_each_step

WIDE = build_defs(clock="real", wide_backfills=True)


def names(definitions: dg.Definitions) -> set[str]:
    return {job.name for job in definitions.resolve_all_job_defs()}


def test_it_is_there_only_where_the_deployment_says_so(monkeypatch):
    """Everywhere else there is nothing that could make pods."""
    assert "backfill_days" not in names(build_defs(clock="real", wide_backfills=False))
    monkeypatch.delenv("OBSERVER_WIDE_BACKFILLS", raising=False)
    assert "backfill_days" not in names(build_defs(clock="real"))
    monkeypatch.setenv("OBSERVER_WIDE_BACKFILLS", "1")
    assert "backfill_days" in names(build_defs(clock="real"))


def test_it_does_what_the_close_of_a_day_does():
    """The same assets, checks, steps and days."""
    wide, close = WIDE.resolve_job_def("backfill_days"), WIDE.resolve_job_def("close_day")
    assert wide.asset_layer.selected_asset_keys == close.asset_layer.selected_asset_keys
    assert wide.asset_layer.asset_graph.asset_check_keys == close.asset_layer.asset_graph.asset_check_keys
    assert {node.name for node in wide.nodes} == {node.name for node in close.nodes}
    assert wide.partitions_def == close.partitions_def
    assert set(WRITERS) <= {node.name for node in wide.nodes}


def test_every_other_job_stays_one_process():
    executors = {job.name: job.executor_def for job in WIDE.resolve_all_job_defs()}
    assert executors.pop("backfill_days") is pod_for_each_step
    assert set(executors.values()) == {dg.in_process_executor}


def test_nothing_asks_for_it_by_itself():
    """A person starts a backfill, and sees to the room that it takes."""
    named = {schedule.job_name for schedule in WIDE.schedules or []}
    named |= {target.job_name for sensor in WIDE.sensors or [] for target in sensor.targets}
    assert "close_day" in named
    assert "backfill_days" not in named


def test_where_runs_are_no_pods_it_says_what_to_ask_for_instead():
    """The setting without the cluster: a laptop, a test."""
    with dg.instance_for_test() as instance:
        job = InMemoryJob(WIDE.resolve_job_def("backfill_days"))
        context = dg.InitExecutorContext(job, pod_for_each_step, {}, instance)
        with pytest.raises(ConfigurationError, match="DefaultRunLauncher") as refused:
            pod_for_each_step.executor_creation_fn(context)
    assert "close_day" in refused.value.remedy
