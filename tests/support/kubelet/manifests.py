"""The objects of a deployment, as the API server would hold them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from observer_contracts.evidence.kustomize import find_kubectl

Fields = dict[str, Any]


class NotTranslatedError(Exception):
    """A field that this kubelet does not know; teach it before a test relies on it."""


class Objects:
    """Kubernetes objects of one namespace, by kind and name."""

    def __init__(self, documents: Iterable[Fields]) -> None:
        self._found: dict[tuple[str, str], Fields] = {}
        for document in documents:
            self.add(document)

    @classmethod
    def rendered(cls, folder: Path) -> Objects:
        """Renders a kustomization with kubectl."""
        kubectl = find_kubectl()
        assert kubectl is not None, "kubectl is missing (make setup installs it)"
        done = subprocess.run(
            [kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return cls(document for document in yaml.safe_load_all(done.stdout) if document)

    def add(self, document: Fields) -> None:
        """Adds or replaces an object."""
        self._found[document["kind"], document["metadata"]["name"]] = document

    def get(self, kind: str, name: str) -> Fields | None:
        return self._found.get((kind, name))

    def need(self, kind: str, name: str) -> Fields:
        found = self.get(kind, name)
        assert found is not None, f"there is no {kind}/{name}"
        return found

    def of(self, kind: str) -> Iterator[Fields]:
        return (document for (found, _), document in self._found.items() if found == kind)

    def services_of(self, labels: Mapping[str, str]) -> list[str]:
        """Returns the Services whose selector takes a pod: the names under which it is reached."""
        return [
            service["metadata"]["name"]
            for service in self.of("Service")
            if (selector := service["spec"].get("selector")) and selector.items() <= labels.items()
        ]


def only(fields: Mapping[str, Any], where: str, *known: str) -> None:
    """Refuses fields that are not known.

    Raises:
        NotTranslatedError: There is another one.
    """
    unknown = sorted(set(fields) - set(known))
    if unknown:
        raise NotTranslatedError(f"{where}: {', '.join(unknown)}")
