"""A repository is read whole, or says what was not read."""

import subprocess
from pathlib import Path

import pytest

from observer_contracts.declaration.build import declare
from observer_contracts.engine import Verification, verify
from observer_contracts.evidence.repository import read_repository
from observer_contracts.model import Result, Status

ENVIRONMENT = "DB_PASSWORD=pw-0a3b9c1d\n"
MEBIBYTE = 1024 * 1024


def _git(root: Path, *words: str) -> str:
    identity = ("-c", "user.name=n", "-c", "user.email=e@x", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", "-C", str(root), *identity, *words], check=True, capture_output=True, text=True
    )
    return done.stdout


def _commit(root: Path, files: dict[str, str], message: str) -> str:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    _git(root, "add", "-f", ".")
    _git(root, "commit", "-q", "-m", message)
    return _git(root, "rev-parse", "HEAD").strip()


def _results(root: Path, rule: str) -> list[Result]:
    return verify(Verification(declare(), repository=read_repository(root), only=(rule,)))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    _git(tmp_path, "init", "-q", "-b", "main")
    return tmp_path


def test_every_path_of_one_content_is_named(repository: Path) -> None:
    """The same secret under three paths, one of them only by a move, is three findings with their commits."""
    first = _commit(repository, {"a/.env": ENVIRONMENT, "b/.env": ENVIRONMENT}, "first")
    _git(repository, "rm", "-q", "a/.env")
    (repository / "c").mkdir()
    _git(repository, "mv", "b/.env", "c/.env")
    _git(repository, "commit", "-q", "-m", "second")
    second = _git(repository, "rev-parse", "HEAD").strip()
    found = {r.finding.object: r.finding.evidence[0].object for r in _results(repository, "SEC-008")}
    assert found == {"a/.env": first[:10], "b/.env": first[:10], "c/.env": second[:10]}


def test_a_path_that_makes_the_content_a_secret_is_enough(repository: Path) -> None:
    """A content that is harmless under one name is found under the name of an environment file."""
    _commit(repository, {"a-list.txt": ENVIRONMENT, "z/.env": ENVIRONMENT}, "both")
    assert [r.finding.object for r in _results(repository, "SEC-008")] == ["z/.env"]


def test_a_secret_that_only_a_merge_brings_is_found(repository: Path) -> None:
    """What neither parent has is put there by the merge, and the merge is named."""
    _commit(repository, {"f": "1\n"}, "base")
    _git(repository, "checkout", "-q", "-b", "side")
    _commit(repository, {"g": "2\n"}, "side")
    _git(repository, "checkout", "-q", "main")
    _commit(repository, {"h": "3\n"}, "main")
    _git(repository, "merge", "-q", "--no-ff", "--no-commit", "side")
    merge = _commit(repository, {".env": ENVIRONMENT}, "merge")
    _git(repository, "rm", "-q", ".env")
    _git(repository, "commit", "-q", "-m", "gone")
    [found] = _results(repository, "SEC-008")
    assert (found.finding.object, found.finding.evidence[0].object) == (".env", merge[:10])


def test_a_text_that_is_too_large_is_unknown_and_named(repository: Path) -> None:
    """Neither tracked files nor the history pass where something was not read; a binary is no text."""
    _commit(repository, {"big.yaml": "a: b\n" * (MEBIBYTE // 4)}, "large")
    (repository / "photo.bin").write_bytes(b"\x89\0\1" * MEBIBYTE)
    _git(repository, "add", ".")
    now, ever = _results(repository, "SEC-007"), _results(repository, "SEC-008")
    assert [(r.status, r.finding.object) for r in now] == [(Status.UNKNOWN, "big.yaml")]
    assert [r.status for r in ever] == [Status.UNKNOWN]
    assert "big.yaml" in ever[0].finding.observed


def test_a_plain_folder_names_what_it_did_not_read(tmp_path: Path) -> None:
    """Without git too a large text is no silence."""
    (tmp_path / "big.env").write_text("A=b\n" * MEBIBYTE)
    found = [(r.status, r.finding.object) for r in _results(tmp_path, "SEC-007")]
    assert found == [(Status.UNKNOWN, "big.env")]
