"""The page that says what the whole costs, against the manifests and the Helm values."""

import re
from dataclasses import dataclass
from typing import Any

import pytest
from dagster_chart import Release, code_objects, merged, system_objects
from renderings import ROOT, Rendering

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


@pytest.fixture(scope="module")
def shares(production: Rendering) -> dict[str, Share]:
    """What production and Dagster's releases ask for, by the name of the workload."""
    values = merged(ROOT / "helm-values/dagster.yaml")
    documents = [
        *production.of("Deployment", "StatefulSet"),
        *system_objects(values, Release("dagster")),
        *code_objects(merged(ROOT / "helm-values/dagster-code.yaml"), Release("dagster-code")),
    ]
    found = {
        document["metadata"]["name"]: _share(document["spec"]["replicas"], document["spec"]["template"])
        for document in documents
        if document["kind"] in ("Deployment", "StatefulSet")
    }
    launcher = values["runLauncher"]["config"]["k8sRunLauncher"]["resources"]
    run = {"spec": {"containers": [{"resources": launcher}]}}
    return found | {"run": _share(values["concurrency"]["runs"]["maxConcurrentRuns"], run)}


def _rows() -> dict[str, list[int]]:
    """The numbers of each row of the page's table of memory, by the name in its first column."""
    table = PAGE.read_text().partition("## Memory")[2].partition("## ")[0]
    lines = [line for line in table.splitlines() if line.startswith(("| `", "| **sum**"))]
    cells = [[cell.strip(" `*") for cell in line.strip("|").split("|")] for line in lines]
    return {
        row[0]: [int(cell.replace(",", "")) for cell in row[1:4] if re.fullmatch(r"[\d,]+", cell)]
        for row in cells
    }


def test_the_rows_are_those_of_the_manifests(shares: dict[str, Share]) -> None:
    """Each workload has its row: pods, memory asked for by each, and at most used by each."""
    rows = {name: numbers for name, numbers in _rows().items() if name != "sum"}
    assert rows == {name: [share.pods, share.request, share.limit] for name, share in shares.items()}


def test_the_sums_are_those_of_the_manifests(shares: dict[str, Share]) -> None:
    """The last row adds up, and everything at its limit fits into the node's 24 GB beside the system."""
    asked = sum(share.pods * share.request for share in shares.values())
    most = sum(share.pods * share.limit for share in shares.values())
    assert _rows()["sum"] == [asked, most]
    assert most < 24 * 1024 - 2 * 1024


def test_stagings_share_is_that_of_its_overlay(renderings: list[Rendering]) -> None:
    """What the page says of staging beside production."""
    staging = next(found for found in renderings if str(found) == "staging")
    shares = [
        _share(document["spec"]["replicas"], document["spec"]["template"])
        for document in staging.of("Deployment", "StatefulSet")
    ]
    asked = sum(share.pods * share.request for share in shares)
    most = sum(share.pods * share.limit for share in shares)
    assert f"Staging on the same node adds {asked:,} asked for and {most:,} at most" in PAGE.read_text()
