"""Where sealed values may be written: a file belongs to the one deployment whose controller opens it.

Invariant: nothing is overwritten or written that another namespace or name would find in its rendering; what
is read here is only where files belong, and never a value.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.kustomize import NAMES, kustomization_file, read_text
from observer_contracts.evidence.objects import text_at
from observer_contracts.evidence.yaml_documents import Fields, read_documents
from observer_core.errors import ConfigurationError, InputError

_INCLUDING = ("resources", "components", "bases")
# An overlay lies beside its base or two folders deeper; a tree of overlays one more.
_DEPTHS = ("*", "*/*", "*/*/*")


def refuse_other_deployment(output: Path, declaration: Declaration) -> None:
    """Refuses to write where the values would be another deployment's, which no controller could open.

    Raises:
        ConfigurationError: The file is sealed for another namespace or name, or the kustomization that it
            belongs to sets another namespace.
    """
    _refuse_other_seal(output, declaration)
    base = next((path for folder in output.resolve().parents if (path := kustomization_file(folder))), None)
    if base is None:
        return
    namespace = _namespace(base)
    owners = [(base, namespace)] if namespace else _owners(output.resolve(), base, declaration)
    for path, found in owners:
        if found != declaration.namespace:
            raise _refusal(f"{output} belongs to {path}, whose namespace is {found}", declaration)


def _refusal(fact: str, declaration: Declaration) -> ConfigurationError:
    return ConfigurationError(
        f"{fact}; the values would be sealed for {declaration.namespace}/{declaration.secret.name}.",
        remedy="Name that deployment's contracts.yaml with --config, or write elsewhere: each overlay has a "
        "file of its own.",
    )


def _refuse_other_seal(output: Path, declaration: Declaration) -> None:
    for document in _documents(output) if output.is_file() else ():
        namespace, name = text_at(document, "metadata", "namespace"), text_at(document, "metadata", "name")
        other = namespace not in ("", declaration.namespace) or name != declaration.secret.name
        if text_at(document, "kind") == "SealedSecret" and other:
            raise _refusal(f"{output}:{document.line} is sealed for {namespace}/{name}", declaration)


def _owners(output: Path, base: Path, declaration: Declaration) -> Iterator[tuple[Path, str]]:
    """Yields the kustomizations with a namespace that take the file from a shared base.

    One that has a file of its own for the same Secret takes the base's away.
    """
    around = base.parent.parent
    folders = sorted(
        path.parent for depth in _DEPTHS for name in NAMES for path in around.glob(f"{depth}/{name}")
    )
    for folder in dict.fromkeys(folders):
        path = kustomization_file(folder)
        namespace = _namespace(path) if path else ""
        files = _files(folder, set()) if namespace else set()
        if path is None or output not in files:
            continue
        if not any(_makes(file, declaration.secret.name) for file in files - {output}):
            yield path, namespace


def _namespace(kustomization: Path) -> str:
    return next(
        (found for document in _documents(kustomization) if (found := text_at(document, "namespace"))), ""
    )


def _files(folder: Path, seen: set[Path]) -> set[Path]:
    """Returns every file that a kustomization names, also one that is not there yet."""
    path = kustomization_file(folder)
    if path is None or folder.resolve() in seen:
        return set()
    seen.add(folder.resolve())
    files: set[Path] = set()
    for document in _documents(path):
        for name in (name for block in _INCLUDING for name in document.get(block) or []):
            target = (folder / str(name)).resolve()
            files |= _files(target, seen) if target.is_dir() else {target}
    return files


def _makes(path: Path, name: str) -> bool:
    return path.is_file() and any(
        text_at(document, "kind") == "SealedSecret" and text_at(document, "metadata", "name") == name
        for document in _documents(path)
    )


def _documents(path: Path) -> list[Fields]:
    """Returns the mappings of a file; none of one that cannot be read, which a rendering says."""
    try:
        return [found for found in read_documents(read_text(path), str(path)) if isinstance(found, Fields)]
    except InputError:
        return []
