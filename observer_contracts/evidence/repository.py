"""A repository: its tracked files, and everything that any ref ever held.

Invariant: every tracked file is read, or named as one that was not. A folder without git is read as it
lies there, without a history.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from observer_contracts.evidence.disclosures import Disclosure, disclosures
from observer_contracts.evidence.dockerfile import Image, is_dockerfile, read_dockerfile
from observer_contracts.evidence.encoding import decode, encoding_of
from observer_contracts.evidence.git import git
from observer_contracts.evidence.history import LARGEST_FILE, history
from observer_core.errors import ConfigurationError, InputError

_MOST_FILES = 50_000
_LOOKED_AT = 8192
_SKIPPED_FOLDERS = frozenset(
    {".git", ".venv", "venv", "node_modules", "__pycache__", ".tox", ".mypy_cache", ".ruff_cache"}
)
_DOCUMENTS = (".md", ".rst", ".txt", ".adoc", ".sh", ".ps1", ".bat")
_DOCUMENT_NAMES = frozenset({"README", "Makefile"})
_MANIFESTS = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class TextFile:
    """A tracked file of text."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class IgnoreAnswer:
    """What the ignore rules say of a path: the rule that hides it, or nothing."""

    path: str
    rule: str


@dataclass(frozen=True, slots=True)
class Repository:
    """What a repository holds.

    Attributes:
        root: The folder as given.
        files: How many files were read.
        disclosed: Secrets in tracked files.
        past: Secrets in the history of all refs; None where there is no history.
        partial: Why the history was not read whole; empty where it was.
        documents: Documents and scripts.
        sources: Python sources.
        manifests: YAML files.
        images: Image definitions.
        marked: Files of text in UTF-16 or UTF-32.
        ignores: Answers of the ignore rules about paths where secrets would lie and SealedSecrets lie;
            None where there is no git.
        unread: Texts that are too large to be read, and files that cannot be.
    """

    root: str
    files: int
    disclosed: tuple[Disclosure, ...]
    past: tuple[Disclosure, ...] | None
    partial: str
    documents: tuple[TextFile, ...]
    sources: tuple[TextFile, ...]
    manifests: tuple[TextFile, ...]
    images: tuple[Image, ...]
    marked: tuple[str, ...]
    ignores: tuple[IgnoreAnswer, ...] | None
    unread: tuple[str, ...] = ()


def read_repository(root: Path, *, probes: Sequence[str] = ()) -> Repository:
    """Reads a repository, or a plain folder.

    Args:
        root: Its folder.
        probes: Paths where secrets would lie, to be asked of the ignore rules.

    Raises:
        ConfigurationError: There is no such folder, or git does not accept it.
    """
    if not root.is_dir():
        raise ConfigurationError(f"--repo {root} is not a folder.", remedy="Give the folder of a repository.")
    bare = (root / "HEAD").is_file() and (root / "objects").is_dir() and (root / "refs").is_dir()
    with_git = bare or (root / ".git").exists()
    unread: list[str] = []
    contents = [] if bare else list(_tracked(root, unread) if with_git else _plain(root, unread))
    texts = list(_texts(contents))
    past, partial = history(root) if with_git else (None, "")
    sealed = [file.path for file in texts if file.path.endswith(_MANIFESTS) and "SealedSecret" in file.text]
    return Repository(
        root=str(root),
        files=len(contents),
        disclosed=tuple(found for path, content in contents for found in disclosures(path, content)),
        past=past,
        partial=partial,
        documents=tuple(file for file in texts if _is_document(file.path)),
        sources=tuple(file for file in texts if file.path.endswith(".py")),
        manifests=tuple(file for file in texts if file.path.endswith(_MANIFESTS)),
        images=tuple(read_dockerfile(file.text, file.path) for file in texts if _defines_image(file.path)),
        marked=tuple(
            path for path, content in contents if encoding_of(content).startswith(("utf-16", "utf-32"))
        ),
        ignores=_ignores(root, [*probes, *sealed]) if with_git and not bare else None,
        unread=tuple(unread),
    )


def _defines_image(path: str) -> bool:
    return is_dockerfile(PurePosixPath(path).name)


def _is_document(path: str) -> bool:
    return path.endswith(_DOCUMENTS) or PurePosixPath(path).name in _DOCUMENT_NAMES


def _texts(contents: Sequence[tuple[str, bytes]]) -> Iterator[TextFile]:
    for path, content in contents:
        try:
            yield TextFile(path, decode(content, path))
        except InputError:
            continue


def _read(path: Path, name: str, unread: list[str]) -> bytes | None:
    """Reads a regular file of limited size, without following a link; a larger text is named as unread."""
    try:
        if path.is_symlink() or not path.is_file():
            return None
        if path.stat().st_size > LARGEST_FILE:
            with path.open("rb") as stream:
                _too_large(name, stream.read(_LOOKED_AT), unread)
            return None
        return path.read_bytes()
    except OSError:
        unread.append(name)
        return None


def _too_large(name: str, beginning: bytes, unread: list[str]) -> None:
    """Names a large file, unless it is binary: of a small one too only its name would tell anything."""
    if b"\0" not in beginning or encoding_of(beginning).startswith(("utf-16", "utf-32")):
        unread.append(name)


def _plain(root: Path, unread: list[str]) -> Iterator[tuple[str, bytes]]:
    count = 0
    for parent, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED_FOLDERS)
        for name in sorted(files):
            count += 1
            if count > _MOST_FILES:
                raise ConfigurationError(f"--repo {root} holds more than {_MOST_FILES} files.")
            path = Path(parent) / name
            content = _read(path, str(path.relative_to(root)), unread)
            if content is not None:
                yield str(path.relative_to(root)), content


def _tracked(root: Path, unread: list[str]) -> Iterator[tuple[str, bytes]]:
    for entry in git(root, "ls-files", "-s", "-z").split(b"\0"):
        head, tab, raw = entry.partition(b"\t")
        mode = head.partition(b" ")[0]
        if not tab or mode not in (b"100644", b"100755"):
            continue
        path = root / raw.decode("utf-8", "surrogateescape")
        name = raw.decode("utf-8", "replace")
        content = _read(path, name, unread)
        if content is None and not path.exists():
            content = git(root, "cat-file", "blob", head.split()[1].decode())
            if len(content) > LARGEST_FILE:
                _too_large(name, content[:_LOOKED_AT], unread)
                continue
        if content is not None:
            yield name, content


def _ignores(root: Path, paths: Sequence[str]) -> tuple[IgnoreAnswer, ...]:
    if not paths:
        return ()
    asked = "\0".join(paths).encode("utf-8", "surrogateescape")
    answer = git(
        root, "check-ignore", "--no-index", "-v", "-n", "-z", "--stdin", stdin=asked, accepted=(0, 1)
    )
    parts = answer.decode("utf-8", "replace").split("\0")
    rows = zip(parts[0::4], parts[1::4], parts[2::4], parts[3::4], strict=False)
    return tuple(
        IgnoreAnswer(path, "" if not pattern or pattern.startswith("!") else f"{source}:{line}:{pattern}")
        for source, line, pattern, path in rows
    )
