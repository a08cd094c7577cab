"""Writes the requirements of each image: the part of `requirements.lock` that the image's extras need.

Invariant: every pin and hash is copied from `requirements.lock`, so that an image runs what the tests ran.
The graph of dependencies is that of the packages installed in .venv; nothing is fetched.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]

# Each file, and the extras of this project (or the package) whose dependencies stand in it.
IMAGES = {
    "deploy/images/collector/requirements.lock": ("observer[collector,contracts,driver]",),
    "deploy/images/pipeline/requirements.lock": ("observer[pipeline,cluster]",),
    # What builds the wheel of this project; it stays in the first stage.
    "deploy/images/build.lock": ("hatchling",),
}

# The machines that images are built for.
_PLATFORMS = tuple(
    {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": machine}
    for machine in ("x86_64", "aarch64")
)
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?==")
_OURS = "observer"


def read_pins(text: str) -> dict[str, list[str]]:
    """Returns the blocks of a lock file, a pin with its hashes each, by canonical name."""
    pins: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        found = _PIN.match(line)
        if found:
            name = canonicalize_name(found[1])
            pins.setdefault(name, []).append(line)
        elif line.startswith(" ") and name:
            pins[name][-1] += f"\n{line}"
    return pins


def closure(roots: Iterable[str]) -> set[str]:
    """Returns the names of everything that the roots need on one of the platforms, themselves included."""
    waiting = [Requirement(root) for root in roots]
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in ("", *requirement.extras):
            if (name, extra) not in seen:
                seen.add((name, extra))
                waiting += _needed(name, extra)
    return {name for name, _ in seen} - {_OURS}


def _needed(name: str, extra: str) -> Iterator[Requirement]:
    if name == _OURS:
        # From its source: what is installed may be older than the file.
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        texts = project["optional-dependencies"][extra] if extra else project["dependencies"]
        yield from map(Requirement, texts)
        return
    for text in requires(name) or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None:
            if not extra:
                yield requirement
        elif any(marker.evaluate({**platform, "extra": extra}) for platform in _PLATFORMS):
            yield requirement


def render(roots: Iterable[str], pins: dict[str, list[str]]) -> str:
    """Returns the content of a requirements file."""
    lines = ["# Made by `make lock` (tools/image_requirements.py) from requirements.lock."]
    for name in sorted(closure(roots)):
        if name not in pins:
            raise SystemExit(f"requirements.lock does not have {name}. Remedy: make lock, then make setup.")
        lines += pins[name]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Writes the files; with `--check` it compares them and returns 1 where one is not current."""
    pins = read_pins((ROOT / "requirements.lock").read_text())
    stale = []
    for file, roots in IMAGES.items():
        path, content = ROOT / file, render(roots, pins)
        if path.is_file() and path.read_text() == content:
            continue
        stale.append(file)
        if "--check" not in sys.argv[1:]:
            path.write_text(content)
    for file in stale:
        print(f"{'not current' if '--check' in sys.argv[1:] else 'written'}: {file}")
    return 1 if stale and "--check" in sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())
