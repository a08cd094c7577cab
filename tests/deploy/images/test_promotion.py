"""Tags of images: made of commits, and written into an overlay by a program."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

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


def _another_tag(text: str) -> str:
    """Returns a tag that a file does not have, whatever was promoted last."""
    return next(tag for tag in ("0123456789ab", "ba9876543210") if tag not in text)


def test_the_overlay_names_both_images_with_the_new_tag(tools: dict[str, ModuleType]) -> None:
    """Two lines change, comments and order stay."""
    before = (ROOT / "deploy/overlays/production/kustomization.yaml").read_text()
    tag = _another_tag(before)
    after = tools["promote"].promoted(before, tag, tools["images"].repositories().values())
    tags = {entry["name"]: entry["newTag"] for entry in yaml.safe_load(after)["images"]}
    assert tags == dict.fromkeys(tools["images"].NAMES.values(), tag)
    changed = [
        pair for pair in zip(before.splitlines(), after.splitlines(), strict=True) if pair[0] != pair[1]
    ]
    assert len(changed) == 2


@pytest.mark.parametrize("overlay", ["production", "staging"])
def test_a_promotion_changes_every_tag_of_its_deployment_and_no_other(
    tools: dict[str, ModuleType], overlay: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is applied of staging names the new tag everywhere, and of production the old one."""
    _copy(tmp_path)
    monkeypatch.setattr(tools["promote"], "ROOT", tmp_path)
    deployments = {
        "production": [
            "deploy/overlays/production",
            "helm-values/dagster.yaml",
            "helm-values/dagster-code.yaml",
            "deploy/components/collector-sidecar/dagster-values.yaml",
            "deploy/components/backup-volume/dagster-values.yaml",
        ],
        "staging": ["deploy/overlays/staging", "helm-values/dagster-staging.yaml", "deploy/argocd/staging"],
    }
    before = _tags(ROOT, deployments)
    assert {len(tags) for tags in before.values()} == {1}
    tag = _another_tag(str(before))
    assert tools["promote"].main([overlay, tag]) == 0
    assert _tags(tmp_path, deployments) == before | {overlay: {tag}}


def test_production_gets_what_staging_has(
    tools: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """As the workflow asks: until staging's promotion is there, it is refused and nothing is written."""
    _copy(tmp_path)
    monkeypatch.setattr(tools["promote"], "ROOT", tmp_path)
    overlay = tmp_path / "deploy/overlays/production/kustomization.yaml"
    before = overlay.read_text()
    tag = _another_tag(before)
    with pytest.raises(SystemExit) as refused:
        tools["promote"].main(["production", tag, "--after-staging"])
    assert refused.value.code == 2
    assert f"staging does not have {tag}" in capsys.readouterr().err
    assert overlay.read_text() == before
    assert tools["promote"].main(["staging", tag, "--after-staging"]) == 0
    assert tools["promote"].main(["production", tag, "--after-staging"]) == 0
    assert overlay.read_text() != before


def _copy(folder: Path) -> None:
    for part in ("deploy/overlays", "deploy/argocd", "deploy/components", "helm-values"):
        shutil.copytree(ROOT / part, folder / part)


def _in_another_registry(folder: Path) -> None:
    """Does what step 4 of the guide says for a fork with a registry of its own."""
    _copy(folder)
    for path in folder.rglob("*.yaml"):
        text = path.read_text()
        text = re.sub(
            r"^( *)- name: ghcr\.io/observer/(\S+)$",
            r"\g<0>\n\1  newName: registry.example/fork/\2",
            text,
            flags=re.MULTILINE,
        )
        path.write_text(text.replace("repository: ghcr.io/observer/", "repository: registry.example/fork/"))


@pytest.mark.parametrize("overlay", ["production", "staging"])
def test_a_fork_with_a_registry_of_its_own_builds_and_promotes_there(
    tools: dict[str, ModuleType], overlay: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`newName` of the overlay and `repository` of the values are all that it takes."""
    _in_another_registry(tmp_path)
    monkeypatch.setattr(tools["promote"], "ROOT", tmp_path)
    kept = tools["images"].repositories(overlay, tmp_path)
    assert kept == {
        "collector": "registry.example/fork/observer",
        "pipeline": "registry.example/fork/observer-pipeline",
    }
    assert tools["promote"].main([overlay, "ba9876543210"]) == 0
    images = yaml.safe_load((tmp_path / f"deploy/overlays/{overlay}/kustomization.yaml").read_text())[
        "images"
    ]
    assert [(image["newName"], image["newTag"]) for image in images] == [
        (repository, "ba9876543210") for repository in kept.values()
    ]


def test_a_promotion_changes_everything_or_nothing(
    tools: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values that name another repository than the overlay stop it before the first file is written."""
    _in_another_registry(tmp_path)
    values = tmp_path / "helm-values/dagster-code.yaml"
    values.write_text(values.read_text().replace("registry.example/fork/", "registry.example/other/"))
    monkeypatch.setattr(tools["promote"], "ROOT", tmp_path)
    before = {path: path.read_text() for path in tmp_path.rglob("*.yaml")}
    with pytest.raises(SystemExit):
        tools["promote"].main(["production", "ba9876543210"])
    assert {path: path.read_text() for path in before} == before


def test_an_overlay_without_an_image_is_no_guess(tools: dict[str, ModuleType], tmp_path: Path) -> None:
    """Nothing is published to a registry that nobody named."""
    overlay = tmp_path / "deploy/overlays/production/kustomization.yaml"
    overlay.parent.mkdir(parents=True)
    overlay.write_text("images: []\n")
    with pytest.raises(SystemExit, match="Remedy: keep the name, add newName"):
        tools["images"].repositories("production", tmp_path)


def _tags(root: Path, deployments: dict[str, list[str]]) -> dict[str, set[str]]:
    """Returns by deployment the tags of our images in its overlay, values and Applications."""
    pattern = r"^\s+(?:newTag|tag|name: deployments\[0\]\.image\.tag\n\s+value): (\S+)$"
    return {
        name: {
            tag
            for place in places
            for text in _files(root / place)
            for tag in re.findall(pattern, text.replace("- name: dep", "  name: dep"), re.MULTILINE)
        }
        for name, places in deployments.items()
    }


def _files(place: Path) -> list[str]:
    return [path.read_text() for path in ([place] if place.is_file() else sorted(place.glob("*.yaml")))]


def test_a_file_without_our_images_is_refused(tools: dict[str, ModuleType]) -> None:
    """A promotion that changes nothing is a failure."""
    with pytest.raises(ValueError, match="no image of ours"):
        tools["promote"].promoted("images: []\n", "0123456789ab", ["ghcr.io/observer/observer"])


@pytest.mark.parametrize("tag", ["latest", "0123456789ab-dirty", "UPPER1234", ""])
def test_only_tags_of_commits_are_promoted(tag: str) -> None:
    """Nothing moves, and nothing that is not in the repository."""
    command = [sys.executable, "tools/promote.py", "production", tag]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "is not the tag of a commit" in done.stderr


def test_images_are_built_from_their_own_file_for_their_platform(tools: dict[str, ModuleType]) -> None:
    """The command is the same for docker and podman."""
    repository = "ghcr.io/observer/observer-pipeline"
    build = tools["images"].Build("pipeline", "arm64", repository, "0123456789ab")
    command = build.command("docker", "0123", ["--pull"])
    assert command[:4] == ["docker", "build", "--platform", "linux/arm64"]
    assert str(ROOT / "deploy/images/pipeline/Dockerfile") in command
    assert "ghcr.io/observer/observer-pipeline:0123456789ab-arm64" in command
    assert command[-2:] == ["--pull", str(ROOT)]


def _programs(folder: Path, monkeypatch: pytest.MonkeyPatch, **scripts: str) -> None:
    """Makes these programs the only ones of the PATH."""
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


_NO_DAEMON = "echo 'Cannot connect to the Docker daemon' >&2; exit 1"


def test_docker_without_its_daemon_gives_way_to_podman(
    tools: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command alone builds nothing."""
    _programs(tmp_path, monkeypatch, docker=_NO_DAEMON, podman="exit 0")
    assert tools["images"].find_engine(None) == "podman"


def test_docker_comes_first_where_it_answers(
    tools: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _programs(tmp_path, monkeypatch, docker="exit 0", podman="exit 0")
    assert tools["images"].find_engine(None) == "docker"


def test_without_an_engine_each_is_named_with_its_reason(
    tools: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _programs(tmp_path, monkeypatch, docker=_NO_DAEMON)
    with pytest.raises(SystemExit) as caught:
        tools["images"].find_engine(None)
    said = str(caught.value)
    assert "docker does not answer (Cannot connect to the Docker daemon)" in said
    assert "podman is not installed" in said
    assert "--engine podman" in said


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
