"""What leaves the node, and under which name.

Invariant: a name at the target is made from a path and the SHA-256 of the content, and from nothing else; so
one name never holds two contents, and a listing alone tells what each object must be.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path, PurePosixPath

from observer_core.errors import StorageError
from observer_core.settings.paths import Paths

_FILES = "files/"
_SHA256_LENGTH = 64


class Kind(StrEnum):
    """What a file is; in the order in which files leave, the irreplaceable first."""

    JOURNAL = "journal"
    EPOCHS = "epochs"
    UNIVERSE = "universe"
    SYMBOLS = "symbols"
    REFERENCE = "reference"
    QUARANTINE = "quarantine"
    LAKE = "lake"


class Root(StrEnum):
    """The folders of a deployment that files leave from; the first part of a path."""

    DATA = "data"
    LAKE = "lake"
    UNIVERSE = "universe"

    def folder(self, paths: Paths) -> Path:
        """Returns the folder on this node."""
        match self:
            case Root.DATA:
                return paths.data
            case Root.LAKE:
                return paths.lake
            case Root.UNIVERSE:
                return paths.settings.snapshot_dir


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file on the node that must leave.

    Attributes:
        path: Its path at the target, such as `data/assets/scalp/20260915/0_09_000001.jsonl`.
        file: The file; of a segment its plain one, which may have been compressed since (`journal.content`).
        kind: What it is.
        bytes: Size of its content.
        modified_ns: When it was written, by the machine's clock, in ns since the Unix epoch.
        ready_ns: Since when it could leave: of a segment, since it was sealed.
        sha256: What its content must be, where something says so; else empty.
        day: The day it belongs to, None where it belongs to none.
    """

    path: str
    file: Path
    kind: Kind
    bytes: int
    modified_ns: int
    ready_ns: int
    sha256: str = ""
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Shipped:
    """A file that has left: it was read back at the target, and was what it is here.

    Attributes:
        path: As of the candidate.
        kind: What it is.
        sha256: Of its content.
        bytes: Its size.
        modified_ns: When the file on the node was written.
        left_ns: When it had arrived, by the machine's clock.
    """

    path: str
    kind: Kind
    sha256: str
    bytes: int
    modified_ns: int
    left_ns: int

    @property
    def key(self) -> str:
        """Its name at the target."""
        return key_of(self.path, self.sha256)


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """A file or object that is not what it must be.

    Attributes:
        path: Its path.
        problem: What is wrong, for people.
    """

    path: str
    problem: str


def key_of(path: str, sha256: str) -> str:
    """Returns the name of a file's content at the target."""
    return f"{_FILES}{path}/{sha256}"


def parse_key(key: str) -> tuple[str, str] | None:
    """Returns path and SHA-256 that a name tells, None where it is no file's name."""
    path, _, sha256 = key.removeprefix(_FILES).rpartition("/")
    if not key.startswith(_FILES) or not path or len(sha256) != _SHA256_LENGTH:
        return None
    return path, sha256


def path_of(root: Root, paths: Paths, file: Path) -> str:
    """Returns the path of a file below one of the roots."""
    return str(PurePosixPath(root.value, file.relative_to(root.folder(paths)).as_posix()))


def file_of(paths: Paths, path: str) -> Path:
    """Returns where a path lies on this node.

    Raises:
        StorageError: It leads out of the deployment's folders; a catalogue that was tampered with.
    """
    parts = PurePosixPath(path).parts
    if len(parts) < 2 or parts[0] not in set(Root) or ".." in parts or "\0" in path:
        raise StorageError(f"The catalogue names {path!r}, which is no path of ours.")
    return Root(parts[0]).folder(paths).joinpath(*parts[1:])
