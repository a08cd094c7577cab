"""The one tree of errors.

Invariant: every error that Observer raises on purpose derives from `ObserverError`, and its class
alone tells whose fault it is and what the operator does next. A failure of the broker or of the
network is an `ExternalError`; it is never reported as a violation of our own contracts, nor the
other way round.

    ObserverError
    ├── ConfigurationError          a setting, path or file of the deployment is wrong: correct it
    │   └── MissingMountError       a declared mount is not there: mount it, or set its variable
    ├── InputError                  a file or message handed to us cannot be read: see its reason
    │   ├── MasterFileError         a broker master file breaks its documented layout
    │   └── FrameError              a websocket message breaks the documented protocol
    ├── ExternalError               a dependency outside of Observer failed
    │   ├── NetworkError            no answer: wait, or check the network and the egress rules
    │   ├── BrokerError             the broker answered with an error code
    │   │   ├── BrokerRetryableError    a passing fault: retried by itself
    │   │   ├── BrokerCredentialError   the broker refuses key, secret or token: renew them
    │   │   └── BrokerRequestError      the broker does not accept this request: a bug or no permission
    │   ├── StaleListError          the broker still lists another day: wait, it packs anew each morning
    │   ├── DatabaseUnavailableError    PostgreSQL does not answer: loads catch up once it does
    │   └── BackupTargetError       the backup target does not answer or refuses: shipping catches up
    ├── StorageError                writing or reading our own files failed: disk, permission, damage
    │   ├── DiskFullError           no space left: free space; intake resumes by itself
    │   └── LockHeldError           another process is the writer: this one stands by
    ├── ConservationError           rows in and rows out differ: nothing is published, see the counts
    └── ProcessError                a process of the local stack did not start or ended: see its log
"""

from __future__ import annotations


class ObserverError(Exception):
    """Base of all deliberate errors.

    Args:
        message: What happened, with file, field and value where there are any. Never a secret.
        remedy: What the reader does next, as an imperative sentence.
    """

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} Remedy: {self.remedy}" if self.remedy else self.message


class ConfigurationError(ObserverError):
    """A setting, path or file of the deployment is wrong."""


class MissingMountError(ConfigurationError):
    """A mount that the path contract declares is not there; no program ever creates one."""


class InputError(ObserverError):
    """Something handed to us cannot be read."""


class MasterFileError(InputError):
    """A broker master file breaks its documented layout (broker reference, section 5)."""


class FrameError(InputError):
    """A websocket message breaks the documented protocol (broker reference, section 6).

    Args:
        reason: A short fixed name (`width_not_divisible`), for counting and for machines.
        detail: What exactly was seen.
        field: Broker's name of the field at fault; empty where it is the message itself.
    """

    def __init__(self, reason: str, detail: str, *, field: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.field = field


class ExternalError(ObserverError):
    """A dependency outside of Observer failed; no contract of ours is violated."""


class NetworkError(ExternalError):
    """A remote side gave no answer: name resolution, connection or time-out."""


class BrokerError(ExternalError):
    """The broker answered with an error code.

    Args:
        code: The broker's code, such as `EGW00103`.
        message: The broker's text.
        status: The HTTP status, or None on a websocket.
    """

    def __init__(self, code: str, message: str, *, status: int | None = None, remedy: str = "") -> None:
        super().__init__(f"The broker answered {code}: {message}", remedy=remedy)
        self.code = code
        self.text = message
        self.status = status


class BrokerRetryableError(BrokerError):
    """A passing fault of the broker; the caller's retry policy handles it."""


class BrokerCredentialError(BrokerError):
    """The broker refuses key, secret or token; only an operator can change that."""


class BrokerRequestError(BrokerError):
    """The broker does not accept this request: a programming error or a missing permission."""


class StaleListError(ExternalError):
    """The broker's list of instruments is one of another day; it packs a new one on each trading day."""


class DatabaseUnavailableError(ExternalError):
    """PostgreSQL does not answer; what was not loaded is loaded once it does."""


class BackupTargetError(ExternalError):
    """The backup target does not answer, refuses or is full; what did not leave leaves with the next run."""


class StorageError(ObserverError):
    """Writing or reading Observer's own files failed."""


class DiskFullError(StorageError):
    """No space is left on a volume."""


class LockHeldError(StorageError):
    """Another process holds the writer's lock."""

    def __init__(self, message: str, *, holder: str) -> None:
        super().__init__(message, remedy="Stop the other process, or let this one stand by.")
        self.holder = holder


class ConservationError(ObserverError):
    """Rows in and rows out of a step differ; the step publishes nothing."""


class ProcessError(ObserverError):
    """A process of the local stack did not start, or ended before it should."""
