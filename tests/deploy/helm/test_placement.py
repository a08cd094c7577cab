"""Manifests and Helm values name one node: one that is renamed in one place only is found (VOL-009)."""

import io
import shutil
from pathlib import Path

import pytest
from renderings import DEPLOY, ROOT

from observer_contracts.declaration.build import declare
from observer_contracts.engine import Verification, verify
from observer_contracts.evidence.manifests import read_manifests
from observer_contracts.helm.values import read_values
from observer_contracts.model import Status

FILES = ("helm-values/dagster.yaml", "helm-values/dagster-code.yaml")
NODE = "kubernetes.io/hostname: obs-prod-arm"
PLACES = (
    "deploy/base/collector/deployment.yaml",
    "deploy/base/database/stateful-set.yaml",
    "deploy/base/maintenance/cron-job.yaml",
    *FILES,
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The repository's manifests and values, to be changed."""
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    shutil.copytree(ROOT / "helm-values", tmp_path / "helm-values")
    return tmp_path


def _rename(copy: Path, *places: str) -> None:
    for place in places:
        text = (copy / place).read_text()
        assert text.count(NODE) == 1
        (copy / place).write_text(text.replace(NODE, "kubernetes.io/hostname: my-node"))


def _failed(copy: Path, *, manifests: bool = True) -> set[str]:
    results = verify(
        Verification(
            declare(),
            read_manifests([str(copy / "deploy/overlays/production")], io.BytesIO()) if manifests else None,
            values=read_values([str(copy / file) for file in FILES]),
            only=("VOL-009",),
        )
    )
    assert results
    assert {result.status for result in results} <= {Status.PASS, Status.FAIL}
    return {result.finding.object for result in results if result.status is Status.FAIL}


def test_a_node_that_is_renamed_everywhere_is_one_node(copy: Path) -> None:
    assert _failed(copy) == set()
    _rename(copy, *PLACES)
    assert _failed(copy) == set()


@pytest.mark.parametrize("place", PLACES)
def test_a_place_that_was_forgotten_is_found(copy: Path, place: str) -> None:
    """Each of the five places alone at the old name; the collector's is found at all others."""
    _rename(copy, *(one for one in PLACES if one != place))
    expected = {
        PLACES[0]: {
            "StatefulSet/postgres",
            "CronJob/observer-maintenance",
            "dagster",
            "dagster-user-deployments",
        },
        PLACES[1]: {"StatefulSet/postgres"},
        PLACES[2]: {"CronJob/observer-maintenance"},
        PLACES[3]: {"dagster"},
        PLACES[4]: {"dagster-user-deployments"},
    }
    assert _failed(copy) == expected[place]


def test_values_alone_agree_among_themselves(copy: Path) -> None:
    """Without manifests the first file is the measure."""
    assert _failed(copy, manifests=False) == set()
    _rename(copy, FILES[1])
    assert _failed(copy, manifests=False) == {"dagster-user-deployments"}
