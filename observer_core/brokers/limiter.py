"""The pace of REST requests, shared by all processes of an app key (broker reference, 3.3).

Invariant: two turns of one app key are at least one interval apart on the processes' clock, whoever
takes them, in the order of asking. The next free turn stands in a small file beside the token cache; it
is read and written under `flock`, and its checksum makes a torn write count as an empty file. A process
that dies costs the turns it had taken and nothing else.

A refusal (EGW00201) stretches the interval for everybody, because the broker counts on several gateways
and new customers have a lower rate for three days; the stretch halves with each minute without one.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from observer_core.clock import Clock
from observer_core.errors import StorageError

_NANOSECONDS = 1_000_000_000
# Next free turn, stretch, and when the stretch was set; then the checksum.
_RECORD = struct.Struct("<qdq")
_CHECKSUM = struct.Struct("<I")
_MODE = 0o600
# A turn further ahead was written under another clock: no queue of ours is ever so long.
_LONGEST_QUEUE_NS = 600 * _NANOSECONDS
_STRETCH_STEP, _LONGEST_STRETCH = 1.5, 8.0
_HALF_LIFE_NS = 60 * _NANOSECONDS
_LOCK_POLL_SECONDS, _LOCK_POLLS = 0.002, 5000


@dataclass(frozen=True, slots=True)
class _Pace:
    """What the file says.

    Attributes:
        next_ns: The next free turn.
        stretch: Factor of the interval when it was last set, at least 1.
        stretched_ns: When that was.
    """

    next_ns: int = 0
    stretch: float = 1.0
    stretched_ns: int = 0

    def stretch_at(self, now_ns: int) -> float:
        """Returns the factor now."""
        halvings = max(0, now_ns - self.stretched_ns) / _HALF_LIFE_NS
        remaining: float = 0.5 ** min(halvings, 64.0)
        return 1.0 + (self.stretch - 1.0) * remaining


class RequestLimiter:
    """A queue of evenly spaced turns.

    Args:
        path: The app key's file (`limiter_file`); its folder is made.
        clock: Whose seconds are counted.
        per_second: Requests a second of all processes together.
    """

    def __init__(self, path: Path, clock: Clock, per_second: float) -> None:
        self._path = path
        self._clock = clock
        self._interval_ns = int(_NANOSECONDS / per_second)

    async def acquire(self) -> None:
        """Returns when the next request may be sent.

        It waits on the clock: never call it while a `Participant` is busy, virtual time would stand.

        Raises:
            StorageError: The file cannot be opened or written, or stays locked for seconds.
        """
        descriptor = await self._lock()
        with _closing(descriptor):
            now_ns = self._clock.now_ns()
            pace = _read(descriptor, now_ns)
            turn_ns = max(now_ns, pace.next_ns)
            interval_ns = int(self._interval_ns * pace.stretch_at(now_ns))
            self._write(descriptor, _Pace(turn_ns + interval_ns, pace.stretch, pace.stretched_ns))
        if turn_ns > now_ns:
            await self._clock.sleep_until(turn_ns)

    async def refused(self) -> None:
        """States that the broker found the pace too fast; raises as `acquire`."""
        descriptor = await self._lock()
        with _closing(descriptor):
            now_ns = self._clock.now_ns()
            pace = _read(descriptor, now_ns)
            stretch = min(pace.stretch_at(now_ns) * _STRETCH_STEP, _LONGEST_STRETCH)
            self._write(descriptor, _Pace(pace.next_ns, stretch, now_ns))

    async def _lock(self) -> int:
        try:
            self._path.parent.mkdir(exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, _MODE)
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error
        try:
            for _ in range(_LOCK_POLLS):
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    # Held for microseconds, unless its holder is stopped: the loop must not stop with it.
                    await asyncio.sleep(_LOCK_POLL_SECONDS)
                else:
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        raise self._unusable("another process has kept it locked for seconds")

    def _write(self, descriptor: int, pace: _Pace) -> None:
        record = _RECORD.pack(pace.next_ns, pace.stretch, pace.stretched_ns)
        try:
            os.pwrite(descriptor, record + _CHECKSUM.pack(zlib.crc32(record)), 0)
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error

    def _unusable(self, why: str) -> StorageError:
        return StorageError(
            f"The pace of requests, {self._path}, cannot be kept: {why}.",
            remedy="Correct the permissions and free space of KIS_TOKEN_CACHE_DIR; end stopped processes.",
        )


def limiter_file(token_cache: Path, fingerprint: str) -> Path:
    """Returns the file of an app key's pace, beside the token cache.

    Args:
        token_cache: `Paths.token_cache`.
        fingerprint: Digest of the app key and its environment.
    """
    return token_cache.with_name(f"rate-{fingerprint}")


def _read(descriptor: int, now_ns: int) -> _Pace:
    content = os.pread(descriptor, _RECORD.size + _CHECKSUM.size, 0)
    record, checksum = content[: _RECORD.size], content[_RECORD.size :]
    if len(checksum) != _CHECKSUM.size or _CHECKSUM.unpack(checksum)[0] != zlib.crc32(record):
        return _Pace()
    pace = _Pace(*_RECORD.unpack(record))
    if pace.next_ns > now_ns + _LONGEST_QUEUE_NS or pace.stretched_ns > now_ns + _LONGEST_QUEUE_NS:
        return _Pace()
    return pace


@contextmanager
def _closing(descriptor: int) -> Iterator[None]:
    """Closes a descriptor at the end, which ends its lock."""
    try:
        yield
    finally:
        os.close(descriptor)
