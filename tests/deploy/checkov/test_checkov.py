"""checkov, a policy scanner that knows nothing of us, over every rendering: what it raises has a reason.

It pins versions that ours exclude (packaging, tabulate), so that it lives in an environment of its own below
var/, made once from its own hashed lock.
"""

import fnmatch
import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from renderings import ROOT, Rendering

HERE = Path(__file__).parent
LOCK = HERE / "requirements.lock"
_SECONDS = 110


@dataclass(frozen=True)
class Finding:
    """One failed check on one object."""

    check: str
    object: str


@pytest.fixture(scope="module")
def program() -> Path:
    """checkov, installed where it is not yet; without a network the test is skipped, but in CI it fails."""
    name = f"checkov-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"
    folder = ROOT / "var" / name
    if not (folder / "complete").exists():
        _install(folder)
    return folder / "bin/checkov"


def _install(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    uv = Path(sys.executable).with_name("uv")
    commands = (
        [str(uv), "venv", "--quiet", "--python", sys.executable, str(folder)],
        [str(uv), "pip", "install", "--quiet", "--python", str(folder / "bin/python"), "--require-hashes",
         "--no-deps", "-r", str(LOCK)],
    )  # fmt: skip
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            message = f"checkov cannot be installed: {done.stderr.strip()[-400:]}"
            if os.environ.get("CI") == "true":
                pytest.fail(message)
            pytest.skip(message)
    (folder / "complete").touch()


@pytest.fixture(scope="module")
def findings(
    program: Path, renderings: list[Rendering], tmp_path_factory: pytest.TempPathFactory
) -> set[Finding]:
    """What checkov raises over all combinations, in one run; equal objects are looked at once."""
    folder = tmp_path_factory.mktemp("checkov")
    distinct = {json.dumps(d, sort_keys=True): d for found in renderings for d in found.documents}
    for number, document in enumerate(distinct.values()):
        (folder / f"{number:03d}.yaml").write_text(yaml.safe_dump(document))
    done = subprocess.run(
        [str(program), "-d", str(folder), "--framework", "kubernetes", "--output", "json", "--compact",
         "--quiet", "--skip-download"],
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "LOG_LEVEL": "ERROR"},
    )  # fmt: skip
    answer = json.loads(done.stdout)
    assert answer["summary"]["parsing_errors"] == 0
    assert answer["summary"]["passed"] > 300, done.stderr[-400:]
    return {Finding(one["check_id"], one["resource"]) for one in answer["results"]["failed_checks"]}


@pytest.fixture(scope="module")
def exemptions() -> list[dict[str, object]]:
    """The versioned file, each entry with check, objects and reason."""
    found = yaml.safe_load((HERE / "exemptions.yaml").read_text())
    for entry in found:
        assert set(entry) == {"check", "objects", "reason"}
        assert len(entry["reason"]) > 40
    return found


def _covers(entry: dict[str, object], finding: Finding) -> bool:
    patterns = entry["objects"]
    assert isinstance(patterns, list)
    return entry["check"] == finding.check and any(
        fnmatch.fnmatchcase(finding.object, pattern) for pattern in patterns
    )


def test_nothing_is_raised_that_is_not_exempted(
    findings: set[Finding], exemptions: list[dict[str, object]]
) -> None:
    """Each finding has its entry with a reason."""
    raised = {finding for finding in findings if not any(_covers(entry, finding) for entry in exemptions)}
    assert raised == set()


def test_no_exemption_is_left_over(findings: set[Finding], exemptions: list[dict[str, object]]) -> None:
    """An entry that nothing needs would hide the next finding."""
    unused = [entry for entry in exemptions if not any(_covers(entry, finding) for finding in findings)]
    assert unused == []
