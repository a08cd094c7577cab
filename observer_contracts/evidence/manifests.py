"""Manifests: the objects of one deployment, from files, folders, kustomizations and standard input.

Invariant: either every document of the deployment was read, or `problems` says which one was not;
then no rule may conclude anything from what is missing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from observer_contracts.evidence import kustomize
from observer_contracts.evidence.dockerfile import Image, is_dockerfile, read_dockerfile
from observer_contracts.evidence.encoding import decode
from observer_contracts.evidence.hidden import conceal
from observer_contracts.evidence.objects import KubernetesObject, SourceDocument, text_at
from observer_contracts.evidence.yaml_documents import LARGEST_TEXT, Fields, Items, read_documents
from observer_contracts.model import Location, Source
from observer_core.errors import ConfigurationError, InputError, ObserverError

STANDARD_INPUT = "-"
_SUFFIXES = (".yaml", ".yml", ".json")
_MOST_FILES = 400


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be read.

    Attributes:
        message: What, with file and line.
        remedy: What to do about it.
        missing_tool: Whether a program was missing, so that the manifests may be right.
    """

    file: str
    message: str
    remedy: str
    missing_tool: bool = False


@dataclass(frozen=True, slots=True)
class Manifests:
    """The objects of one deployment.

    Attributes:
        name: What was given.
        objects: Every object, in the order of reading; of two with the same identity the later one.
        problems: What could not be read.
        rendered: The kustomizations that were rendered.
        duplicates: Objects that stood twice, where the earlier one stands.
        strangers: Documents that are no Kubernetes objects.
        images: The image definitions given with them.
    """

    name: str
    objects: tuple[KubernetesObject, ...] = ()
    problems: tuple[Problem, ...] = ()
    rendered: tuple[str, ...] = ()
    duplicates: tuple[KubernetesObject, ...] = ()
    strangers: tuple[Location, ...] = ()
    images: tuple[Image, ...] = ()

    def of(self, *kinds: str) -> list[KubernetesObject]:
        """Returns the objects of these kinds."""
        return [found for found in self.objects if found.kind in kinds]

    def find(self, kind: str, name: str) -> KubernetesObject | None:
        """Returns the object of that kind and name, or None."""
        return next((found for found in self.objects if found.kind == kind and found.name == name), None)


@dataclass(slots=True)
class _Reading:
    """What has been read so far of one deployment."""

    name: str
    objects: list[KubernetesObject] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    rendered: list[str] = field(default_factory=list)
    strangers: list[Location] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    files: int = 0

    def finished(self) -> Manifests:
        latest = {(found.kind, found.namespace, found.name): found for found in self.objects}
        duplicates = tuple(
            found for found in self.objects if latest[(found.kind, found.namespace, found.name)] is not found
        )
        return Manifests(
            self.name, tuple(latest.values()), tuple(self.problems), tuple(self.rendered), duplicates,
            tuple(self.strangers), tuple(self.images),
        )  # fmt: skip


def read_manifests(paths: Sequence[str], standard_input: BinaryIO) -> list[Manifests]:
    """Reads deployments.

    All plain paths together are one deployment. A folder that holds several kustomizations which
    nobody else uses gives one deployment for each, together with the plain paths.

    Args:
        paths: Files, folders, and `-` for standard input.
        standard_input: Where `-` is read from.

    Raises:
        ConfigurationError: A path does not exist.
    """
    plain = _Reading(" ".join(paths))
    roots: list[Path] = []
    for path in paths:
        if path == STANDARD_INPUT:
            _guarded(plain, "standard input", lambda: _read_stream(plain, standard_input))
            continue
        given = Path(path)
        if not given.exists():
            raise ConfigurationError(
                f"--manifests {path} is not there.", remedy="Give a file, a folder or `-`."
            )
        if given.is_dir():
            roots += _read_folder(plain, given)
        elif given.name in kustomize.NAMES:
            roots.append(given.parent)
        else:
            _read_any_file(plain, given)
    if not roots:
        return [plain.finished()]
    return [_with_kustomization(plain, root, alone=len(roots) == 1) for root in roots]


def _guarded(reading: _Reading, file: str, read: object) -> None:
    try:
        read()  # type: ignore[operator]  # a closure without arguments
    except ConfigurationError as error:
        reading.problems.append(Problem(file, error.message, error.remedy, missing_tool=True))
    except ObserverError as error:
        reading.problems.append(Problem(file, error.message, error.remedy))
    except (OSError, ValueError, RecursionError) as error:
        # Names that the file system refuses, and whatever else a hostile tree holds.
        reading.problems.append(
            Problem(file, f"{file} cannot be read ({type(error).__name__}).", "Check the path.")
        )


def _read_stream(reading: _Reading, stream: BinaryIO) -> None:
    content = stream.read(LARGEST_TEXT + 1)
    if len(content) > LARGEST_TEXT:
        raise InputError(f"Standard input is larger than {LARGEST_TEXT // 1024} KiB.")
    _add_documents(reading, decode(content, "standard input"), "standard input")


def _read_any_file(reading: _Reading, path: Path) -> None:
    reading.files += 1
    if is_dockerfile(path.name):
        _guarded(
            reading,
            str(path),
            lambda: reading.images.append(read_dockerfile(kustomize.read_text(path), str(path))),
        )
    else:
        _guarded(reading, str(path), lambda: _add_documents(reading, kustomize.read_text(path), str(path)))


def _add_documents(reading: _Reading, text: str, file: str, sources: Sequence[SourceDocument] = ()) -> None:
    for document in read_documents(text, file):
        if not isinstance(document, Fields):
            raise InputError(f"{file} holds a {type(document).__name__.lower()} where an object is expected.")
        for found in kustomize.documents_in(document):
            _add_object(reading, found, file, sources)


def _add_object(reading: _Reading, fields: Fields, file: str, sources: Sequence[SourceDocument]) -> None:
    kind, name = text_at(fields, "kind"), text_at(fields, "metadata", "name")
    if not kind or not name:
        if kind not in ("Kustomization", "Component"):
            reading.strangers.append(Location(Source.MANIFESTS, file, fields.line, kind))
        return
    if kind == "Secret":
        conceal(fields)
    reading.objects.append(KubernetesObject(fields, file, tuple(_matching(sources, kind, name))))


def _matching(sources: Sequence[SourceDocument], kind: str, name: str) -> Iterator[SourceDocument]:
    same = [(text_at(source.fields, "metadata", "name"), source) for source in sources
            if text_at(source.fields, "kind") == kind]  # fmt: skip
    exact = [source for own, source in same if own == name]
    # A name prefix or suffix of the overlay is part of the rendered name only.
    affixed = [source for own, source in same if own and (name.endswith(own) or name.startswith(own))]
    yield from exact or affixed
    if kind in ("ConfigMap", "Secret"):
        yield from _generators(sources, f"{kind[0].lower()}{kind[1:]}Generator", name)


def _generators(sources: Sequence[SourceDocument], block: str, name: str) -> Iterator[SourceDocument]:
    for source in sources:
        for generator in source.fields.get(block) or []:
            if isinstance(generator, Fields) and name.startswith(text_at(generator, "name") or "\0"):
                yield SourceDocument(source.file, _as_object(generator))


def _as_object(generator: Fields) -> Fields:
    """Gives the literals of a generator the lines of the data that they become."""
    made, data = Fields(generator.line), Fields(generator.line)
    found = generator.get("literals")
    literals = found if isinstance(found, Items) else Items(generator.line)
    for index, literal in enumerate(literals):
        key = str(literal).partition("=")[0]
        data[key], data.lines[key] = "", literals.lines[index]
    made["data"], made.lines["data"] = data, generator.line
    return made


def _read_folder(reading: _Reading, folder: Path) -> list[Path]:
    """Reads the plain files of a folder, and returns the kustomizations that nobody else uses."""
    if kustomize.kustomization_file(folder) is not None:
        return [folder]
    kustomizations: list[Path] = []
    root = folder.resolve()
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        here = Path(parent)
        if kustomize.kustomization_file(here) is not None:
            kustomizations.append(here)
            continue
        if any(used in here.parents for used in kustomizations):
            continue
        for name in sorted(files):
            path = here / name
            if not (name.endswith(_SUFFIXES) or is_dockerfile(name)) or name.startswith("."):
                continue
            if path.is_file() and path.resolve().is_relative_to(root):
                if reading.files >= _MOST_FILES:
                    raise ConfigurationError(f"{folder} holds more than {_MOST_FILES} files.")
                _read_any_file(reading, path)
    return _roots(kustomizations)


def _roots(folders: Sequence[Path]) -> list[Path]:
    used: set[Path] = set()
    roots: list[Path] = []
    for folder in folders:
        try:
            used.update(kustomize.read_sources(folder).folders[1:])
        except InputError:
            roots.append(folder)
    for folder in folders:
        if folder in roots or folder.resolve() in used:
            continue
        path = kustomize.kustomization_file(folder)
        if path is not None and "kind: Component" not in kustomize.read_text(path):
            roots.append(folder)
    return roots


def _with_kustomization(plain: _Reading, folder: Path, *, alone: bool) -> Manifests:
    reading = _Reading(plain.name if alone else str(folder), rendered=[str(folder)])
    _guarded(reading, str(folder), lambda: _render(reading, folder))
    together = replace(
        plain,
        name=reading.name,
        objects=[*reading.objects, *plain.objects],
        problems=[*reading.problems, *plain.problems],
        rendered=reading.rendered,
        strangers=[*reading.strangers, *plain.strangers],
    )
    return together.finished()


def _render(reading: _Reading, folder: Path) -> None:
    sources = kustomize.read_sources(folder)
    text = kustomize.render(folder, sources)
    _add_documents(reading, text, f"{folder} (rendered)", sources.documents)
