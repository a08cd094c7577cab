"""The token cache file: what the broker gave, and when it may be asked again.

Invariant: one JSON file holds the entries of all app keys by fingerprint; it is replaced as a whole,
readable by its owner only, and written by nobody who does not hold the lock beside it. An unreadable
file counts as an empty one: the broker is asked again.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from observer_core.errors import ConfigurationError, LockHeldError, StorageError
from observer_core.files import write_atomically
from observer_core.json_text import parse_json
from observer_core.logs import hide, logger

_FORMAT = 1
_MODE = 0o600
_LOCK_POLL_SECONDS = 0.05
# Longer than one request may take, its time-outs included.
_LOCK_PATIENCE_SECONDS = 40.0

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Failure:
    """How the broker refused the last request."""

    code: str
    message: str
    status: int | None


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known about one credential of one app key.

    Attributes:
        value: The secret; None where there is none, or the broker no longer accepts it.
        issued_at: When the broker gave it.
        expires_at: When it ends.
        blocked_until: Before this instant the broker is not asked.
        failure: Why it is blocked, where the broker said so.
        refused: Digest of the last value that the broker did not accept.
        rests_until: Before this instant a refused value that the broker gave again is not tried.
    """

    value: SecretStr | None = field(default=None, repr=False)
    issued_at: datetime | None = None
    expires_at: datetime | None = None
    blocked_until: datetime | None = None
    failure: Failure | None = None
    refused: str | None = None
    rests_until: datetime | None = None

    @property
    def doubtful(self) -> bool:
        """Whether the value is one that the broker did not accept, and gave again."""
        if self.value is None or self.refused is None:
            return False
        return digest(self.value.get_secret_value()) == self.refused

    def without(self, refused: SecretStr | None) -> Entry:
        """Returns the entry as it is once the broker has not accepted a value."""
        if refused is None or self.value is None:
            return self
        if self.value.get_secret_value() != refused.get_secret_value():
            return self
        return replace(self, value=None, refused=digest(refused.get_secret_value()))


def digest(text: str) -> str:
    """Returns a name for a secret that does not reveal it."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class TokenCache:
    """The cache file and its lock.

    Args:
        path: The file.
        fingerprint: Digest of the app key and its environment.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self._path = path
        self._lock_path = path.with_suffix(".lock")
        self._fingerprint = fingerprint

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Keeps every other process and task out while the block runs.

        Raises:
            LockHeldError: Another process holds it longer than a request can take.
            ConfigurationError: The folder is not there and cannot be made.
        """
        descriptor = self._open_lock()
        try:
            await self._acquire(descriptor)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{socket.gethostname()} {os.getpid()}".encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def read(self, kind: str) -> Entry:
        """Returns the entry of a kind of credential; an empty one where there is none."""
        stored = self._entries().get(self._fingerprint, {}).get(kind)
        if stored is None:
            return Entry()
        try:
            entry = _entry(stored)
        except (KeyError, TypeError, ValueError):
            _log.warning("The token cache has an unreadable entry; it is ignored.", path=str(self._path))
            return Entry()
        if entry.value is not None:
            hide([entry.value])
        return entry

    def write(self, kind: str, entry: Entry) -> None:
        """Replaces the entry; call it with the lock held.

        Raises:
            StorageError: The file cannot be written.
        """
        entries = self._entries()
        entries.setdefault(self._fingerprint, {})[kind] = _stored(entry)
        content = json.dumps({"format": _FORMAT, "entries": entries}, ensure_ascii=False, indent=1)
        try:
            write_atomically(self._path, content.encode(), mode=_MODE)
        except OSError as error:
            raise StorageError(
                f"The token cache {self._path} cannot be written: {error.strerror}.",
                remedy="Free space, or correct the permissions of KIS_TOKEN_CACHE_DIR.",
            ) from error

    def _entries(self) -> dict[str, dict[str, Any]]:
        try:
            content = parse_json(self._path.read_bytes())
            entries: Any = content["entries"] if content["format"] == _FORMAT else None
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning(
                "The token cache is unreadable; the broker is asked again.",
                path=str(self._path),
                error=type(error).__name__,
            )
            return {}
        if not isinstance(entries, dict) or not all(isinstance(part, dict) for part in entries.values()):
            return {}
        return entries

    def _open_lock(self) -> int:
        try:
            self._path.parent.mkdir(exist_ok=True)
            return os.open(self._lock_path, os.O_RDWR | os.O_CREAT, _MODE)
        except OSError as error:
            raise ConfigurationError(
                f"The folder of the token cache, {self._path.parent}, cannot be used: {error.strerror}.",
                remedy="Mount the data volume there, or set KIS_TOKEN_CACHE_DIR to a writable folder.",
            ) from error

    async def _acquire(self, descriptor: int) -> None:
        for _ in range(int(_LOCK_PATIENCE_SECONDS / _LOCK_POLL_SECONDS)):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # Real time: the holder waits for the network.
                await asyncio.sleep(_LOCK_POLL_SECONDS)
            else:
                return
        holder = os.pread(descriptor, 200, 0).decode(errors="replace")
        raise LockHeldError(f"The token cache {self._path} is locked by {holder!r}.", holder=holder)


def _stored(entry: Entry) -> dict[str, Any]:
    failure = entry.failure
    return {
        "value": entry.value.get_secret_value() if entry.value else None,
        "issued_at": _iso(entry.issued_at),
        "expires_at": _iso(entry.expires_at),
        "blocked_until": _iso(entry.blocked_until),
        "failure": failure and {"code": failure.code, "message": failure.message, "status": failure.status},
        "refused": entry.refused,
        "rests_until": _iso(entry.rests_until),
    }


def _entry(stored: dict[str, Any]) -> Entry:
    failure, value = stored["failure"], stored["value"]
    if not isinstance(value, str | None):
        raise TypeError("the value is no text")
    return Entry(
        value=None if value is None else SecretStr(value),
        issued_at=_instant(stored["issued_at"]),
        expires_at=_instant(stored["expires_at"]),
        blocked_until=_instant(stored["blocked_until"]),
        failure=None if failure is None else Failure(failure["code"], failure["message"], failure["status"]),
        refused=stored["refused"],
        # An earlier version did not write it.
        rests_until=_instant(stored.get("rests_until")),
    )


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text} has no zone")
    return instant
