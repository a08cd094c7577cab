"""Publishes the archives of `make images` when they were exercised: `tools/publish.py FOLDER`.

Each image gets one tag for both architectures, and only when both are there. Prints `tag=TAG` for the
workflow.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from images import ARCHITECTURES, repositories, revision_and_tag


def _podman(*arguments: str) -> None:
    # Standard output is the workflow's.
    subprocess.run(["podman", *arguments], check=True, stdout=sys.stderr)


def main() -> int:
    """Loads every archive, and pushes a list of both architectures for each image."""
    folder = Path(sys.argv[1])
    _, tag = revision_and_tag(tracked_only=True)
    if tag.endswith("-dirty"):
        raise SystemExit("publish: the tree has changes of its own; only commits are published.")
    for image, repository in repositories().items():
        for architecture in ARCHITECTURES:
            _podman("load", "--input", str(folder / f"{image}-{architecture}.tar"))
        name = f"{repository}:{tag}"
        _podman("manifest", "create", name, *(f"containers-storage:{name}-{one}" for one in ARCHITECTURES))
        _podman("manifest", "push", "--all", name, f"docker://{name}")
    print(f"tag={tag}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
