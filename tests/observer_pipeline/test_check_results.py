"""Every evaluation of every check says what was promised, what was seen, and what breaks the promise."""

import ast
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

import observer_pipeline
from observer_contracts.catalogue import RULES
from observer_contracts.model import Finding, Result, Source, Status
from observer_core.errors import ConfigurationError, NetworkError
from observer_pipeline.checks import backup, credentials
from observer_pipeline.checks.contract import evaluated
from observer_pipeline.checks.evidence import DayEvidence
from observer_pipeline.checks.execution_contracts import judged, overall
from observer_pipeline.definitions import _CONTRACTS, build_defs
from observer_pipeline.resources import Deployment

DAY = date(2026, 9, 15)
CONTRACTS = [contract for table in _CONTRACTS.values() for contract in table]
CHECKS = build_defs(clock="real").resolve_asset_graph().asset_check_keys
AWAY = NetworkError("nobody answers", remedy="Wait.")


def shown_of(evaluation: dg.AssetCheckResult | dg.AssetCheckEvaluation) -> dict:
    return {name: value.value for name, value in evaluation.metadata.items()}


def require_complete(evaluation: dg.AssetCheckResult | dg.AssetCheckEvaluation) -> None:
    """Fails where an evaluation does not explain itself."""
    shown = shown_of(evaluation)
    name = f"{evaluation.asset_key.to_user_string()}:{evaluation.check_name}"
    assert isinstance(shown.get("bound"), str | int | float), name
    assert isinstance(shown.get("observed"), str | int | float), name
    assert "" not in (shown["bound"], shown["observed"]), name
    assert evaluation.description, name
    if "offenders" in shown:
        assert evaluation.metadata["offenders"].records, name


def test_evaluations_are_made_in_one_place():
    """Whoever makes one elsewhere could forget a part of it."""
    root = Path(observer_pipeline.__file__).parent
    makers = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("AssetCheckResult")
    }
    assert makers == {"checks/results.py"}


def test_every_check_of_the_graph_explains_itself_when_all_is_well(deployment):
    """Each job runs once on a day that is closed; what it evaluates is complete, and together it is all."""
    target = deployment.folder / "second volume"
    target.mkdir()
    deployment.set_environment(OBSERVER_BACKUP_TARGET=str(target), OBSERVER_CONTRACT_SOURCES="manifests")
    evaluations = []
    with deployment.broker(with_kiwoom=True):
        evaluations += deployment.run("refresh_reference").checks.values()
        deployment.journalist().write(*range(9, 20))
        deployment.set_clock(deployment.at(20, 10))
        evaluations += deployment.run("close_day").checks.values()
    for job in (
        "watch_freshness", "ship_backup", "dump_databases", "apply_retention", "prepare_warehouse",
        "purge_runs", "verify_contracts",
    ):  # fmt: skip
        done = deployment.defs.resolve_job_def(job).execute_in_process(
            instance=deployment.instance, raise_on_error=False
        )
        evaluations += done.get_asset_check_evaluations()
    for evaluation in evaluations:
        require_complete(evaluation)
    unseen = CHECKS - {one.asset_check_key for one in evaluations}
    # Evidence that this machine has not: see the tests of its verdicts below.
    assert {key.asset_key.to_user_string() for key in unseen} == {
        "contracts/repository", "contracts/runtime", "contracts/live"
    }  # fmt: skip


def test_every_contract_explains_itself_when_nothing_is_there(mounts):
    """No file, no journal, no server: whatever is evaluated then, and whatever cannot be."""
    mounts.set_clock(mounts.at(20, 10))
    evidence = DayEvidence(Deployment(time_source=mounts.environment["OBSERVER_CLOCK"]), DAY)
    for contract in CONTRACTS:
        evaluation = evaluated(contract, evidence)
        require_complete(evaluation)
        assert ("trading_day" in evaluation.metadata) is contract.of_the_day


def test_only_the_calendar_is_judged_as_of_the_present():
    """An alert about a day is over when that day is green; one about the present, when it is."""
    present = {contract.name for contract in CONTRACTS if not contract.of_the_day}
    assert present == {"received_on_trading_days", "calendar_reaches_ahead"}


@pytest.mark.parametrize(
    ("error", "severity", "cause"),
    [(AWAY, "WARN", "external: network"), (TypeError("'<' not supported"), "ERROR", "program")],
)
def test_every_contract_explains_that_it_could_not_be_evaluated(error, severity, cause):
    class Nothing:
        day = DAY

        def __getattr__(self, name):
            raise error

    for contract in CONTRACTS:
        result = evaluated(contract, Nothing())
        require_complete(result)
        assert ("trading_day" in result.metadata) is contract.of_the_day
        assert (result.passed, result.severity.value) == (False, severity)
        assert shown_of(result)["bound"] == contract.promise
        assert shown_of(result)["observed"] == f"not evaluated: {cause}"
        [offender] = result.metadata["offenders"].records
        assert str(error) in offender.data["error"]


@pytest.mark.parametrize(
    "spec", [credentials.TOKEN_CHECK, credentials.APPROVAL_CHECK, credentials.KIWOOM_CHECK]
)
def test_a_broker_that_gave_nothing_is_explained(spec):
    refused = credentials.broker_refused(spec, AWAY, DAY)
    require_complete(refused)
    assert shown_of(refused)["observed"] == "none: external: network"
    assert refused.metadata["offenders"].records[0].data["remedy"] == "Wait."
    require_complete(credentials.not_configured(spec, "No account.", DAY))


@pytest.mark.parametrize("error", [AWAY, ConfigurationError("another deployment's", remedy="Name your own.")])
def test_a_target_that_cannot_be_used_is_explained(error):
    for result in backup.target_failed(error):
        require_complete(result)
        assert result.metadata["offenders"].records
    dumps = backup.dump_check(["observer"], {}, 0, error)
    require_complete(dumps)
    assert shown_of(dumps)["observed"] == "0 of 1"
    assert dumps.metadata["offenders"].records[0].data == {"database": "observer", "newest_dump": "none"}


@pytest.mark.parametrize("source", list(Source))
@pytest.mark.parametrize("status", list(Status))
def test_a_verdict_on_the_execution_contracts_is_explained(source, status):
    """For each kind of evidence and each state, without results and where it could not be looked at too."""
    found = Finding(status, "Pod/observer", "one", "two")
    results = [Result(rule, found, source) for rule in RULES if source in rule.checks]
    told = [*judged(source, results, {}), *judged(source, [], {}), overall(results, {}), overall([], {})]
    told += judged(source, [], {}, obstacle="no cluster")
    for result in told:
        require_complete(result)
    assert all(one.metadata["offenders"].records for one in told if one.description.endswith("no cluster"))
