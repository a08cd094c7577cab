"""Argo CD's objects in a repository: what is applied from where, to which namespace, and when not.

Invariant: only what the repository holds is judged; a source that lies elsewhere is left alone.
"""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from observer_contracts.evidence.kustomize import NAMES
from observer_contracts.evidence.objects import KubernetesObject, Place, text_at
from observer_contracts.evidence.repository import TextFile
from observer_contracts.evidence.sync_windows import SyncWindow, read_window
from observer_contracts.evidence.yaml_documents import Fields, read_documents
from observer_contracts.model import Source
from observer_core.errors import InputError

_GROUP = "argoproj.io/"
_INCLUDING = ("resources", "components", "bases")
_VALUES = "$values/"


@dataclass(frozen=True, slots=True)
class Application:
    """An Application: sources, and where they go."""

    object: KubernetesObject

    @property
    def project(self) -> str:
        return self.object.text("spec", "project") or "default"

    @property
    def destination(self) -> Fields:
        return self.object.mapping("spec", "destination")

    @property
    def namespace(self) -> str:
        return text_at(self.destination, "namespace")

    @property
    def sources(self) -> list[tuple[Place, Fields]]:
        """Its sources, each with its place."""
        one = self.object.mapping("spec", "source")
        return [*([(("spec", "source"), one)] if one else []), *self.object.items("spec", "sources")]

    @property
    def releases(self) -> list[tuple[Place, str]]:
        """The names of its Helm releases, each with its place."""
        return [
            ((*place, "chart"), text_at(source, "helm", "releaseName") or self.object.name)
            for place, source in self.sources
            if text_at(source, "chart")
        ]

    @property
    def folders(self) -> list[tuple[Place, str, str]]:
        """Place, repository and folder of each source that is a folder."""
        return [
            ((*place, "path"), text_at(source, "repoURL"), posixpath.normpath(text_at(source, "path")))
            for place, source in self.sources
            if text_at(source, "path")
        ]

    @property
    def value_files(self) -> list[tuple[Place, str, str]]:
        """Place, repository and file of each values file that comes from another source."""
        urls = {text_at(source, "ref"): text_at(source, "repoURL") for _, source in self.sources}
        return [
            ((*place, "helm", "valueFiles", index), urls.get("values", ""), file.removeprefix(_VALUES))
            for place, source in self.sources
            for index, file in enumerate(_texts(source, "helm", "valueFiles"))
            if file.startswith(_VALUES)
        ]


@dataclass(frozen=True, slots=True)
class Project:
    """An AppProject: what its Applications may do, and when."""

    object: KubernetesObject

    def windows(self, application: Application) -> Iterator[tuple[Place, SyncWindow]]:
        """Yields the windows that hold for an Application, each with its place.

        Raises:
            ValueError: One of them cannot be read.
        """
        for place, window in self.object.items("spec", "syncWindows"):
            if _holds(window, application):
                yield (
                    place,
                    read_window(
                        text_at(window, "kind"),
                        text_at(window, "schedule"),
                        text_at(window, "duration"),
                        text_at(window, "timeZone"),
                        by_hand=window.get("manualSync") is True,
                    ),
                )

    def takes_from(self, address: str) -> bool:
        """Tells whether an Application may come from an address."""
        return any(
            fnmatch.fnmatchcase(address, found) for found in _texts(self.object.fields, "spec", "sourceRepos")
        )

    def allows(self, application: Application) -> bool:
        """Tells whether an Application may go where it goes."""
        wanted = application.destination
        return any(
            fnmatch.fnmatchcase(application.namespace, text_at(found, "namespace"))
            and all(
                fnmatch.fnmatchcase(text_at(wanted, key), text_at(found, key))
                for key in ("server", "name")
                if text_at(wanted, key) and text_at(found, key)
            )
            for _, found in self.object.items("spec", "destinations")
        )


def _holds(window: Fields, application: Application) -> bool:
    server = text_at(application.destination, "server") or text_at(application.destination, "name")
    named = {
        "applications": application.object.name,
        "namespaces": application.namespace,
        "clusters": server,
    }
    answers = [
        any(fnmatch.fnmatchcase(name, pattern) for pattern in _texts(window, key))
        for key, name in named.items()
        if window.get(key)
    ]
    return bool(answers) and (all(answers) if window.get("useAndOperator") is True else any(answers))


def _texts(fields: Fields, *place: str) -> list[str]:
    value: object = fields
    for step in place:
        value = value.get(step) if isinstance(value, dict) else None
    return [str(item) for item in value] if isinstance(value, list) else []


def applications_and_projects(files: Iterable[TextFile]) -> tuple[list[Application], dict[str, Project]]:
    """Returns the Applications of YAML files, and the projects by name."""
    applications, projects = [], {}
    for file in files:
        if _GROUP not in file.text:
            continue
        for fields in _documents(file):
            found = KubernetesObject(fields, file.path, source=Source.REPOSITORY)
            if not text_at(fields, "apiVersion").startswith(_GROUP):
                continue
            if found.kind == "Application":
                applications.append(Application(found))
            elif found.kind == "AppProject":
                projects[found.name] = Project(found)
    return applications, projects


def _documents(file: TextFile) -> list[Fields]:
    """Returns the mappings of a file; none of a template, which is no YAML."""
    try:
        return [found for found in read_documents(file.text, file.path) if isinstance(found, Fields)]
    except InputError:
        return []


def namespaces_of(files: Iterable[TextFile], folder: str) -> set[str]:
    """Returns the namespaces that a kustomization renders into, as far as kustomizations say one."""
    return _namespaces({file.path: file for file in files}, folder, set())


def _namespaces(files: dict[str, TextFile], folder: str, seen: set[str]) -> set[str]:
    path = next((found for name in NAMES if (found := posixpath.join(folder, name)) in files), "")
    if not path or folder in seen:
        return set()
    seen.add(folder)
    documents = _documents(files[path])
    own = {found for document in documents if (found := text_at(document, "namespace"))}
    if own:
        return own
    included = [name for document in documents for key in _INCLUDING for name in _texts(document, key)]
    return {
        found
        for name in included
        for found in _namespaces(files, posixpath.normpath(posixpath.join(folder, name)), seen)
    }
