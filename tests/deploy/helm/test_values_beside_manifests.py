"""What the values name is looked for in the manifests that are given with them."""

import io
from pathlib import Path

import pytest
from renderings import ROOT, render

from observer_contracts.declaration.build import declare
from observer_contracts.engine import Verification, verify
from observer_contracts.evidence.manifests import read_manifests
from observer_contracts.helm.values import read_values
from observer_contracts.model import Result, Status

SYSTEM, CODE = (ROOT / "helm-values" / name for name in ("dagster.yaml", "dagster-code.yaml"))
_BAD = (Status.FAIL, Status.WARN, Status.UNKNOWN)
_ENVIRONMENT = "- name: observer-environment"
_ACCOUNTS_SECRET = "imagePullSecrets:\n- name: ghcr-secret\n"


@pytest.fixture(scope="module")
def overlay(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The rendered production overlay."""
    return render(tmp_path_factory.mktemp("overlay"), "production", ()).text


def _judged(folder: Path, text: str, files: list[Path], *only: str) -> list[Result]:
    """Judges values beside manifests; what is said of the manifests alone is left out."""
    rendered = folder / "rendered.yaml"
    rendered.write_text(text)
    manifests = read_manifests([str(rendered)], io.BytesIO())
    alone = [one.finding for one in verify(Verification(declare(), manifests, only=only))]
    values = read_values([str(file) for file in files])
    results = verify(Verification(declare(), manifests, values=values, only=only))
    return [one for one in results if one.finding not in alone]


def _broken(results: list[Result]) -> list[Result]:
    return [one for one in results if one.status in _BAD]


def test_the_repositorys_values_fit_its_manifests(tmp_path: Path, overlay: str) -> None:
    results = _judged(tmp_path, overlay, [SYSTEM, CODE])
    assert {"ENV-001", "HLM-010", "HLM-012", "SEC-005"} <= {one.rule.id for one in results}
    assert _broken(results) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "rule", "observed"),
    [
        (SYSTEM, _ENVIRONMENT, "- name: observer-config", "ENV-001", "`observer-config`"),
        (CODE, _ENVIRONMENT, "- name: observer-config", "ENV-001", "`observer-config`"),
        (SYSTEM, "name: observer-files", "name: observer-mounted", "ENV-001", "`observer-mounted`"),
        (CODE, "name: observer-files", "name: observer-mounted", "ENV-001", "`observer-mounted`"),
        (SYSTEM, _ENVIRONMENT, "- name: observer-files", "HLM-010", "observer-files lacks OBSERVER_DATA_DIR"),
        (CODE, _ENVIRONMENT, "- name: observer-files", "HLM-012", "observer-files lacks OBSERVER_DATA_DIR"),
        (SYSTEM, "- host: observer-pipeline", "- host: observer-code", "HLM-012", "`observer-code:3030`"),
        (CODE, "- name: observer-pipeline\n", "- name: pipeline\n", "HLM-012", "`observer-pipeline:3030`"),
        (CODE, "    port: 3030", "    port: 3031", "HLM-012", "`observer-pipeline:3030`"),
    ],
)
def test_what_is_not_there_is_found(  # noqa: PLR0917 - one argument for each column of the table
    tmp_path: Path, overlay: str, file: Path, old: str, new: str, rule: str, observed: str
) -> None:
    """One rule says it, at the file in which it stands, with what it saw."""
    text = file.read_text()
    assert old in text
    spoiled = tmp_path / "spoiled.yaml"
    spoiled.write_text(text.replace(old, new, 1))
    found = _broken(_judged(tmp_path, overlay, [spoiled if one == file else one for one in (SYSTEM, CODE)]))
    assert {one.rule.id for one in found} == {rule}
    [said] = [one for one in found if observed in one.finding.observed]
    assert said.remedy
    assert said.finding.evidence[0].line > 1


def test_a_registry_secret_may_be_the_accounts(tmp_path: Path, overlay: str) -> None:
    """A pod that names none has those of its account; where that has none either, no image is pulled."""
    files = []
    for file in (SYSTEM, CODE):
        text = file.read_text()
        assert "imagePullSecrets:\n  - name: ghcr-secret\n" in text
        files.append(tmp_path / file.name)
        files[-1].write_text(text.replace("imagePullSecrets:\n  - name: ghcr-secret\n", ""))
    assert _broken(_judged(tmp_path, overlay, files, "SEC-005")) == []
    assert _ACCOUNTS_SECRET in overlay
    found = _broken(_judged(tmp_path, overlay.replace(_ACCOUNTS_SECRET, ""), files, "SEC-005"))
    assert [one.finding.observed for one in found] == [
        "none, and none at the account `dagster`, `dagster-runs`",
        "none, and none at the account `dagster-runs`",
    ]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        # Further registry Secrets, a lower limit, a longer look at failed runs, fewer runs.
        (SYSTEM, "  - name: ghcr-secret", "  - name: ghcr-secret\n  - name: mirror"),
        (SYSTEM, 'limits: {cpu: "2", memory: 1536Mi', "limits: {memory: 1Gi"),
        (SYSTEM, "ttlSecondsAfterFinished: 3600", "ttlSecondsAfterFinished: 86400"),
        (SYSTEM, "maxConcurrentRuns: 2", "maxConcurrentRuns: 1"),
        (SYSTEM, "    startTimeoutSeconds: 600", "    startTimeoutSeconds: 1800"),
        (CODE, "    replicaCount: 1", "    replicaCount: 1\n    labels: {team: data}"),
    ],
)
def test_an_operators_choice_is_no_fault(
    tmp_path: Path, overlay: str, file: Path, old: str, new: str
) -> None:
    """Nothing fails that works as well."""
    chosen = tmp_path / "chosen.yaml"
    text = file.read_text()
    assert old in text
    chosen.write_text(text.replace(old, new))
    results = _judged(tmp_path, overlay, [chosen if one == file else one for one in (SYSTEM, CODE)])
    assert [one.rule.id for one in _broken(results)] == []
