"""Argo CD's Applications: each way to sync in the session, to hide, or to apply elsewhere is found."""
# ruff: noqa: E501 - a case a line reads as a table

import shutil
from pathlib import Path

import pytest

from observer_contracts.declaration.build import declare
from observer_contracts.declaration.parameters import Parameters, read_parameters
from observer_contracts.engine import Verification, verify
from observer_contracts.evidence.repository import read_repository
from observer_contracts.model import Result, Status

ROOT = Path(__file__).resolve().parents[3]
RULES = ("ARG-001", "ARG-002", "ARG-003")
PROJECT, OBSERVER = "deploy/argocd/project.yaml", "deploy/argocd/observer.yaml"
STAGING = "deploy/argocd/staging"
APPLICATIONS = ("observer", "postgres", "dagster", "dagster-code")
_WINDOW = "  syncWindows:\n"
_POLICY = "  syncPolicy:\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The repository's manifests and values, to be changed."""
    for part in ("deploy", "helm-values"):
        shutil.copytree(ROOT / part, tmp_path / part)
    return tmp_path


def judged(folder: Path, chosen: Parameters | None = None) -> list[Result]:
    return verify(Verification(declare(chosen), repository=read_repository(folder), only=RULES))


def broken(results: list[Result]) -> list[Result]:
    return [result for result in results if result.status is not Status.PASS]


def change(folder: Path, file: str, old: str, new: str) -> int:
    """Replaces the first occurrence and returns its line."""
    text = (folder / file).read_text()
    assert old in text, old
    (folder / file).write_text(text.replace(old, new, 1))
    return text[: text.index(old)].count("\n") + 1


@pytest.mark.parametrize("overlay", ["production", "staging"])
def test_the_repositorys_applications_pass(folder: Path, overlay: str) -> None:
    """All four of the deployment are looked at by the first two rules, and all eight by the third."""
    parameters = None if overlay == "production" else ROOT / "deploy/overlays/staging/contracts.yaml"
    results = judged(folder, read_parameters(parameters) if parameters else None)
    assert broken(results) == []
    suffix = "" if overlay == "production" else "-staging"
    own = {f"Application/{name}{suffix}" for name in APPLICATIONS}
    every = {f"Application/{name}{end}" for name in APPLICATIONS for end in ("", "-staging")}
    seen = {rule: {r.finding.object for r in results if r.rule.id == rule} for rule in RULES}
    assert seen == {"ARG-001": own, "ARG-002": own, "ARG-003": every}


def test_a_repository_without_argo_cd_has_nothing_to_answer_for(folder: Path) -> None:
    shutil.rmtree(folder / "deploy/argocd")
    results = judged(folder)
    assert {result.rule.id for result in results} == set(RULES)
    assert broken(results) == []
    assert all("no Application of Argo CD" in result.finding.observed for result in results)


def _ignoring(rule: str) -> str:
    return f"  ignoreDifferences:\n    - group: apps\n      kind: Deployment\n      {rule}\n{_POLICY}"


# File, what is replaced, by what; the rule, who is told, words of what it saw.
_DAMAGED: dict[str, tuple[str, str, str, str, tuple[str, ...], str]] = {
    "no window": (PROJECT, _WINDOW, "  unused:\n", "ARG-001", APPLICATIONS, "0 windows"),
    "a window without its zone": (PROJECT, "      timeZone: Asia/Seoul\n", "", "ARG-001", APPLICATIONS, "Monday 07:30 is open"),
    "a window that is too short": (PROJECT, "13h10m", "13h", "ARG-001", APPLICATIONS, "Monday 20:30 is open"),
    "a window that begins too late": (PROJECT, "30 7 * * 1-5", "0 9 * * 1-5", "ARG-001", APPLICATIONS, "Monday 07:30 is open"),
    "a window without Friday": (PROJECT, "30 7 * * 1-5", "30 7 * * 1-4", "ARG-001", APPLICATIONS, "Friday 07:30 is open"),
    "a window of one Application": (PROJECT, 'applications: ["*"]', "applications: [observer]", "ARG-001", APPLICATIONS[1:], "Monday 07:30"),
    "a window that opens": (PROJECT, "kind: deny", "kind: allow", "ARG-001", APPLICATIONS, "Monday 07:30 is open"),
    "a window that nobody can read": (PROJECT, "13h10m", "13:10", "ARG-001", APPLICATIONS, "duration"),
    "the pod template hidden": (OBSERVER, _POLICY, _ignoring("jsonPointers: [/spec/template]"), "ARG-002", ("observer",), "`/spec/template` of Deployment"),
    "the replicas hidden": (OBSERVER, _POLICY, _ignoring("jsonPointers: [/spec/replicas]"), "ARG-002", ("observer",), "`/spec/replicas`"),
    "everything hidden": (OBSERVER, _POLICY, _ignoring('jsonPointers: [""]'), "ARG-002", ("observer",), "`` of Deployment"),
    "images hidden by an expression": (OBSERVER, _POLICY, _ignoring('jqPathExpressions: [".spec.template.spec.containers[].image"]'), "ARG-002", ("observer",), "containers[].image`"),
    "another namespace": (OBSERVER, "namespace: observer-prod", "namespace: observer-staging", "ARG-003", ("observer",), "`observer-staging`"),
    "a namespace that the project refuses": (OBSERVER, "namespace: observer-prod", "namespace: default", "ARG-003", ("observer",), "`default`"),
    "a chart's namespace that the project refuses": ("deploy/argocd/dagster.yaml", "namespace: observer-prod", "namespace: observer-prd", "ARG-003", ("dagster",), "`observer-prd`"),
    "staging's Dagster in production": (f"{STAGING}/dagster.yaml", "namespace: observer-staging", "namespace: observer-prod", "ARG-003", ("dagster", "dagster-staging"), "is another one"),
    "a fork that the project does not know": (OBSERVER, "github.com/observer/observer.git", "git.example/team/fork.git", "ARG-003", ("observer",), "fork.git`"),
    "a folder that is not there": (OBSERVER, "production/observer", "prod/observer", "ARG-003", ("observer",), "no folder `deploy/applications/prod/observer`"),
    "staging's folder": (OBSERVER, "production/observer", "staging/observer", "ARG-003", ("observer",), "`observer-prod`"),
    "values that are not there": ("deploy/argocd/dagster.yaml", "$values/helm-values/dagster.yaml", "$values/helm-values/dagstr.yaml", "ARG-003", ("dagster",), "no file `helm-values/dagstr.yaml`"),
}  # fmt: skip


@pytest.mark.parametrize("case", _DAMAGED)
def test_a_damage_is_found_at_its_file(case: str, folder: Path) -> None:
    """One rule speaks, of the Applications that it hurts, with file, line, what it saw and a remedy."""
    file, old, new, rule, told, observed = _DAMAGED[case]
    change(folder, file, old, new)
    results = judged(folder)
    failed = [result for result in results if result.status is Status.FAIL]
    assert {result.rule.id for result in failed} == {rule}
    assert {result.finding.object for result in failed} == {f"Application/{name}" for name in told}
    assert all(observed in result.finding.observed for result in failed), failed
    places = [place for result in failed for place in result.finding.evidence]
    assert file in {place.file for place in places}
    assert all((place.line or 0) > 1 and place.field for place in places)
    assert all(result.remedy for result in failed)
    assert broken(results) == failed


def test_a_finding_names_the_line_of_the_field(folder: Path) -> None:
    line = change(folder, OBSERVER, "namespace: observer-prod", "namespace: default")
    [place] = {place for found in broken(judged(folder)) for place in found.finding.evidence}
    assert (place.line, place.field) == (line, "spec.destination.namespace")


@pytest.mark.parametrize(
    ("file", "old", "new", "rule", "observed"),
    [
        (PROJECT, "manualSync: false", "manualSync: true", "ARG-001", "a person may"),
        (OBSERVER, "project: observer", "project: default", "ARG-001", "is in no file"),
        (
            OBSERVER,
            _POLICY,
            _ignoring("jsonPointers: [/spec/clusterIP]").replace("Deployment", "Service"),
            "ARG-002",
            "`/spec/clusterIP` of Service",
        ),
    ],
)
def test_what_somebody_may_want_is_a_warning(
    folder: Path, file: str, old: str, *, new: str, rule: str, observed: str
) -> None:
    change(folder, file, old, new)
    found = broken(judged(folder))
    assert {(one.rule.id, one.status) for one in found} == {(rule, Status.WARN)}
    assert all(observed in one.finding.observed and one.remedy for one in found)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        # The same hours in another zone, or said the other way round; a longer window; metadata that others write.
        (PROJECT, "schedule: 30 7 * * 1-5\n      duration: 13h10m\n      timeZone: Asia/Seoul",
         "schedule: 30 22 * * 0-4\n      duration: 13h10m"),
        (PROJECT, "kind: deny\n      schedule: 30 7 * * 1-5\n      duration: 13h10m",
         "kind: allow\n      schedule: 40 20 * * *\n      duration: 10h50m"),
        (PROJECT, "30 7 * * 1-5\n      duration: 13h10m", "0 6 * * *\n      duration: 16h"),
        (OBSERVER, _POLICY, _ignoring("jsonPointers: [/metadata/annotations, /status]")),
        (OBSERVER, _POLICY, _ignoring('jqPathExpressions: [".metadata.labels"]')),
        (PROJECT, "    - https://github.com/observer/observer.git\n", "    - https://github.com/*\n"),
    ],
)  # fmt: skip
def test_an_operators_choice_is_no_fault(folder: Path, file: str, old: str, new: str) -> None:
    change(folder, file, old, new)
    assert broken(judged(folder)) == []


def test_applications_of_others_are_left_alone(folder: Path) -> None:
    """A repository may hold more than this deployment."""
    text = (folder / OBSERVER).read_text()
    other = text.replace("name: observer\n", "name: shop\n").replace("observer-prod", "shop")
    other = other.replace("project: observer", "project: shop").replace(
        "deploy/applications/production/observer", "shop"
    )
    (folder / "shop.yaml").write_text(other)
    results = judged(folder)
    assert broken(results) == []
    assert not [result for result in results if result.finding.object == "Application/shop"]
