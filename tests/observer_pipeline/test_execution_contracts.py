"""The execution contracts in Dagster: a check for each contract, since when, and a report; no run fails."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
import yaml

from observer_contracts.catalogue import BY_ID
from observer_contracts.evidence import kustomize
from observer_contracts.model import Contract, Finding, Result, Source, Status
from observer_pipeline.checks.execution_contracts import contracts_of, judged, overall
from observer_pipeline.contract_evidence import ContractEvidence
from observer_pipeline.schedules import verify_contracts_hourly
from observer_pipeline.sensors import deployment_changed

ROOT = Path(__file__).resolve().parents[2]
OVERLAY = ROOT / "deploy/overlays/production"


class Verified:
    """What a run of the job has reported."""

    def __init__(self, result: dg.ExecuteInProcessResult) -> None:
        self.success = result.success
        self.checks = {
            f"{one.asset_key.path[-1]}:{one.check_name}": one for one in result.get_asset_check_evaluations()
        }
        self.assets = {
            event.asset_key.path[-1]: event.step_materialization_data.materialization.metadata
            for event in result.all_events
            if event.is_step_materialization
        }

    def failed(self) -> dict[str, str]:
        return {name: one.severity.value for name, one in self.checks.items() if not one.passed}


@pytest.fixture
def verify(deployment):
    """Runs the job as its schedule does."""

    def verified(**variables: str) -> Verified:
        deployment.set_environment(**{"OBSERVER_CONTRACT_SOURCES": "manifests", **variables})
        job = deployment.defs.resolve_job_def("verify_contracts")
        result = job.execute_in_process(instance=deployment.instance, raise_on_error=False)
        return Verified(result)

    return verified


@pytest.fixture(scope="module")
def documents() -> list[dict]:
    text = kustomize.render(OVERLAY, kustomize.read_sources(OVERLAY))
    return list(yaml.safe_load_all(text))


@pytest.fixture
def broken(documents, tmp_path) -> Path:
    """The production overlay, whose root file system can be written."""
    changed = json.loads(json.dumps(documents))
    deployment = next(one for one in changed if one["kind"] == "Deployment")
    security = deployment["spec"]["template"]["spec"]["containers"][0]["securityContext"]
    security["readOnlyRootFilesystem"] = False
    path = tmp_path / "broken.yaml"
    path.write_text(yaml.safe_dump_all(changed))
    return path


def test_our_own_manifests_pass_every_check(verify):
    run = verify()
    assert run.success
    assert run.failed() == {}
    assert {name.partition(":")[0] for name in run.checks} == {"manifests", "report"}
    assert len(run.checks) == len(contracts_of(Source.MANIFESTS)) + 1


def test_a_broken_contract_fails_its_check_and_no_other(verify, broken):
    run = verify(OBSERVER_CONTRACT_MANIFESTS=str(broken))
    assert run.success
    assert run.failed() == {"manifests:security": "ERROR", "report:no_contract_broken": "ERROR"}
    check = run.checks["manifests:security"]
    assert check.description.startswith("CTX-001 at Deployment/observer")
    [row] = [row.data for row in check.metadata["offenders"].records if row.data["state"] == "FAIL"]
    assert (row["rule"], row["object"], row["severity"]) == ("CTX-001", "Deployment/observer", "critical")
    assert row["remedy"]


def test_since_when_is_known_and_kept(verify, deployment, broken):
    """A state begins with the verification that saw it first."""

    def since(run: Verified) -> str:
        return run.checks["manifests:security"].metadata["offenders"].records[0].data["since"]

    deployment.set_clock(deployment.at(9, 25))
    first = since(verify(OBSERVER_CONTRACT_MANIFESTS=str(broken)))
    deployment.set_clock(deployment.at(11, 25))
    again = since(verify(OBSERVER_CONTRACT_MANIFESTS=str(broken)))
    assert first.startswith("2026-09-15 09:25")
    assert datetime.fromisoformat(again.removesuffix(" UTC") + "+00:00") == datetime(
        2026, 9, 15, 0, 25, tzinfo=UTC
    )


def test_the_report_can_be_read(verify, deployment, broken):
    run = verify(OBSERVER_CONTRACT_MANIFESTS=str(broken))
    preview = run.assets["report"]["preview"].value
    assert "# Execution contracts" in preview
    assert "CTX-001" in preview
    path = deployment.paths.contract_report
    assert run.assets["report"]["path"].value == str(path)
    assert "CTX-001" in path.read_text()


def test_a_cluster_that_is_away_is_a_failed_evaluation(verify, tmp_path, monkeypatch):
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    run = verify(OBSERVER_CONTRACT_SOURCES="manifests,live")
    assert run.success
    live = {name: state for name, state in run.failed().items() if name.startswith("live:")}
    assert live == {
        f"live:{contract.value.replace('-', '_')}": "WARN" for contract in contracts_of(Source.LIVE)
    }
    assert not any(name.startswith("manifests:") for name in run.failed())


def test_a_path_that_is_not_there_is_a_failed_evaluation(verify, tmp_path):
    run = verify(OBSERVER_CONTRACT_MANIFESTS=str(tmp_path / "nowhere"))
    assert run.success
    assert set(run.failed().values()) == {"WARN"}
    assert "nowhere" in run.checks["manifests:path"].description


def test_parameters_that_cannot_be_read_are_a_failed_evaluation(verify, tmp_path):
    wrong = tmp_path / "contracts.yaml"
    wrong.write_text("format: 1\nnamespace: [\n")
    run = verify(OBSERVER_CONTRACT_PARAMETERS=str(wrong))
    assert run.success
    assert "contracts.yaml" in run.checks["manifests:path"].description
    assert run.failed()["manifests:path"] == "WARN"


def test_a_database_that_is_away_costs_the_history_only(verify, broken):
    run = verify(OBSERVER_CONTRACT_MANIFESTS=str(broken), DB_PORT="9", DB_HOST="127.0.0.1")
    assert run.success
    assert "manifests:security" in run.failed()
    assert run.checks["manifests:security"].metadata["offenders"].records[0].data["since"] == ""


def test_evidence_that_this_deployment_does_not_have_leaves_its_checks_alone(verify):
    run = verify(OBSERVER_CONTRACT_SOURCES="manifests")
    assert set(run.assets) == {"manifests", "report"}


def _result(rule: str, status: Status, source: Source = Source.RUNTIME) -> Result:
    return Result(BY_ID[rule], Finding(status, "Pod/observer-0", "expected", "observed"), source)


def _verdicts(*results: Result) -> dict[str, tuple[bool, str]]:
    found = judged(Source.RUNTIME, results, {})
    return {one.check_name: (one.passed, one.severity.value) for one in found}


def test_a_failure_of_the_broker_leaves_the_contracts_green():
    """It is a state of its own: EGW00103."""
    everything = [_result(rule.id, Status.PASS) for rule in BY_ID.values() if Source.RUNTIME in rule.checks]
    external = {"SEC-010", "NET-001", "PRB-002"}
    seen = [
        replace(one, finding=replace(one.finding, status=Status.EXTERNAL)) if one.rule.id in external else one
        for one in everything
    ]
    verdicts = _verdicts(*seen)
    assert {name for name, (passed, _) in verdicts.items() if not passed} == {"external"}
    assert verdicts["external"] == (False, "WARN")
    assert overall(seen, {}).passed


@pytest.mark.parametrize(
    ("status", "rule", "expected"),
    [
        (Status.PASS, "PATH-001", (True, "WARN")),
        (Status.WARN, "PATH-001", (True, "WARN")),
        (Status.EXEMPT, "PATH-001", (True, "WARN")),
        (Status.UNKNOWN, "PATH-001", (False, "WARN")),
        (Status.FAIL, "PATH-001", (False, "ERROR")),
    ],
)
def test_a_state_becomes_a_verdict(status, rule, expected):
    """FAIL of a critical rule is an error; no evidence is never green."""
    assert _verdicts(_result(rule, status))["path"] == expected


def test_a_contract_about_which_nothing_was_said_is_not_green():
    assert _verdicts(_result("PATH-001", Status.PASS))["volume"] == (False, "WARN")


def test_a_medium_rule_that_fails_is_a_warning():
    assert _verdicts(_result("CTX-005", Status.FAIL))["security"] == (False, "WARN")


def test_every_contract_of_the_catalogue_has_its_check():
    looked_at = {contract for source in Source for contract in contracts_of(source)}
    assert looked_at == set(Contract) - {Contract.EXEMPTION}


def test_contracts_are_verified_every_hour_of_every_day():
    """Each tick asks once; a weekend is a day like any other."""
    saturday = datetime(2026, 9, 19, 3, 25, tzinfo=UTC)
    context = dg.build_schedule_context(scheduled_execution_time=saturday)
    assert verify_contracts_hourly(context).run_key == "verify_contracts 2026-09-19 03:25"


def test_contracts_are_verified_once_after_each_deployment(monkeypatch):
    """The image that Dagster's chart names tells one deployment from the next."""
    evidence = ContractEvidence()
    asked = []
    cursor = None
    for image in (
        "ghcr.io/observer/pipeline:a",
        "ghcr.io/observer/pipeline:a",
        "ghcr.io/observer/pipeline:b",
    ):
        monkeypatch.setenv("DAGSTER_CURRENT_IMAGE", image)
        context = dg.build_sensor_context(cursor=cursor)
        asked.append(isinstance(deployment_changed(context, evidence), dg.RunRequest))
        cursor = context.cursor
    assert asked == [True, False, True]
