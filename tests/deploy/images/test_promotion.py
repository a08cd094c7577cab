"""Tags of images: made of commits, and written into an overlay by a program."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    """The programs of `tools`, as modules."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    found = {}
    for name in ("images", "promote"):
        specification = importlib.util.spec_from_file_location(name, ROOT / f"tools/{name}.py")
        assert specification is not None
        assert specification.loader is not None
        found[name] = importlib.util.module_from_spec(specification)
        monkeypatch.setitem(sys.modules, name, found[name])
        specification.loader.exec_module(found[name])
    return found


def test_the_overlay_names_both_images_with_the_new_tag(tools: dict[str, ModuleType]) -> None:
    """Two lines change, comments and order stay."""
    before = (ROOT / "deploy/overlays/production/kustomization.yaml").read_text()
    after = tools["promote"].promoted(before, "0123456789ab")
    tags = {entry["name"]: entry["newTag"] for entry in yaml.safe_load(after)["images"]}
    assert tags == dict.fromkeys(tools["images"].REPOSITORIES.values(), "0123456789ab")
    changed = [
        pair for pair in zip(before.splitlines(), after.splitlines(), strict=True) if pair[0] != pair[1]
    ]
    assert len(changed) == 2


@pytest.mark.parametrize("file", ["helm-values/dagster.yaml", "helm-values/dagster-code.yaml"])
def test_the_chart_gets_the_same_tag(tools: dict[str, ModuleType], file: str) -> None:
    """Collector and pipeline are of one commit, whoever installs them."""
    after = tools["promote"].promoted((ROOT / file).read_text(), "0123456789ab")
    found = re.findall(r"repository: ghcr\.io/observer/observer-pipeline\n\s+tag: (\S+)", after)
    assert found
    assert set(found) == {"0123456789ab"}


def test_a_file_without_our_images_is_refused(tools: dict[str, ModuleType]) -> None:
    """A promotion that changes nothing is a failure."""
    with pytest.raises(ValueError, match="no image of ours"):
        tools["promote"].promoted("images: []\n", "0123456789ab")


@pytest.mark.parametrize("tag", ["latest", "0123456789ab-dirty", "UPPER1234", ""])
def test_only_tags_of_commits_are_promoted(tag: str) -> None:
    """Nothing moves, and nothing that is not in the repository."""
    command = [sys.executable, "tools/promote.py", "production", tag]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "is not the tag of a commit" in done.stderr


def test_images_are_built_from_their_own_file_for_their_platform(tools: dict[str, ModuleType]) -> None:
    """The command is the same for docker and podman."""
    build = tools["images"].Build("pipeline", "arm64", "0123456789ab")
    command = build.command("docker", "0123", ["--pull"])
    assert command[:4] == ["docker", "build", "--platform", "linux/arm64"]
    assert str(ROOT / "deploy/images/pipeline/Dockerfile") in command
    assert "ghcr.io/observer/observer-pipeline:0123456789ab-arm64" in command
    assert command[-2:] == ["--pull", str(ROOT)]


@pytest.mark.parametrize("image", ["collector", "pipeline"])
def test_a_dockerfile_is_pinned_and_runs_as_a_user(image: str) -> None:
    """Base by digest, hashed requirements, numeric user, no shell that fetches programs."""
    text = (ROOT / f"deploy/images/{image}/Dockerfile").read_text()
    (base,) = re.findall(r"^ARG BASE_IMAGE=(\S+)$", text, re.MULTILINE)
    assert re.fullmatch(r"docker\.io/library/python:3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", base)
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["${BASE_IMAGE}"] * 2
    assert "USER 1000:1000" in text
    installs = [line for line in text.splitlines() if " install " in line and "-r " in line]
    assert all("--require-hashes" in line and "--only-binary :all:" in line for line in installs)
    assert not re.search(r"curl|wget|\|\|", text)
    packages = re.findall(r"apt-get install (?:-\S+ )*(.+?) &&", text)
    assert packages == (["postgresql-client-15"] if image == "pipeline" else [])


def test_both_images_stand_on_the_same_base() -> None:
    """One layer on the node, and one place to look for a fault of it."""
    files = [(ROOT / f"deploy/images/{image}/Dockerfile").read_text() for image in ("collector", "pipeline")]
    assert len({re.search(r"BASE_IMAGE=(\S+)", text)[1] for text in files}) == 1


def test_the_context_leaves_out_secrets_and_everything_that_no_image_holds() -> None:
    """The ignore file names what goes in; a new folder stays out by itself (I-10)."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == "*"
    taken = {line[1:] for line in lines if line.startswith("!")}
    assert taken == {
        "pyproject.toml", "README.md", "deploy/images/**/*.lock", "observer", "observer_core",
        "observer_contracts", "observer_collector", "observer_pipeline",
    }  # fmt: skip
