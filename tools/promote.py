"""Writes the tag of new images into an overlay and its chart values: `tools/promote.py production TAG`.

Only the tags of our own images change; comments and order stay, so that the difference is one line an image.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence

from images import REPOSITORIES, ROOT

_TAG = re.compile(r"[0-9a-z][0-9a-z.-]{6,62}")
_OVERLAYS = ROOT / "deploy/overlays"
# The chart's values are those of production; a line of the overlay does not reach them.
_VALUES = {"production": ("helm-values/dagster.yaml", "helm-values/dagster-code.yaml")}


def promoted(text: str, tag: str) -> str:
    """Returns a kustomization or chart values with the tag for each of our images that it names.

    Raises:
        ValueError: It names none of them with a tag.
    """
    count = 0
    for repository in REPOSITORIES.values():
        pattern = rf"((?:name|repository): {re.escape(repository)}\n\s+(?:newTag|tag): )\S+"
        text, found = re.subn(pattern, rf"\g<1>{tag}", text)
        count += found
    if not count:
        raise ValueError("no image of ours has a tag here")
    return text


def main(words: Sequence[str] | None = None) -> int:
    """Changes the overlay's kustomization and says what it did."""
    parser = argparse.ArgumentParser(prog="tools/promote.py", description=__doc__.partition("\n")[0])
    parser.add_argument("overlay")
    parser.add_argument("tag")
    arguments = parser.parse_args(words)
    paths = [_OVERLAYS / arguments.overlay / "kustomization.yaml"]
    if not _TAG.fullmatch(arguments.tag) or arguments.tag.endswith("-dirty"):
        parser.error(f"{arguments.tag} is not the tag of a commit")
    if not paths[0].is_file():
        parser.error(f"there is no overlay {arguments.overlay}")
    for path in (*paths, *(ROOT / name for name in _VALUES.get(arguments.overlay, ()))):
        try:
            path.write_text(promoted(path.read_text(), arguments.tag))
        except ValueError as error:
            parser.error(f"{path}: {error}")
    print(f"{arguments.overlay} runs {arguments.tag}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
