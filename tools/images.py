"""Builds the images of the deployment: `make images`.

Each image is built from its own Dockerfile for each architecture, with docker or podman, and tagged by the
commit. Nothing is pushed. What stands after `--` goes to the engine's `build` as it is.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Name of each image in deploy/base and deploy/components, by the folder of its Dockerfile.
NAMES = {
    "collector": "ghcr.io/observer/observer",
    "pipeline": "ghcr.io/observer/observer-pipeline",
}
# Names of an architecture: of the registry, of the kernel and of qemu.
ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
ENGINES = ("docker", "podman")
_BINFMT = Path("/proc/sys/fs/binfmt_misc")


def repositories(overlay: str = "production", root: Path = ROOT) -> dict[str, str]:
    """Returns where each image is kept: the overlay's `newName`, where a fork has a registry of its own.

    Read without a YAML library, which the machine that publishes does not have.

    Raises:
        SystemExit: The overlay has no entry for one of them.
    """
    path = root / "deploy/overlays" / overlay / "kustomization.yaml"
    found = {}
    for image, name in NAMES.items():
        entry = re.search(rf"^( *)- name: {re.escape(name)}\n((?:\1  .*\n)*)", path.read_text(), re.MULTILINE)
        if entry is None:
            raise SystemExit(f"{path}: no `- name: {name}` under images. Remedy: keep the name, add newName.")
        other = re.search(r"^ *newName: (\S+)", entry[2], re.MULTILINE)
        found[image] = other[1] if other else name
    return found


@dataclass(frozen=True)
class Build:
    """One image for one architecture.

    Attributes:
        repository: Where the image is kept, without tag.
    """

    image: str
    architecture: str
    repository: str
    tag: str

    @property
    def name(self) -> str:
        return f"{self.repository}:{self.tag}-{self.architecture}"

    def command(self, engine: str, revision: str, options: Sequence[str]) -> list[str]:
        """Returns the engine's command."""
        return [
            engine, "build",
            "--platform", f"linux/{self.architecture}",
            "--file", str(ROOT / "deploy/images" / self.image / "Dockerfile"),
            "--build-arg", f"REVISION={revision}",
            "--tag", self.name,
            *options, str(ROOT),
        ]  # fmt: skip


def obstacle(architecture: str) -> str:
    """Returns why this machine cannot build for an architecture; empty where it can."""
    wanted, here = ARCHITECTURES[architecture], platform.machine()
    if here == wanted or (_BINFMT / f"qemu-{wanted}").is_file():
        return ""
    return (
        f"this machine ({here}) cannot run programs of {architecture}. Remedy: build on such a machine, or "
        "let the kernel run them by qemu (Debian: apt-get install qemu-user-static binfmt-support)"
    )


def find_engine(wanted: str | None) -> str:
    """Returns the engine to build with: one that answers, since docker is of no use without its daemon.

    Raises:
        SystemExit: There is none.
    """
    reasons = []
    for name in (wanted,) if wanted else ENGINES:
        if not shutil.which(name):
            reasons.append(f"{name} is not installed")
            continue
        done = subprocess.run([name, "version"], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return name
        reasons.append(
            f"{name} does not answer ({(done.stderr.strip() or 'no reason given').splitlines()[-1]})"
        )
    raise SystemExit(
        f"images: {'; '.join(reasons)}. Remedy: install podman (Debian: apt-get install podman) and pass "
        "--engine podman, or start docker's daemon."
    )


def revision_and_tag(*, tracked_only: bool = False) -> tuple[str, str]:
    """Returns the commit and the tag made of it; a tree with changes of its own says so in both.

    Args:
        tracked_only: Whether files that git does not know are left out of that.
    """
    commit = _git("rev-parse", "HEAD")
    untracked = ["--untracked-files=no"] if tracked_only else []
    changed = "-dirty" if _git("status", "--porcelain", *untracked) else ""
    return commit + changed, commit[:12] + changed


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"images: git {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make images",
        description=__doc__.partition("\n")[0],
        epilog="What stands after -- goes to the engine's build.",
    )
    parser.add_argument(
        "--arch", action="append", choices=ARCHITECTURES, help="default: all that can be built here"
    )
    parser.add_argument("--only", action="append", choices=NAMES, help="default: all images")
    parser.add_argument("--engine", choices=ENGINES, help="default: docker where it answers, else podman")
    parser.add_argument(
        "--tag", help="default: the commit's first twelve digits, with -dirty where files changed"
    )
    parser.add_argument("--archive", type=Path, metavar="FOLDER", help="save each image there as a tar file")
    own, options = list(words), []
    if "--" in own:
        position = own.index("--")
        own, options = own[:position], own[position + 1 :]
    arguments = parser.parse_args(own)
    arguments.options = options
    return arguments


def main(words: Sequence[str] | None = None) -> int:
    """Builds, and returns 0 if everything that was asked for is there."""
    arguments = _parse(sys.argv[1:] if words is None else words)
    engine = find_engine(arguments.engine)
    revision, tag = revision_and_tag()
    kept = repositories()
    for architecture in arguments.arch or ARCHITECTURES:
        reason = obstacle(architecture)
        if reason:
            print(f"images: {architecture} left out: {reason}.", file=sys.stderr)
            if arguments.arch:
                return 1
            continue
        for image in arguments.only or NAMES:
            build = Build(image, architecture, kept[image], arguments.tag or tag)
            print(f"images: {build.name}", flush=True)
            done = subprocess.run(build.command(engine, revision, arguments.options), check=False)
            if done.returncode == 0 and arguments.archive:
                done = _save(engine, build, arguments.archive)
            if done.returncode != 0:
                print(f"images: {build.name} failed, see the lines above.", file=sys.stderr)
                return 1
    return 0


def _save(engine: str, build: Build, folder: Path) -> subprocess.CompletedProcess[bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{build.image}-{build.architecture}.tar"
    file.unlink(missing_ok=True)
    print(f"images: saved as {file}", flush=True)
    return subprocess.run([engine, "save", "--output", os.fspath(file), build.name], check=False)


if __name__ == "__main__":
    sys.exit(main())
