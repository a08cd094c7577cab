"""A promotion is a commit like any other: the checks of the deployment hold after it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# What a promotion can break: whatever reads a tag.
_CHECKS = (
    "tests/deploy/images/test_promotion.py",
    "tests/deploy/helm/test_values.py",
    "tests/deploy/helm/test_run_job.py::test_a_job_runs_once_with_the_code_locations_image_and_is_cleared_away",
    "tests/deploy/manifests/test_objects.py::test_the_sidecars_values_fit",
)
_PARTS = (
    "deploy", "helm-values", "tests/deploy", "tests/support", "tools", "pyproject.toml", "contracts.yaml",
    ".dockerignore",
)  # fmt: skip


@pytest.mark.timeout(600)
def test_the_gate_is_green_after_a_promotion(tmp_path: Path) -> None:
    """The pull request of `images.yml` changes tags only, and passes the tests of whatever reads one."""
    for part in _PARTS:
        source, target = ROOT / part, tmp_path / part
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    for overlay in ("production", "staging"):
        done = _run(tmp_path, "tools/promote.py", overlay, "0123456789ab")
        assert done.returncode == 0, done.stderr
    done = _run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", *_CHECKS)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
