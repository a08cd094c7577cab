"""What was seen inside of a container.

Invariant: immutable, and without the value of any secret: of a variable that is not declared as public
only the length is kept.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from observer_contracts.evidence.seeing import HttpAnswer, Unseen

STATUS_FILE, MOUNT_FILE = "/proc/self/status", "/proc/self/mountinfo"


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of the process's environment.

    Attributes:
        name: The variable.
        text: Its value; None where it may be secret.
        length: Length of the value in bytes.
        service_link: Whether the value is an address as the kubelet writes it for a Service.
    """

    name: str
    text: str | None
    length: int
    service_link: bool = False


@dataclass(frozen=True, slots=True)
class Process:
    """Who the process is, from `/proc/self/status`.

    Attributes:
        user: Effective user.
        group: Effective group.
        groups: Supplementary groups.
        capabilities: Effective capabilities as a bit set.
        no_new_privileges: Whether no program that it starts can gain rights.
        seccomp: 0 without a filter, 2 with one; None where the kernel does not say.
    """

    user: int
    group: int
    groups: tuple[int, ...]
    capabilities: int
    no_new_privileges: bool
    seccomp: int | None


@dataclass(frozen=True, slots=True)
class MountPoint:
    """One line of `/proc/self/mountinfo`.

    Attributes:
        path: Where it is mounted.
        root: Which folder of the file system is mounted there.
        device: `major:minor` of the file system.
        kind: Type of the file system.
        source: Device or name that was mounted.
        read_only: Whether the mount or the file system itself takes no writes.
    """

    path: str
    root: str
    device: str
    kind: str
    source: str
    read_only: bool


class Step(StrEnum):
    """The steps of trying a folder, in their order."""

    CREATE = "create"
    FSYNC = "fsync"
    RENAME = "rename"
    UNLINK = "unlink"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of trying to write in a folder.

    Attributes:
        path: The folder that was asked for.
        tried: Where it was tried: the nearest folder above it that is there.
        failed: The step that failed; None where all went well.
        error: The system's error number of that step.
    """

    path: str
    tried: str
    failed: Step | None = None
    error: int = 0

    @property
    def succeeded(self) -> bool:
        return self.failed is None

    @property
    def refused(self) -> bool:
        """Whether the system forbids it, as opposed to a disk that is full or broken."""
        return self.error in (errno.EACCES, errno.EPERM, errno.EROFS)

    @property
    def out_of_space(self) -> bool:
        return self.error in (errno.ENOSPC, errno.EDQUOT)

    @property
    def reason(self) -> str:
        """The step and the name of the system's error."""
        return f"{self.failed}: {errno.errorcode.get(self.error, self.error)}" if self.failed else "written"


@dataclass(frozen=True, slots=True)
class Space:
    """Room on a file system, for a user who is not root."""

    total_bytes: int
    free_bytes: int
    total_inodes: int
    free_inodes: int


@dataclass(frozen=True, slots=True)
class Strays:
    """Files that were written outside of the declared folders since the container started.

    Attributes:
        found: The first ones, sorted.
        number: How many there are.
        looked_at: How many files and folders were looked at; 0 where nothing there can be written.
    """

    found: tuple[str, ...]
    number: int
    looked_at: int


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Owner and permission bits of a file."""

    path: str
    mode: int
    owner: int


@dataclass(frozen=True, slots=True)
class LockFile:
    """A lock file of a writer.

    Attributes:
        path: The file.
        own: Whether it is that of this container's app key.
        held: Whether some process holds the kernel's lock on it.
        holder: The pod that says it is the holder.
        since: Since when, as it says.
    """

    path: str
    own: bool
    held: bool
    holder: str
    since: str


class Reach(StrEnum):
    """What came of an attempt to reach something over the network."""

    REACHED = "reached"
    NO_SUCH_NAME = "the name does not exist"
    NAME_UNANSWERED = "name resolution gives no answer"
    REFUSED = "the connection is refused"
    UNANSWERED = "no answer"


@dataclass(frozen=True, slots=True)
class Contact:
    """A target and what came of reaching it."""

    purpose: str
    host: str
    port: int
    reach: Reach


class SessionState(StrEnum):
    """What came of opening a session of the database."""

    OPEN = "open"
    LOGIN_REFUSED = "the server refuses the login"
    NO_DATABASE = "the server has no such database"
    NOT_READY = "the server takes no sessions at the moment"
    NO_ANSWER = "the server gives no answer"


@dataclass(frozen=True, slots=True)
class Session:
    """A session of the database.

    Attributes:
        state: What came of it.
        answered: Whether `select 1` was answered by 1.
        major_version: Of the server; 0 where there is no session.
        migrations: Versions that the database says it has; empty where it has no table of them.
    """

    state: SessionState
    answered: bool = False
    major_version: int = 0
    migrations: tuple[str, ...] | Unseen = ()


@dataclass(frozen=True, slots=True)
class BrokerState:
    """What the token cache remembers of the broker.

    Attributes:
        refusal: The broker's code for the last refused request; empty where it was not refused.
        text: The broker's text for it.
        valid_until: End of the access token; None where there is none.
        valid: Whether the token is valid now.
    """

    refusal: str = ""
    text: str = ""
    valid_until: datetime | None = None
    valid: bool = False


@dataclass(frozen=True)
class Runtime:
    """Everything that was seen inside of one container.

    Attributes:
        pod: Name of the pod, or of the host.
        variables: The environment by name.
        process: Who the process is.
        mounts: Every mount point; of two at the same place the visible one.
        spaces: Room on each declared mount, by path.
        attempts: Trying each declared path and temporary folder, by path.
        elsewhere: Trying folders in which nothing may be written.
        strays: Files written elsewhere.
        token_cache: The cache file; None where there is none yet.
        locks: Lock files of writers.
        database: Reaching the database.
        session: A session of it.
        probes: Answers of the collector's own HTTP paths.
        contacts: Reaching what the collector needs outside.
        broker: What the token cache remembers.
    """

    pod: str
    variables: Mapping[str, Variable]
    process: Process | Unseen
    mounts: tuple[MountPoint, ...] | Unseen
    spaces: Mapping[str, Space | Unseen]
    attempts: Mapping[str, Attempt]
    elsewhere: tuple[Attempt, ...]
    strays: Strays | Unseen
    token_cache: FileFacts | Unseen | None
    locks: tuple[LockFile, ...] | Unseen
    database: Contact | Unseen
    session: Session | Unseen
    probes: Mapping[str, HttpAnswer | Unseen]
    contacts: tuple[Contact, ...]
    broker: BrokerState | Unseen

    @property
    def label(self) -> str:
        return f"Pod/{self.pod}"

    def text(self, name: str) -> str:
        """Returns the value of a public variable, or an empty text."""
        found = self.variables.get(name)
        return (found.text or "") if found else ""

    def mount_at(self, path: str) -> MountPoint | None:
        """Returns what is mounted exactly at a path."""
        mounts = () if isinstance(self.mounts, Unseen) else self.mounts
        return next((found for found in mounts if found.path == path), None)

    def mount_of(self, path: str) -> MountPoint | None:
        """Returns the mount on which a path lies."""
        mounts = () if isinstance(self.mounts, Unseen) else self.mounts
        above = [found for found in mounts if covers(found.path, path)]
        return max(above, key=lambda found: len(found.path), default=None)


def covers(folder: str, path: str) -> bool:
    """Tells whether a path is a folder or lies in it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")
