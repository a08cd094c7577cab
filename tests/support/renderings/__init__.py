"""Every overlay with every set of components, as an operator can put them together.

A combination is a copy of `deploy/` in which the overlay names the components, as their comments say: what
renders here renders there.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from observer_contracts.evidence import kustomize

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
OVERLAYS = ("local-k3s", "production", "staging")

Documents = list[dict[str, Any]]


@dataclass(frozen=True)
class Rendering:
    """One combination and what it renders to.

    Attributes:
        overlay: Name of the overlay.
        components: Names of the components, in their order.
        folder: The overlay's copy that names them.
        text: What `kubectl kustomize` printed.
        documents: The same, parsed.
    """

    overlay: str
    components: tuple[str, ...]
    folder: Path
    text: str
    documents: Documents

    def __str__(self) -> str:
        return "+".join((self.overlay, *self.components))

    @property
    def namespace(self) -> str:
        return next(found["metadata"]["name"] for found in self.of("Namespace"))

    def of(self, *kinds: str) -> Documents:
        """Returns the objects of these kinds."""
        return [found for found in self.documents if found["kind"] in kinds]

    def find(self, kind: str, name: str) -> dict[str, Any]:
        """Returns the one object of that kind and name."""
        (found,) = [found for found in self.of(kind) if found["metadata"]["name"] == name]
        return found

    def pods(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields name and pod template of each workload."""
        for found in self.of("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"):
            spec = found["spec"]["jobTemplate"]["spec"] if found["kind"] == "CronJob" else found["spec"]
            yield found["metadata"]["name"], spec["template"]


def component_names() -> list[str]:
    """Returns the components of the repository."""
    return sorted(path.parent.name for path in (DEPLOY / "components").glob("*/kustomization.yaml"))


def render_all(folder: Path) -> list[Rendering]:
    """Renders every overlay with no component, with each one, with each two, and with all of them."""
    names = component_names()
    chosen = [
        (overlay, subset)
        for overlay in OVERLAYS
        for size in (0, 1, 2, len(names))
        for subset in combinations(names, size)
    ]
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(lambda pair: render(folder, *pair), chosen))


def render(folder: Path, overlay: str, components: tuple[str, ...]) -> Rendering:
    """Renders one combination in a copy of `deploy/`."""
    copy = folder / "+".join((overlay, *components)) / "deploy"
    for part in ("base", "components", f"overlays/{overlay}"):
        shutil.copytree(DEPLOY / part, copy / part)
    place = copy / "overlays" / overlay
    if components:
        with (place / "kustomization.yaml").open("a") as file:
            file.write("\ncomponents:\n" + "".join(f"  - ../../components/{name}\n" for name in components))
    text = kustomize.render(place, kustomize.read_sources(place))
    return Rendering(overlay, components, place, text, list(yaml.safe_load_all(text)))
