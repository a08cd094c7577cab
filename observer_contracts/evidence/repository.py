"""A repository: its tracked files, and everything that any ref ever held.

Invariant: git is only asked to list and to print objects; no hook, filter, pager, monitor or remote of
the repository's own configuration runs. A folder without git is read as it lies there, without a
history.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from observer_contracts.evidence.disclosures import Disclosure, disclosures
from observer_contracts.evidence.dockerfile import Image, is_dockerfile, read_dockerfile
from observer_contracts.evidence.encoding import decode, encoding_of
from observer_core.errors import ConfigurationError, InputError

_LARGEST_FILE = 1024 * 1024
_MOST_BYTES = 192 * 1024 * 1024
_MOST_FILES = 50_000
_MOST_NAMED_COMMITS = 40
_GIT_SECONDS = 60
_SKIPPED_FOLDERS = frozenset(
    {".git", ".venv", "venv", "node_modules", "__pycache__", ".tox", ".mypy_cache", ".ruff_cache"}
)
_DOCUMENTS = (".md", ".rst", ".txt", ".adoc", ".sh", ".ps1", ".bat")
_DOCUMENT_NAMES = frozenset({"README", "Makefile"})
_MANIFESTS = (".yaml", ".yml")

# Configuration that would make git run something, or ask somebody.
_QUIET = (
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.pager=cat",
    "-c",
    "protocol.allow=never",
    "-c",
    "safe.directory=*",
    "-c",
    "core.quotePath=false",
    "-c",
    "log.showSignature=false",
)


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
    contents = [] if bare else list(_tracked(root) if with_git else _plain(root))
    texts = list(_texts(contents))
    past, partial = _history(root) if with_git else (None, "")
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


def _read(path: Path) -> bytes | None:
    """Reads a regular file of limited size, without following a link."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _LARGEST_FILE:
            return None
        return path.read_bytes()
    except OSError:
        return None


def _plain(root: Path) -> Iterator[tuple[str, bytes]]:
    count = 0
    for parent, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED_FOLDERS)
        for name in sorted(files):
            count += 1
            if count > _MOST_FILES:
                raise ConfigurationError(f"--repo {root} holds more than {_MOST_FILES} files.")
            path = Path(parent) / name
            content = _read(path)
            if content is not None:
                yield str(path.relative_to(root)), content


def _tracked(root: Path) -> Iterator[tuple[str, bytes]]:
    for entry in _git(root, "ls-files", "-s", "-z").split(b"\0"):
        head, tab, name = entry.partition(b"\t")
        mode = head.partition(b" ")[0]
        if not tab or mode not in (b"100644", b"100755"):
            continue
        path = name.decode("utf-8", "surrogateescape")
        content = _read(root / path)
        if content is None and not (root / path).exists():
            content = _git(root, "cat-file", "blob", head.split()[1].decode())[: _LARGEST_FILE + 1]
        if content is not None and len(content) <= _LARGEST_FILE:
            yield path.encode("utf-8", "replace").decode(), content


def _git(root: Path, *arguments: str, stdin: bytes = b"", accepted: tuple[int, ...] = (0,)) -> bytes:
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",
    }
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments; the folder is given with -C
            ["git", "-C", str(root.resolve()), *_QUIET, *arguments],  # noqa: S607 - git of the path
            input=stdin,
            env=environment,
            capture_output=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise ConfigurationError(
            "git is not installed.", remedy="Install git, or give a plain folder."
        ) from None
    except subprocess.TimeoutExpired:
        raise ConfigurationError(f"git did not answer about {root} within {_GIT_SECONDS} s.") from None
    if done.returncode not in accepted:
        reason = done.stderr.decode("utf-8", "replace").strip().splitlines()[:1]
        raise ConfigurationError(
            f"git cannot read {root}: {' '.join(reason)}", remedy="Check the repository with `git fsck`."
        )
    return done.stdout


def _history(root: Path) -> tuple[tuple[Disclosure, ...], str]:
    """Reads every blob that any ref reaches, and returns what they disclose and why that may not be all."""
    head = ["HEAD"] if _git(root, "rev-parse", "--verify", "-q", "HEAD", accepted=(0, 1)).strip() else []
    listed = _git(root, "rev-list", "--objects", "--all", *head)
    paths = dict(_named_objects(listed))
    sizes = _blob_sizes(root, list(paths))
    readable = [oid for oid, size in sizes.items() if size <= _LARGEST_FILE]
    chosen, total = [], 0
    for oid in readable:
        total += sizes[oid]
        if total > _MOST_BYTES:
            break
        chosen.append(oid)
    partial = "the history is larger than what is read" if len(chosen) < len(readable) else ""
    if _git(root, "rev-parse", "--is-shallow-repository").strip() == b"true":
        partial = "the clone is shallow"
    found = [
        (oid, item) for oid, content in _blobs(root, chosen) for item in disclosures(paths[oid], content)
    ]
    commits = {
        oid: _first_commit(root, oid)
        for oid in list(dict.fromkeys(oid for oid, _ in found))[:_MOST_NAMED_COMMITS]
    }
    return tuple(item.at(*commits.get(oid, ("", ""))) for oid, item in found), partial


def _named_objects(listed: bytes) -> Iterator[tuple[str, str]]:
    for line in listed.splitlines():
        oid, space, name = line.partition(b" ")
        if space and name:
            yield oid.decode(), name.decode("utf-8", "replace")


def _blob_sizes(root: Path, oids: Sequence[str]) -> dict[str, int]:
    if not oids:
        return {}
    answer = _git(
        root,
        "cat-file",
        "--batch-check=%(objectname) %(objecttype) %(objectsize)",
        stdin="\n".join(oids).encode(),
    )
    rows = [line.split() for line in answer.decode().splitlines()]
    return {row[0]: int(row[2]) for row in rows if len(row) == 3 and row[1] == "blob"}


def _blobs(root: Path, oids: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    answer = _git(root, "cat-file", "--batch", stdin="\n".join(oids).encode()) if oids else b""
    position = 0
    while position < len(answer):
        end = answer.index(b"\n", position)
        oid, _, size = answer[position:end].decode().split()
        yield oid, answer[end + 1 : end + 1 + int(size)]
        position = end + 1 + int(size) + 1


def _first_commit(root: Path, oid: str) -> tuple[str, str]:
    answer = _git(root, "log", "--all", "-m", "--reverse", "--format=%h %cs", f"--find-object={oid}")
    first = answer.decode("utf-8", "replace").split("\n", 1)[0].split()
    return (first[0], first[1]) if len(first) == 2 else ("", "")


def _ignores(root: Path, paths: Sequence[str]) -> tuple[IgnoreAnswer, ...]:
    if not paths:
        return ()
    asked = "\0".join(paths).encode("utf-8", "surrogateescape")
    answer = _git(
        root, "check-ignore", "--no-index", "-v", "-n", "-z", "--stdin", stdin=asked, accepted=(0, 1)
    )
    parts = answer.decode("utf-8", "replace").split("\0")
    rows = zip(parts[0::4], parts[1::4], parts[2::4], parts[3::4], strict=False)
    return tuple(
        IgnoreAnswer(path, "" if not pattern or pattern.startswith("!") else f"{source}:{line}:{pattern}")
        for source, line, pattern, path in rows
    )
