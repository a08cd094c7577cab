"""The page that says what the whole costs, against the manifests and the Helm values."""

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest
from dagster_chart import Release, code_objects, merged, system_objects
from renderings import ROOT, Rendering

from observer_contracts.declaration.build import declare
from observer_pipeline.definitions import build_defs

PAGE = ROOT / "docs/operations/resources.md"
MEBI = 2**20


@dataclass(frozen=True)
class Share:
    """Memory of one kind of pod in MiB, for each and for all of them."""

    pods: int
    request: int
    limit: int


def _mebibytes(text: str) -> int:
    match = re.fullmatch(r"(\d+)(Mi|Gi)", text)
    assert match, text
    return int(match[1]) * (1024 if match[2] == "Gi" else 1)


def _share(pods: int, template: dict[str, Any]) -> Share:
    """A pod needs the larger of its containers' sum and its largest init container."""
    asked = {}
    for kind in ("requests", "limits"):
        main = sum(_mebibytes(c["resources"][kind]["memory"]) for c in template["spec"]["containers"])
        first = [
            _mebibytes(c["resources"][kind]["memory"]) for c in template["spec"].get("initContainers", [])
        ]
        asked[kind] = max(main, *first, 0)
    return Share(pods, asked["requests"], asked["limits"])


def _workloads(rendering: Rendering, values: dict[str, Any]) -> dict[str, tuple[int, dict[str, Any]]]:
    """Replicas and pod template of a deployment and Dagster's two releases, by name of the workload."""
    documents = [
        *rendering.of("Deployment", "StatefulSet"),
        *system_objects(values, Release("dagster")),
        *code_objects(merged(ROOT / "helm-values/dagster-code.yaml"), Release("dagster-code")),
    ]
    return {
        document["metadata"]["name"]: (document["spec"]["replicas"], document["spec"]["template"])
        for document in documents
        if document["kind"] in ("Deployment", "StatefulSet")
    }


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    """Dagster's values in production."""
    return merged(ROOT / "helm-values/dagster.yaml")


@pytest.fixture(scope="module")
def workloads(production: Rendering, values: dict[str, Any]) -> dict[str, tuple[int, dict[str, Any]]]:
    """What runs all the time."""
    return _workloads(production, values)


def _run(launcher: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """The pod of a run: the launcher's resources, with the memory that the job's tag names in their place."""
    resources = {kind: launcher[kind] | own.get(kind, {}) for kind in ("requests", "limits")}
    return {"spec": {"containers": [{"resources": resources}]}}


@pytest.fixture(scope="module")
def runs() -> dict[str, tuple[dict[str, Any], bool]]:
    """Each job: the resources of its tag, and whether its runs belong to a trading day."""
    found = {}
    for job in build_defs(clock="real").resolve_all_job_defs():
        if job.name.startswith("__"):
            continue
        tag = json.loads(job.tags.get("dagster-k8s/config", "{}"))
        own = tag.get("container_config", {}).get("resources", {})
        found[job.name] = (own, job.partitions_def is not None)
    assert {"close_day", "compact_hours", "refresh_reference", "ship_backup"} <= found.keys()
    return found


def _cells(heading: str) -> dict[str, list[str]]:
    """The cells of a section's table by its first one."""
    section = PAGE.read_text().partition(f"## {heading}")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith(("| `", "| **sum**"))]
    rows = [[cell.strip(" `*") for cell in line.strip("|").split("|")] for line in lines]
    found = {row[0].replace("`", ""): row[1:] for row in rows}
    assert len(found) == len(lines)
    return found


def _numbers(cells: list[str]) -> list[int]:
    return [int(cell.replace(",", "")) for cell in cells if re.fullmatch(r"[\d,]+", cell)]


def test_the_rows_are_those_of_the_manifests(workloads: dict[str, tuple[int, dict[str, Any]]]) -> None:
    """Each workload has its row: pods, memory asked for by each, and at most used by each."""
    rows = {name: _numbers(cells[:3]) for name, cells in _cells("Memory").items()}
    rows = {
        name: numbers for name, numbers in rows.items() if name != "sum" and not name.startswith("run of")
    }
    shares = {name: _share(pods, template) for name, (pods, template) in workloads.items()}
    assert rows == {name: [share.pods, share.request, share.limit] for name, share in shares.items()}


def test_the_rows_of_the_runs_are_those_of_launcher_and_jobs(
    runs: dict[str, tuple[dict[str, Any], bool]], values: dict[str, Any]
) -> None:
    """Jobs with memory of their own have a row each, and the others one together."""
    launcher = values["runLauncher"]["config"]["k8sRunLauncher"]["resources"]
    rows = {
        name.removeprefix("run of "): cells for name, cells in _cells("Memory").items() if "run of" in name
    }
    own = {name: given for name, (given, _) in runs.items() if given}
    assert set(rows) == {*own, "any other job"}
    for name, cells in rows.items():
        share = _share(1, _run(launcher, own.get(name, {})))
        assert _numbers(cells[1:3]) == [share.request, share.limit], name


def test_the_pods_of_the_runs_are_the_worst_that_run_at_once(
    runs: dict[str, tuple[dict[str, Any], bool]], values: dict[str, Any]
) -> None:
    """Two at most, and one of a trading day: the sum counts the two that may need the most."""
    concurrency = values["concurrency"]["runs"]
    assert concurrency["maxConcurrentRuns"] == 2
    assert concurrency["tagConcurrencyLimits"] == [{"key": "dagster/partition", "limit": 1}]
    launcher = values["runLauncher"]["config"]["k8sRunLauncher"]["resources"]
    needs = {name: _share(1, _run(launcher, own)).limit for name, (own, _) in runs.items()}
    of_a_day = max((name for name, (_, daily) in runs.items() if daily), key=needs.__getitem__)
    other = max(needs[name] for name, (_, daily) in runs.items() if not daily)
    pods = {name: int(cells[0]) for name, cells in _cells("Memory").items() if name.startswith("run of")}
    assert {name for name, count in pods.items() if count} == {f"run of {of_a_day}", "run of any other job"}
    assert set(pods.values()) == {0, 1}
    assert _numbers(_cells("Memory")["run of any other job"])[2] == other


def test_the_sums_are_those_of_the_rows() -> None:
    """The last row adds up, and everything at its limit fits into the node's 24 GB beside the system."""
    rows = _cells("Memory")
    asked, most = _numbers(rows.pop("sum"))
    shares = [_numbers(cells[:3]) for cells in rows.values()]
    assert asked == sum(pods * request for pods, request, _ in shares)
    assert most == sum(pods * limit for pods, _, limit in shares)
    assert most < 24 * 1024 - 2 * 1024


def test_processor_and_temporary_disk_are_those_of_the_manifests(
    workloads: dict[str, tuple[int, dict[str, Any]]], values: dict[str, Any]
) -> None:
    """The main containers' figures, and what all of them ask for together."""
    launcher = values["runLauncher"]["config"]["k8sRunLauncher"]["resources"]
    templates = workloads | {"run": (values["concurrency"]["runs"]["maxConcurrentRuns"], _run(launcher, {}))}
    expected, asked = {}, 0
    for name, (pods, template) in templates.items():
        (container,) = template["spec"]["containers"]
        wants, most = container["resources"]["requests"], container["resources"]["limits"]
        disk = f"{_mebibytes(most['ephemeral-storage']):,} MiB"
        expected[name] = [str(wants["cpu"]), str(most["cpu"]), disk]
        asked += pods * int(str(wants["cpu"]).removesuffix("m"))
    assert _cells("Processor and temporary disk") == expected
    assert f"ask for {asked:,}m of the four cores" in PAGE.read_text()


def test_the_disk_is_that_of_the_claims(production: Rendering) -> None:
    """Size and growth of each claim as declared and as rendered, and their sum."""
    facts = {fact.claim: fact for fact in declare().volumes if fact.claim}
    claims = {
        found["metadata"]["name"]: found["spec"]["resources"]["requests"]["storage"]
        for found in production.of("PersistentVolumeClaim")
    }
    rows = _cells("Disk")
    assert rows.keys() == claims.keys() == facts.keys()
    for name, (size, growth) in rows.items():
        assert size == claims[name].replace("Gi", " GiB")
        assert growth == f"{facts[name].growth_gib_per_day:g} GiB"
    assert f"{sum(fact.capacity_gib for fact in facts.values())} GiB must be free" in PAGE.read_text()


def test_stagings_share_is_that_of_its_overlay_and_values(
    renderings: list[Rendering], runs: dict[str, tuple[dict[str, Any], bool]]
) -> None:
    """What the page says of staging beside production; both fit at their limits."""
    staging = next(found for found in renderings if str(found) == "staging")
    values = merged(ROOT / "helm-values/dagster.yaml", ROOT / "helm-values/dagster-staging.yaml")
    assert values["concurrency"]["runs"]["maxConcurrentRuns"] == 1
    launcher = values["runLauncher"]["config"]["k8sRunLauncher"]["resources"]
    largest = max((_share(1, _run(launcher, own)) for own, _ in runs.values()), key=lambda share: share.limit)
    shares = [_share(pods, template) for pods, template in _workloads(staging, values).values()] + [largest]
    asked = sum(share.pods * share.request for share in shares)
    most = sum(share.pods * share.limit for share in shares)
    assert f"Staging on the same node adds {asked:,} asked for and {most:,} at most" in PAGE.read_text()
    assert most + _numbers(_cells("Memory")["sum"])[1] < 24 * 1024 - 2 * 1024
