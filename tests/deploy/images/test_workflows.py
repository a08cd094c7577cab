"""The workflows: what they may do, what they run, and in which order."""

import ast
import fnmatch
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


@pytest.fixture
def images() -> dict[str, Any]:
    return read(ROOT / ".github/workflows/images.yml")["jobs"]


def steps(job: dict[str, Any]) -> list[dict[str, Any]]:
    return job.get("steps", [])


def promotion() -> dict[Any, Any]:
    """The workflow that proposes a tag; YAML 1.1 reads its key `on` as a truth value."""
    return read(ROOT / ".github/workflows/promote.yml")


def proposing() -> dict[str, Any]:
    """Its one job."""
    [job] = promotion()["jobs"].values()
    return job


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit(path: Path) -> None:
    """A tag of somebody else can be moved; a commit cannot."""
    used = [step["uses"] for job in read(path)["jobs"].values() for step in steps(job) if "uses" in step]
    assert used
    for name in used:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", name), name


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_rights_are_the_least(path: Path) -> None:
    """Reading by default; a right to write belongs to the one job that needs it."""
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    writing = {
        name: sorted(right for right, level in job.get("permissions", {}).items() if level == "write")
        for name, job in workflow["jobs"].items()
    }
    proposing = ["actions", "contents", "pull-requests"]
    expected = {
        "images.yml": {"publish": ["packages"], "staging": proposing},
        "promote.yml": {"propose": proposing},
    }
    assert {name: rights for name, rights in writing.items() if rights} == expected.get(path.name, {})


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_step_hides_its_failure_or_runs_what_a_title_says(path: Path) -> None:
    """I-16; and texts of events never become part of a script."""
    for job in read(path)["jobs"].values():
        assert "continue-on-error" not in job
        for step in steps(job):
            assert "continue-on-error" not in step
            script = step.get("run", "")
            assert "||" not in script
            assert not re.search(r"\$\{\{\s*(github|secrets|needs|steps|inputs|matrix)\.", script), script


def test_an_image_is_tagged_after_the_tests_and_after_it_ran(images: dict[str, Any]) -> None:
    """I-11: gate, build, exercise, publish, propose, in this order, on both architectures."""
    assert [images[name].get("needs") for name in ("build", "publish", "staging")] == [
        "test",
        "build",
        "publish",
    ]
    assert images["test"]["uses"] == "./.github/workflows/test.yml"
    runners = {
        entry["architecture"]: entry["runner"] for entry in images["build"]["strategy"]["matrix"]["include"]
    }
    assert runners == {"amd64": "ubuntu-24.04", "arm64": "ubuntu-24.04-arm"}
    scripts = [step.get("run", "") for step in steps(images["build"])]
    built = next(n for n, script in enumerate(scripts) if "make images" in script)
    exercised = next(n for n, script in enumerate(scripts) if "OBSERVER_TEST_IMAGES" in script)
    assert built < exercised
    assert not any("push" in script for script in scripts)


def test_an_image_goes_to_staging_and_a_person_takes_it_to_production(images: dict[str, Any]) -> None:
    """A trading day lies between the two: no workflow proposes production by itself."""
    assert images["staging"]["uses"] == "./.github/workflows/promote.yml"
    tag = "${{ needs.publish.outputs.tag }}"
    assert images["staging"]["with"] == {"overlay": "staging", "tag": tag}
    by_hand = promotion()[True]["workflow_dispatch"]["inputs"]
    assert by_hand["overlay"]["default"] == "production"
    assert by_hand["overlay"]["options"] == ["production", "staging"]
    assert by_hand["tag"]["required"] is True
    assert set(promotion()[True]) == {"workflow_call", "workflow_dispatch"}
    callers = [
        (path.name, name, job["with"]["overlay"])
        for path in WORKFLOWS
        for name, job in read(path)["jobs"].items()
        if "promote.yml" in job.get("uses", "")
    ]
    assert callers == [("images.yml", "staging", "staging")]
    [script] = [step["run"] for step in steps(proposing()) if "tools/promote.py" in step.get("run", "")]
    assert script.endswith('"$OVERLAY" "$TAG" --after-staging')


def test_a_caller_gives_the_rights_that_the_called_asks_for(images: dict[str, Any]) -> None:
    """GitHub refuses a called job that wants more than its caller has."""
    assert images["staging"]["permissions"] == proposing()["permissions"]


def test_nothing_is_promoted_before_the_window_was_asked() -> None:
    """I-21: the check comes before the overlay is touched, whichever it is."""
    scripts = [step.get("run", "") for step in steps(proposing())]
    asked = next(n for n, script in enumerate(scripts) if "tools/deployment_window.py" in script)
    changed = next(n for n, script in enumerate(scripts) if "tools/promote.py" in script)
    assert asked < changed
    assert not any("if" in step for step in steps(proposing()))


def test_what_sets_up_has_the_python_that_it_needs() -> None:
    """`tools/setup` wants 3.11, which Ubuntu 24.04 has not; sudo forgets the one that an action brought."""
    found = 0
    for path in WORKFLOWS:
        for name, job in read(path)["jobs"].items():
            scripts = [step.get("run", "") for step in steps(job)]
            needs = [n for n, script in enumerate(scripts) if re.search(r"\bmake |\.venv/|\.ci/run", script)]
            if not needs:
                continue
            found += 1
            assert not [script for script in scripts if "sudo" in script], name
            if "container" in job:
                assert re.fullmatch(
                    r"docker\.io/library/debian:bookworm-\d{8}-slim", job["container"]["image"]
                )
                before = " ".join(scripts[: needs[0]])
                assert ".ci/run" in scripts[needs[0]] or "python3-venv" in before, name
            else:
                brought = [n for n, step in enumerate(steps(job)) if "setup-python" in step.get("uses", "")]
                assert brought, name
                assert brought[0] < needs[0]
                assert steps(job)[brought[0]]["with"]["python-version"] == "3.11"
    assert found == 3


def test_no_workflow_ends_the_tests_of_another() -> None:
    """A push to main runs `test.yml` by itself and within `images.yml`: in different groups."""
    concurrency = read(ROOT / ".github/workflows/test.yml")["concurrency"]
    assert concurrency["cancel-in-progress"] is True
    assert "${{ github.workflow }}" in concurrency["group"]
    assert "${{ github.ref }}" in concurrency["group"]


def _promoted_files() -> list[str]:
    """Returns the files that differ after promotions in a copy."""
    program = (ROOT / "tools/promote.py").read_text()
    values = re.search(r"^VALUES = (\{.*?^\})", program, re.MULTILINE | re.DOTALL)
    assert values is not None
    written: dict[str, tuple[str, ...]] = ast.literal_eval(values[1])
    overlays = [f"deploy/overlays/{overlay}/kustomization.yaml" for overlay in written]
    return [*overlays, *(name for names in written.values() for name in names)]


def test_the_merge_of_a_promotion_builds_nothing() -> None:
    """Else it would propose the next promotion, and that one the next."""
    # YAML 1.1 reads the key `on` as a truth value.
    ignored = read(ROOT / ".github/workflows/images.yml")[True]["push"]["paths-ignore"]
    files = _promoted_files()
    assert len(files) == 7
    for name in files:
        assert (ROOT / name).is_file()
        assert any(fnmatch.fnmatchcase(name, pattern) for pattern in ignored), name


def test_the_pull_request_of_a_promotion_is_tested() -> None:
    """GITHUB_TOKEN starts no workflow by opening one: the gate is started by name, where the branch is."""
    assert "workflow_dispatch" in read(ROOT / ".github/workflows/test.yml")[True]
    (script,) = [step["run"] for step in steps(proposing()) if "gh pr create" in step.get("run", "")]
    assert 'gh workflow run test.yml --ref "promote-$OVERLAY-$TAG"' in script.partition("gh pr create")[2]
    assert proposing()["permissions"]["actions"] == "write"


def test_every_file_and_target_that_a_workflow_names_is_there() -> None:
    """A workflow is code that nobody runs here; at least what it calls exists."""
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for path in WORKFLOWS:
        for job in read(path)["jobs"].values():
            for step in steps(job):
                script = step.get("run", "")
                for name in re.findall(r"(?:tools|\.ci|tests)/[\w./]+", script):
                    assert (ROOT / name).exists(), name
                for target in re.findall(r"make ([a-z0-9-]+)", script):
                    assert target in targets


@pytest.mark.parametrize(
    ("instant", "status"),
    [
        ("2026-09-15T07:29:59+09:00", 0),
        ("2026-09-15T07:30:00+09:00", 1),
        ("2026-09-15T12:00:00+09:00", 1),
        ("2026-09-15T03:00:00+00:00", 1),
        ("2026-09-15T20:40:00+09:00", 1),
        ("2026-09-15T20:41:00+09:00", 0),
        ("2026-09-19T12:00:00+09:00", 0),
        ("2026-06-03T12:00:00+09:00", 0),
        ("2026-01-02T09:30:00+09:00", 1),
    ],
)
def test_the_window_is_shut_while_data_come(instant: str, status: int) -> None:
    """The exchange's calendar decides: Saturday and the election day are open, the late opening is not."""
    command = [sys.executable, "tools/deployment_window.py", "--at", instant]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    assert ("No deployment now" in done.stdout) == bool(status)


def test_an_instant_without_a_zone_is_refused() -> None:
    """The runners of the workflow live in UTC."""
    command = [sys.executable, "tools/deployment_window.py", "--at", "2026-09-15T12:00"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "time zone" in done.stderr
