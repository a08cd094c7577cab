"""The component `wide-backfills`: runs of `backfill_days` whose steps are pods, with the rights of its role.

The run's pod has its account's token, a step's pod has none: without one, the launcher's configuration cannot
be loaded.
"""

import asyncio
import gc
import io
import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import kept_days
import pytest
import yaml
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.storage.dagster_run import DagsterRunStatus as Status
from dagster._core.storage.dagster_run import RunsFilter
from dagster._daemon.backfill import execute_backfill_iteration
from journalist import Journalist
from kubernetes_emulator import NodeImage
from renderings import ROOT, render

from observer.stack.postgres import PostgresServer
from observer_contracts.declaration.build import declare
from observer_contracts.engine import Verification, verify
from observer_contracts.evidence.manifests import read_manifests
from observer_contracts.model import Status as Verdict
from observer_core.clock import open_clock
from observer_core.lake.instruments import build_instruments
from observer_core.reference.choosing import build_symbols
from observer_core.reference.stages import PackagedListingStage
from observer_core.reference.universe import ensure_universe
from observer_core.settings import Paths, PathSettings, UniverseSettings
from observer_pipeline.assets.credentials import BROKER_POOL
from observer_pipeline.definitions import build_defs

LOG = logging.getLogger("test.backfill")
COMPONENT = "wide-backfills"
# Over, by the clock of the deployment.
DAYS = ("2026-09-11", "2026-09-14")
DAY = DAYS[1]
SOME_STEPS = ["compaction", "day_close"]
ALL_STEPS = {
    "compaction", "bars", "corporate_actions", "warehouse_load", "daily_official", "day_close",
    "completeness", "lake_contracts", "bars_contracts", "corporate_actions_contracts", "warehouse_contracts",
    "official_contracts", "day_contracts", "freshness_contracts",
}  # fmt: skip
# Nothing makes them, so that the page, which asks for assets with their checks, does not ask for theirs.
OBSERVED = {"collector", "scalp_journal", "swing_journal"}
WRITERS = {"compaction", "bars", "day_close"}
# Days that no other test here is about.
WHOLE_DAYS = ("2026-09-09", "2026-09-10")
HOURS = range(9, 21)
# A day is more than a dozen processes, on a machine that may have other work.
LONG = 1500.0
OF_A_STEP = {"DAGSTER_RUN_JOB_NAME", "DAGSTER_RUN_STEP_KEY", "DAGSTER_COMPRESSED_EXECUTE_STEP_ARGS"}
# Runs go on, and what they start for a step waits.
STEPS_THAT_HANG = (
    "/bin/sh",
    "-c",
    'case "$*" in *execute_step*) exec sleep 500 ;; *) exec "$@" ;; esac',
    "-",
)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """The objects of the production overlay with the component."""
    return render(tmp_path_factory.mktemp("rendered"), "production", (COMPONENT,)).documents


@pytest.fixture(scope="module")
def value_files():
    """The values of Dagster's release with those of the component."""
    return [ROOT / "helm-values/dagster.yaml", ROOT / f"deploy/components/{COMPONENT}/dagster-values.yaml"]


@pytest.fixture
def hanging(deployment):
    """Lets the pods of steps start and do nothing."""
    images = dict(deployment.kubelet.images)
    for name, image in images.items():
        deployment.kubelet.images[name] = NodeImage(image.environment, STEPS_THAT_HANG)
    yield
    deployment.kubelet.images.update(images)


@pytest.fixture
def paths(deployment):
    """The layout of the volumes, as this machine has it."""
    folder = deployment.folder
    return Paths(PathSettings.load({"OBSERVER_DATA_DIR": str(folder / "data"),
                                    "OBSERVER_LOG_DIR": str(folder / "logs"),
                                    "OBSERVER_CONFIG_DIR": str(folder / "config"),
                                    "OBSERVER_SNAPSHOT_DIR": str(folder / "universe")}))  # fmt: skip


def _ended(deployment, run_id):
    deployment.until(run_id, Status.SUCCESS, Status.FAILURE, Status.CANCELED, seconds=LONG)
    return deployment.status(run_id)


@pytest.mark.timeout(1800)
def test_a_day_that_pods_have_closed_is_the_one_that_one_process_closes(
    deployment, paths, postgres, tmp_path
):
    """Every step and check of the job; a hole and a bad line are judged alike."""
    closing = Closing(deployment, paths, postgres, tmp_path, (DAY,), symbols=3, bad=1)
    closing.record()
    run_id = deployment.launch("backfill_days", DAY)
    alone = closing.compare({DAY: run_id})
    assert _told(deployment, run_id) == alone[DAY]


@pytest.mark.soak
@pytest.mark.skipif(not os.environ.get("OBSERVER_SOAK"), reason="minutes: OBSERVER_SOAK=1 runs it")
@pytest.mark.timeout(3600)
def test_days_that_a_backfill_has_closed_are_those_that_one_process_closes(
    deployment, paths, postgres, tmp_path
):
    """Side by side, as the page asks for them, which leaves out the checks of what is observed only."""
    closing = Closing(deployment, paths, postgres, tmp_path, WHOLE_DAYS, symbols=12, bad=0)
    closing.record()
    runs = _backfill(deployment, WHOLE_DAYS)
    alone = closing.compare(runs)
    assert _outcome(deployment, WHOLE_DAYS) is BulkActionStatus.COMPLETED_SUCCESS
    for day, run_id in runs.items():
        judged = {check: told for check, told in alone[day].items() if check.split(":")[0] not in OBSERVED}
        assert _told(deployment, run_id) == judged
        assert len(judged) < len(alone[day])


@dataclass
class Closing:
    """The same days twice: on the volumes of the cluster, and in a folder and a database of their own.

    Attributes:
        deployment: The cluster.
        paths: Its volumes.
        postgres: The server of both databases.
        folder: What is written without the cluster.
        days: The trading days.
        symbols: So many have three trades, a book and a sweep row in each hour.
        bad: So many holes, and lines that cannot be read, are in each day.
    """

    deployment: Any
    paths: Paths
    postgres: PostgresServer
    folder: Path
    days: Sequence[str]
    symbols: int
    bad: int

    def record(self) -> None:
        """Leaves of each day what its morning and the collector would."""
        clock = open_clock(f"shared:{self.deployment.folder / 'clock'}")
        for day in map(date.fromisoformat, self.days):
            known = asyncio.run(build_symbols(self.paths, day, (PackagedListingStage(),), clock))
            universe = ensure_universe(self.paths, known, UniverseSettings.load({}), day)
            build_instruments(self.paths, day)
            prices = {one.code: one.base_price for one in universe.symbols[: self.symbols]}
            Journalist(self.paths, prices, day).write(*HOURS, holes=self.bad, unreadable=self.bad)
        shutil.copytree(self.paths.data, self.folder / "data")

    def compare(self, runs: dict[str, str]) -> dict[str, dict[str, Any]]:
        """Holds what pods have made of the days against the journal, and against one process.

        Args:
            runs: Day -> run of the job.

        Returns:
            Day -> check -> verdict, by one process.
        """
        for run_id in runs.values():
            assert _ended(self.deployment, run_id) is Status.SUCCESS, self.deployment.messages(run_id)
            _are_the_runs_without_its_rights(self.deployment, run_id, self.folder)
        alone = self._in_one_process(self.deployment.environment(runs[self.days[0]]))
        for day in self.days:
            lake = kept_days.in_lake(self.paths.data, day)
            journal = kept_days.journaled(self.paths.data, day)
            journal -= kept_days.quarantined(self.paths.data, day)
            assert {table: lake[table].rows for table in journal} == journal
            assert journal["scalp_trades"] == 3 * len(HOURS) * self.symbols
            assert journal["gaps"] == self.bad
            assert lake == kept_days.in_lake(self.folder / "data", day)
            warehouse = kept_days.in_postgres(self.postgres, "observer", day)
            assert warehouse["scalp_trades"].rows == journal["scalp_trades"]
            assert warehouse == kept_days.in_postgres(self.postgres, "other", day)
        return alone

    def _in_one_process(self, environment: dict[str, str]) -> dict[str, dict[str, Any]]:
        instance = dg.DagsterInstance.ephemeral()
        try:
            with pytest.MonkeyPatch.context() as patch:
                # The broker's token stays where it is: no second one is given within a minute.
                here = {"OBSERVER_DATA_DIR": str(self.folder / "data"), "DB_NAME": "other"}
                for name, value in (environment | here).items():
                    patch.setenv(name, value)
                job = build_defs().resolve_job_def("close_day")
                runs = [job.execute_in_process(partition_key=day, instance=instance) for day in self.days]
            for run in runs:
                assert {event.step_key for event in run.all_events if event.is_step_success} == ALL_STEPS
            return {day: _verdicts(run.all_events) for day, run in zip(self.days, runs, strict=True)}
        finally:
            instance.dispose()
            # Sqlite wants its connections to end in the thread that opened them.
            gc.collect()


def _told(deployment, run_id):
    events = [entry.dagster_event for entry in deployment.instance.all_logs(run_id)]
    return _verdicts([event for event in events if event])


def _verdicts(events):
    """Returns `asset:check` -> verdict."""
    judged = [
        event.asset_check_evaluation_data
        for event in events
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    return {
        f"{one.asset_key.to_user_string()}:{one.check_name}": (one.passed, one.severity, one.description)
        for one in judged
    }


def _are_the_runs_without_its_rights(deployment, run_id, folder):
    """Image, volumes, environment and contexts of a step are the run's; account, token and memory are not."""
    run, steps = deployment.job(run_id), deployment.steps(run_id)
    assert steps.keys() == ALL_STEPS
    deployment.wait(lambda: all(job["status"].get("succeeded") for job in steps.values()), "the Jobs' end")
    pod = run["spec"]["template"]["spec"]
    assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == ("dagster-backfills", True)
    assert pod["containers"][0]["resources"]["limits"]["memory"] == "1536Mi"
    for step, job in steps.items():
        own = job["spec"]["template"]["spec"]
        assert (own["serviceAccountName"], own["automountServiceAccountToken"]) == ("dagster-runs", False)
        assert _contract(own) == _contract(pod)
        resources = own["containers"][0]["resources"]
        asked = "1536Mi" if step in WRITERS else "512Mi"
        assert (resources["requests"]["memory"], resources["limits"]["memory"]) == (asked, "4Gi")
        assert job["spec"]["ttlSecondsAfterFinished"] == run["spec"]["ttlSecondsAfterFinished"]
        assert job["metadata"]["labels"]["app.kubernetes.io/component"] == "step_worker"
    of_charts = [
        one
        for one in deployment.cluster.objects["ConfigMap"]
        if one["metadata"]["name"].startswith("dagster")
    ]
    text = yaml.safe_dump_all([*deployment.documents, *of_charts, run, *steps.values()])
    (folder / "all.yaml").write_text(text)
    results = verify(Verification(declare(), read_manifests([str(folder / "all.yaml")], io.BytesIO())))
    about = [one for one in results if "dagster-step" in one.finding.object]
    assert {"RUN-001", "PSS-001", "RES-001"} <= {one.rule.id for one in about}
    assert [one for one in about if one.status is Verdict.FAIL] == []


def _contract(pod):
    """Returns what the contracts say of a pod: everything but the command, the account, and the memory."""
    kept = {key: value for key, value in pod.items()
            if key not in ("serviceAccountName", "automountServiceAccountToken", "containers")}  # fmt: skip
    [container] = pod["containers"]
    kept |= {key: value for key, value in container.items()
             if key not in ("args", "name", "env", "resources")}  # fmt: skip
    kept["env"] = [one for one in container["env"] if one["name"] not in OF_A_STEP]
    return kept


def test_a_failing_step_fails_the_run_and_leaves_out_what_needs_it(deployment):
    """The error is on the run's page, as in one process; the run's Job counts as failed."""
    with deployment.setting(OBSERVER_DATA_DIR="/nowhere/data"):
        run_id = deployment.launch("backfill_days", DAY, SOME_STEPS)
        assert _ended(deployment, run_id) is Status.FAILURE
        deployment.wait(lambda: deployment.job(run_id)["status"].get("failed") == 1, "the Job's end")
    assert "OBSERVER_DATA_DIR" in deployment.messages(run_id)
    assert list(deployment.steps(run_id)) == SOME_STEPS[:1]
    assert "Dependencies for step day_close failed" in deployment.messages(run_id)


@pytest.mark.usefixtures("hanging")
def test_the_days_of_a_backfill_run_side_by_side_and_end_with_their_steps(deployment):
    """Neither the broker's pool nor the tag of a day holds another day back, and a day runs once at a time.

    A step that is killed fails its run, which says what became of it; a run that is terminated ends its step.
    """
    # What the first run of a deployment leaves: only a pool that is known holds anything back.
    pools = deployment.instance.event_log_storage
    assert BROKER_POOL in pools.get_concurrency_keys() or pools.initialize_concurrency_limit_to_default(
        BROKER_POOL
    )
    runs = _backfill(deployment, DAYS)
    again = deployment.launch("backfill_days", DAY)
    assert deployment.status(again) is Status.QUEUED
    assert Status.QUEUED not in {deployment.status(run_id) for run_id in runs.values()}
    for run_id in runs.values():
        deployment.wait(lambda of=run_id: len(_running_steps(deployment, of)) == 1, "the first step")
    lost, left = (runs[day] for day in DAYS)
    assert deployment.instance.run_launcher.terminate(left)
    deployment.until(left, Status.CANCELED)
    deployment.wait(lambda: not deployment.pods(left) and not deployment.steps(left), "the end of both")
    deployment.kubelet.kill(*_running_steps(deployment, lost))
    assert _ended(deployment, lost) is Status.FAILURE
    name = deployment.steps(lost)["compaction"]["metadata"]["name"]
    assert f"Discovered failed Kubernetes job {name} for step compaction" in deployment.messages(lost)
    assert list(deployment.steps(lost)) == ["compaction"]


def _backfill(deployment, days):
    """Asks for a backfill of the job as its page does; returns its launched runs by day."""
    location = deployment.process.create_request_context().get_code_location("observer")
    repository = next(iter(location.get_repositories().values()))
    [partitions] = [one for one in repository.get_partition_sets() if one.job_name == "backfill_days"]
    backfill = PartitionBackfill(
        _name(days), BulkActionStatus.REQUESTED, False, {}, 0.0,
        partition_set_origin=partitions.get_remote_origin(), partition_names=list(days),
        asset_selection=repository.get_asset_keys_in_job("backfill_days"),
    )  # fmt: skip
    deployment.instance.add_backfill(backfill)
    assert _outcome(deployment, days) is BulkActionStatus.REQUESTED
    deployment.dequeue()
    runs = deployment.instance.get_runs(RunsFilter(tags={"dagster/backfill": _name(days)}))
    assert {run.job_name for run in runs} == {"backfill_days"}
    return {run.tags["dagster/partition"]: run.run_id for run in runs}


def _name(days):
    return f"{days[0]}_{len(days)}"


def _outcome(deployment, days):
    """Does once what the daemon does with its backfills; returns what became of one."""
    assert [error for error in execute_backfill_iteration(deployment.process, LOG) if error] == []
    return deployment.instance.get_backfill(_name(days)).status


def _running_steps(deployment, run_id):
    jobs = {job["metadata"]["name"] for job in deployment.steps(run_id).values()}
    labels = {pod["metadata"]["name"]: pod["metadata"]["labels"] for pod in deployment.cluster.objects["Pod"]}
    return [pod for pod in deployment.kubelet.running() if labels.get(pod, {}).get("job-name") in jobs]


def test_the_role_covers_exactly_the_calls_that_were_made(deployment, request):
    """Each right of the component's role was used above, and nothing else was asked for, by nobody else."""
    here = {item.originalname for item in request.session.items if item.path == request.path}
    if not {name for name in globals() if name.startswith("test_")} <= here:
        pytest.skip("only where all tests of this file have run")
    assert deployment.server.asked_by.keys() == {"dagster-backfills"}
    asked = deployment.server.asked_by["dagster-backfills"]
    [role] = [
        one for one in deployment.documents
        if one["kind"] == "Role" and one["metadata"]["name"] == "dagster-backfills"
    ]  # fmt: skip
    allowed = {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert {(one.group, one.resource, one.verb) for one in asked} == allowed
