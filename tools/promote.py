"""Writes the tag of new images into an overlay and its chart values: `tools/promote.py production TAG`.

Only the tags of our own images change; comments and order stay, so that the difference is one line an image.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Collection, Sequence

from images import NAMES, ROOT, repositories

_TAG = re.compile(r"[0-9a-z][0-9a-z.-]{6,62}")
# A line of the overlay does not reach the charts' values.
VALUES = {
    "production": (
        "helm-values/dagster.yaml",
        "helm-values/dagster-code.yaml",
        # Read only where the component is in use, and then for the image of runs.
        "deploy/components/collector-sidecar/dagster-values.yaml",
    ),
    "staging": ("helm-values/dagster-staging.yaml", "deploy/argocd/staging/dagster-code.yaml"),
}
# The code location is in a list, which Helm replaces as a whole: staging's Application names it by its place.
_BY_PLACE = r"(name: deployments\[0\]\.image\.tag\n\s+value: )\S+"


def promoted(text: str, tag: str, kept: Collection[str]) -> str:
    """Returns a kustomization, chart values or an Application with the tag for each image of ours.

    Args:
        text: Of the file.
        tag: Of the new images.
        kept: The repositories of our images, as the overlay has them (`images.repositories`).

    Raises:
        ValueError: It names none of them with a tag.
    """
    count = 0
    named = [rf"(name: {re.escape(name)}\n(?:\s+newName: \S+\n)?\s+newTag: )\S+" for name in NAMES.values()]
    charts = [rf"(repository: {re.escape(repository)}\n\s+tag: )\S+" for repository in kept]
    for pattern in (*named, *charts, _BY_PLACE):
        text, found = re.subn(pattern, rf"\g<1>{tag}", text)
        count += found
    if not count:
        raise ValueError(
            f"no image of ours has a tag here. Remedy: name one of {', '.join(kept)}, as the overlay does"
        )
    return text


def _in_staging(tag: str) -> bool:
    overlay = ROOT / "deploy/overlays/staging/kustomization.yaml"
    return set(re.findall(r"newTag: (\S+)", overlay.read_text())) == {tag}


def main(words: Sequence[str] | None = None) -> int:
    """Changes the overlay's kustomization and the values, all or none, and says what it did."""
    parser = argparse.ArgumentParser(prog="tools/promote.py", description=__doc__.partition("\n")[0])
    parser.add_argument("overlay")
    parser.add_argument("tag")
    parser.add_argument(
        "--after-staging", action="store_true", help="refuse for production a tag that staging does not have"
    )
    arguments = parser.parse_args(words)
    overlay = ROOT / "deploy/overlays" / arguments.overlay / "kustomization.yaml"
    if not _TAG.fullmatch(arguments.tag) or arguments.tag.endswith("-dirty"):
        parser.error(f"{arguments.tag} is not the tag of a commit")
    if not overlay.is_file():
        parser.error(f"there is no overlay {arguments.overlay}")
    if arguments.after_staging and arguments.overlay == "production" and not _in_staging(arguments.tag):
        parser.error(
            f"staging does not have {arguments.tag}. Remedy: merge its pull request, and let it run "
            "through a trading day first"
        )
    kept = repositories(arguments.overlay, ROOT).values()
    changed = {}
    for path in (overlay, *(ROOT / name for name in VALUES.get(arguments.overlay, ()))):
        try:
            changed[path] = promoted(path.read_text(), arguments.tag, kept)
        except ValueError as error:
            parser.error(f"{path}: {error}")
    for path, text in changed.items():
        path.write_text(text)
    print(f"{arguments.overlay} runs {arguments.tag}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
