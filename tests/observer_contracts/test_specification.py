"""The specification's deployment with its faults: each finding is found, and what it calls right passes."""

import io
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from observer_contracts.declaration.build import declare
from observer_contracts.engine import Verification, verify
from observer_contracts.evidence.manifests import read_manifests
from observer_contracts.evidence.repository import read_repository
from observer_contracts.model import Contract, Result, Status
from observer_contracts.rules.disclosure import PROBES

SPECIFICATION = Path(__file__).parent / "fixtures/specification"
OVERLAY = SPECIFICATION / "infra/k8s/overlays/production"

GUIDE = """\
# Set-up

    kubectl create secret generic observer-secrets -n observer-prod \\
      --from-literal=DB_USER=observer \\
      --from-literal=DB_PASSWORD=<password> \\
      --from-literal=POSTGRES_USER=observer \\
      --from-literal=POSTGRES_PASSWORD=<password> \\
      --from-literal=POSTGRES_DB=observer \\
      --from-literal=PGHOST=postgres \\
      --from-literal=PGPORT=5432 \\
      --from-literal=PGDATABASE=observer \\
      --from-literal=PGUSER=observer \\
      --from-literal=PGPASSWORD=<password>
"""
PERSISTENCE = """\
# Persistence

| what | path |
|---|---|
| logs | `/app/logs` |
| data | `/opt/platform/runtime/observer/data` |
"""
PATHS = """\
import os
from pathlib import Path


def data_dir() -> Path:
    path = Path(os.environ.get("OBSERVER_DATA_DIR", "/opt/platform/runtime/observer/data"))
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError:
        pass
    return path


def store_dir() -> Path:
    return Path(os.environ["OBSERVER_STORE_DIR"])


def scalp_dir() -> Path:
    folder = data_dir() / "scalp"
    folder.mkdir(exist_ok=True)
    return folder
"""


def _git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def secrets() -> dict[str, str]:
    """Values that no output may ever show."""
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "password": "Zx9-hunter2-Qw7",
        "token": "tok-4f3e2d1c0b9a8877",
        "key": key.decode(),
        "old": "Old-p4ssw0rd-1999",
    }


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, secrets: dict[str, str]) -> Path:
    """A repository with CF-2, CF-3, CF-5 and CF-6, and a secret that only its history still has."""
    root = tmp_path_factory.mktemp("repository")
    files = {
        "docs/KUBECTL_AND_ARGOCD_SETUP.md": GUIDE,
        "docs/PERSISTENCE_AND_HOSTPATH.md": PERSISTENCE,
        "src/observer/paths.py": PATHS,
        "infra/k8s/base/secrets/observer-prod-plain.yaml": (
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: observer-secrets\nstringData:\n"
            f"  DB_PASSWORD: {secrets['password']}\n"
        ),
        "infra/k8s/base/secrets/obs-prod.yaml": (
            "apiVersion: v1\nkind: Config\nclusters: []\nusers:\n  - name: admin\n    user:\n"
            f"      token: {secrets['token']}\n"
        ),
        "deploy_key": secrets["key"],
        ".env": f"DB_PASSWORD={secrets['old']}\n",
        ".gitignore": "**/secrets/\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    _git(root, "init", "-q")
    _git(root, "add", "-f", ".")
    _git(root, "commit", "-q", "-m", "first")
    _git(root, "rm", "-q", "--cached", ".env", "deploy_key")
    (root / ".env").unlink()
    (root / "deploy_key").unlink()
    _git(root, "commit", "-q", "-m", "remove")
    return root


@pytest.fixture(scope="module")
def manifest_results() -> list[Result]:
    return verify(Verification(declare(), read_manifests([str(OVERLAY)], io.BytesIO())))


@pytest.fixture(scope="module")
def repository_results(repository: Path) -> list[Result]:
    return verify(Verification(declare(), repository=read_repository(repository, probes=PROBES)))


def _failed(results: list[Result], cf: str) -> set[tuple[str, str]]:
    return {(r.rule.id, r.finding.object) for r in results if r.rule.cf == cf and r.status is Status.FAIL}


def test_cf_1_is_found_at_both_workloads_with_the_candidates(manifest_results: list[Result]) -> None:
    """Both workloads name `observer-secrets`, which nothing makes; three SealedSecrets are candidates."""
    assert _failed(manifest_results, "CF-1") == {
        ("SEC-001", "Deployment/observer"),
        ("SEC-001", "StatefulSet/postgres"),
    }
    finding = next(r.finding for r in manifest_results if r.rule.id == "SEC-001" and r.status is Status.FAIL)
    for name in ("obs-db-secret", "obs-kis-secret", "obs-kiwoom-secret"):
        assert name in finding.observed


def test_cf_1_cites_the_source_line(manifest_results: list[Result]) -> None:
    """The evidence is the line of the base, not of the rendering."""
    finding = next(
        r.finding
        for r in manifest_results
        if (r.rule.id, r.finding.object) == ("SEC-001", "Deployment/observer")
    )
    where = finding.evidence[0]
    lines = Path(where.file).read_text().splitlines()
    assert where.file.endswith("base/deployments/observer.yaml")
    assert "name: observer-secrets" in lines[(where.line or 0) - 1]


def test_cf_4_and_cf_7_are_found(manifest_results: list[Result]) -> None:
    """The hostPath and the two replicas on one-node volumes are found at the collector."""
    assert _failed(manifest_results, "CF-4") == {("VOL-001", "Deployment/observer")}
    assert _failed(manifest_results, "CF-7") == {
        ("VOL-003", "Deployment/observer"),
        ("VOL-004", "Deployment/observer"),
    }


@pytest.mark.parametrize(
    "contract", [Contract.PATH, Contract.DATABASE, Contract.ENVIRONMENT, Contract.RENDERING]
)
def test_what_the_report_calls_right_passes(manifest_results: list[Result], contract: Contract) -> None:
    """The layers of the seven paths and the database's host and port agree (section 3-1)."""
    own = [r for r in manifest_results if r.rule.contract is contract]
    assert Status.PASS in {r.status for r in own}
    assert [r for r in own if r.status is Status.FAIL] == []


def test_no_further_rule_fails_without_a_reason(manifest_results: list[Result]) -> None:
    """Beside the specification's findings only these fail, each for a fault that the deployment has.

    CTX-002: postgres has no container context (section 1-2 says so). CTX-003: no /tmp on a read-only root.
    CTX-005: the configuration is writable. PRB-002: readiness asks /health (Phase 1, item 4). PRB-003: no
    startup probe. PSS-001: no seccomp profile. SVC-004: the Service `observer` pollutes the environment.
    """
    failed = {r.rule.id for r in manifest_results if r.status is Status.FAIL}
    assert failed == {
        "SEC-001",
        "VOL-001",
        "VOL-003",
        "VOL-004",
        "CTX-002",
        "CTX-003",
        "CTX-005",
        "PRB-002",
        "PRB-003",
        "PSS-001",
        "SVC-004",
    }


def test_the_inventory_is_whole() -> None:
    """Every active resource of the specification's section 1-1 is in the rendering."""
    manifests = read_manifests([str(OVERLAY)], io.BytesIO())[0]
    assert sorted(found.label for found in manifests.objects) == [
        "ConfigMap/observer-config",
        "Deployment/observer",
        "PersistentVolumeClaim/observer-data-pvc",
        "PersistentVolumeClaim/observer-db-pvc",
        "PersistentVolumeClaim/observer-logs-pvc",
        "PersistentVolumeClaim/observer-universe-pvc",
        "SealedSecret/obs-db-secret",
        "SealedSecret/obs-kis-secret",
        "SealedSecret/obs-kiwoom-secret",
        "Service/observer",
        "Service/postgres",
        "Service/postgres-headless",
        "StatefulSet/postgres",
    ]


def test_cf_2_names_the_three_forgotten_keys(repository_results: list[Result]) -> None:
    """The guide forgets KIS_APP_KEY, KIS_APP_SECRET and KIS_HTS_ID."""
    finding = next(
        r.finding for r in repository_results if r.rule.id == "SEC-003" and r.status is Status.FAIL
    )
    assert finding.observed == "forgotten: KIS_APP_KEY, KIS_APP_SECRET, KIS_HTS_ID"
    assert (finding.evidence[0].file, finding.evidence[0].line) == ("docs/KUBECTL_AND_ARGOCD_SETUP.md", 3)


def test_cf_3_is_found_in_files_and_in_the_history(repository_results: list[Result]) -> None:
    """Secret and kubeconfig are tracked; the private key and the .env are only in the history any more."""
    found = {
        (r.rule.id, r.finding.object, r.finding.observed.partition(" under")[0].partition(",")[0])
        for r in repository_results
        if r.rule.id in ("SEC-007", "SEC-008") and r.status is Status.FAIL
    }
    plain = "infra/k8s/base/secrets/observer-prod-plain.yaml"
    config = "infra/k8s/base/secrets/obs-prod.yaml"
    assert {(rule, path) for rule, path, _ in found} == {
        ("SEC-007", plain),
        ("SEC-007", config),
        ("SEC-008", plain),
        ("SEC-008", config),
        ("SEC-008", "deploy_key"),
        ("SEC-008", ".env"),
    }
    assert {kind for _, _, kind in found} == {
        "plaintext Secret",
        "kubeconfig with credentials",
        "private key",
        ".env file",
    }


def test_cf_3_names_the_commit(repository_results: list[Result], repository: Path) -> None:
    """A finding in the history says which commit brought it."""
    first = subprocess.run(
        ["git", "-C", str(repository), "rev-list", "--max-parents=0", "HEAD"],
        capture_output=True,
        text=True,
        check=True,
    )
    finding = next(
        r.finding for r in repository_results if (r.rule.id, r.finding.object) == ("SEC-008", "deploy_key")
    )
    assert finding.evidence[0].object
    assert first.stdout.startswith(finding.evidence[0].object)


def test_cf_5_is_the_made_root_and_the_undeclared_variable(repository_results: list[Result]) -> None:
    """The mkdir on the mount and the invented variable are found; the folder below the mount is allowed."""
    found = {
        (r.finding.observed, r.finding.evidence[0].line)
        for r in repository_results
        if r.rule.id == "PATH-005" and r.status is Status.FAIL
    }
    assert found == {("makes the folder of OBSERVER_DATA_DIR", 8), ("reads OBSERVER_STORE_DIR", 15)}


def test_cf_6_is_the_wrong_path(repository_results: list[Result]) -> None:
    """The document's /app/logs is found with its line, and the right path beside it is not."""
    found = [r.finding for r in repository_results if r.rule.id == "DOC-001" and r.status is Status.FAIL]
    assert [(f.observed, f.expected, f.evidence[0].line) for f in found] == [
        ("/app/logs", "/opt/platform/runtime/observer/logs", 5)
    ]
