"""Documents, sources and image definitions that say something else than the contract."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from observer_contracts.declaration.build import declare
from observer_contracts.engine import Verification, verify
from observer_contracts.evidence.manifests import read_manifests
from observer_contracts.evidence.repository import read_repository
from observer_contracts.model import Result, Status

Verify = Callable[[str], list[Result]]


def _failed(root: Path, rule: str) -> list[Result]:
    results = verify(Verification(declare(), repository=read_repository(root), only=(rule,)))
    return [result for result in results if result.status is Status.FAIL]


WRONG = {
    "kubectl -n observer-prod rollout restart deployment/observr": "object observr",
    "kubectl get pvc observer-dta-pvc": "object observer-dta-pvc",
    "kubectl describe configmap observer-cfg": "object observer-cfg",
    "nc -z postgresql:5433": "the database at postgresql:5433",
    "psql -h postgresql -p 5433 -U observer": "the database at postgresql:5433",
    "psql --host=postgres --port=5433": "the database at postgres:5433",
}
RIGHT = (
    "kubectl rollout restart deployment/observer statefulset/postgres",
    "kubectl get pvc observer-data-pvc observer-db-pvc",
    "kubectl describe configmap observer-config",
    "kubectl get deploy,sts,svc",
    "psql -h postgres -p 5432 && psql -h localhost -p 5433 && psql -h db.example.org -p 6432",
    "docker pull postgres:15.14 && docker run -p 15432:5432 postgres:15",
    "postgres.observer-prod.svc:5432 and observer:8000",
)


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_name_or_address_in_a_command_is_found(tmp_path: Path, line: str) -> None:
    """DOC-001 names the line and what it says."""
    (tmp_path / "guide.md").write_text(f"# Guide\n\n    {line}\n")
    [result] = _failed(tmp_path, "DOC-001")
    assert (result.finding.observed, result.finding.evidence[0].line) == (WRONG[line], 3)


@pytest.mark.parametrize("line", RIGHT)
def test_right_commands_are_left_alone(tmp_path: Path, line: str) -> None:
    """Declared names, other hosts and images are no finding."""
    (tmp_path / "guide.md").write_text(f"{line}\n")
    assert _failed(tmp_path, "DOC-001") == []


@pytest.mark.parametrize(("namespace", "faults"), [("observer-staging", 0), ("observer-stagin", 1)])
def test_a_namespace_is_that_of_a_deployment_in_the_repository(
    tmp_path: Path, namespace: str, faults: int
) -> None:
    """Another one of the same family is a name that was meant otherwise (I-18)."""
    (tmp_path / "kustomization.yaml").write_text("kind: Kustomization\nnamespace: observer-staging\n")
    (tmp_path / "guide.md").write_text(f"kubectl -n {namespace} get pods\n")
    assert len(_failed(tmp_path, "DOC-001")) == faults


def test_this_repository_agrees_with_its_contract() -> None:
    """Documents, sources and images, as `observer contracts verify --repo .` reads them."""
    found = verify(Verification(declare(), repository=read_repository(Path(__file__).parents[3])))
    assert [result.finding for result in found if result.status is Status.FAIL] == []


def test_names_of_the_repository_s_own_manifests_are_known(tmp_path: Path) -> None:
    """A name that resembles a declared one may be another object's."""
    (tmp_path / "a.yaml").write_text("kind: Deployment\nmetadata:\n  name: observer2\n")
    (tmp_path / "guide.md").write_text("kubectl get deployment observer2\n")
    assert _failed(tmp_path, "DOC-001") == []


@pytest.mark.parametrize(
    ("source", "observed"),
    [
        (
            'import os\nA = os.environ.get("OBSERVER_SNAPSHOT_DIR", "/wrong/snap")\n',
            "another default: `/wrong/snap`",
        ),
        ('from pathlib import Path\nPath("/srv/obs").mkdir()\n', "makes `/srv/obs`"),
        ('import os\nos.makedirs("/opt/platform/runtime", exist_ok=True)\n', "makes `/opt/platform/runtime`"),
    ],
)
def test_a_source_with_a_path_of_its_own_is_found(tmp_path: Path, source: str, observed: str) -> None:
    """Another default of a declared path, and a folder outside of every mount."""
    (tmp_path / "a.py").write_text(source)
    assert [result.finding.observed for result in _failed(tmp_path, "PATH-005")] == [observed]


def test_a_source_with_declared_paths_is_left_alone(tmp_path: Path) -> None:
    """The declared default, a folder below a mount and a temporary folder are allowed."""
    home = "/opt/platform/runtime/observer"
    text = (
        "import os\nfrom pathlib import Path\n"
        f'A = os.environ.get("OBSERVER_SNAPSHOT_DIR", "{home}/universe")\n'
        f'Path("{home}/data/cache").mkdir()\nPath("/tmp/x").mkdir()\nPath("relative").mkdir()\n'
    )
    (tmp_path / "a.py").write_text(text)
    assert _failed(tmp_path, "PATH-005") == []


@pytest.fixture
def with_image(tmp_path: Path, production: list[dict[str, Any]]) -> Callable[[str], list[Result]]:
    """Verifies a folder with the deployment and an image definition, as manifests and as repository."""
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all(production))

    def verified(text: str) -> list[Result]:
        (tmp_path / "Dockerfile").write_text(text)
        manifests = read_manifests([str(tmp_path)], io.BytesIO())
        return verify(Verification(declare(), manifests, read_repository(tmp_path)))

    return verified


@pytest.mark.parametrize(
    ("user", "status"), [("root", Status.FAIL), ("0:0", Status.FAIL), ("1000:1000", Status.PASS)]
)
def test_an_image_that_runs_as_root_fails(with_image: Verify, user: str, status: Status) -> None:
    """What the image says of its user is judged, although the pod's own user wins."""
    results = with_image(f"FROM a\nUSER {user}\n")
    own = [r for r in results if r.rule.id == "CTX-001" and r.finding.object == "image"]
    assert [r.status for r in own] == [status]


def test_one_wrong_line_of_an_image_is_one_finding(with_image: Verify) -> None:
    """A folder that is given as manifests and as repository is not counted twice."""
    results = with_image("FROM a\nUSER 1000\nENV OBSERVER_DATA_DIR=/wrong\n")
    assert len([r for r in results if r.rule.id == "PATH-002" and r.status is Status.FAIL]) == 1
