"""Virtual time that several processes share through one small memory-mapped file.

Invariant: the conductor alone writes the header; each participant alone writes its own slot; every
reader sees a header that was written whole, because the header carries a sequence number that is
odd while it changes. CLOCK_MONOTONIC is the same in all processes of one machine, so an anchor
taken by the conductor is valid for every reader.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import struct
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from observer_core.clock.base import NANOSECONDS, Clock, Participant, RealClock, kst_datetime
from observer_core.errors import ConfigurationError

_MAGIC = b"OBSCLK01"
_HEADER = struct.Struct("<8sQqqdq")
_SLOT = struct.Struct("<24sqqq")
_SLOT_COUNT = 8
_FILE_SIZE = 4096

# Processes poll a virtual clock; a millisecond of real time bounds how late they wake up.
_POLL_SECONDS = 0.001
_LONGEST_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class ClockState:
    """The conductor's mapping from the machine's monotonic time to virtual time."""

    anchor_ns: int
    anchor_monotonic_ns: int
    speed: float
    limit_ns: int

    def at(self, monotonic_ns: int) -> int:
        """Returns the virtual instant at a moment of monotonic time; never beyond the limit."""
        elapsed = max(0, monotonic_ns - self.anchor_monotonic_ns)
        return min(self.limit_ns, self.anchor_ns + int(elapsed * self.speed))


@dataclass(frozen=True, slots=True)
class Slot:
    """What one participant has promised."""

    index: int
    name: str
    progress_ns: int
    heartbeat_ns: int
    pid: int


class ClockFile:
    """The memory-mapped file: one header, eight slots.

    Args:
        path: The file. `create` makes it, and an old one with it anew.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError as error:
            raise ConfigurationError(
                f"OBSERVER_CLOCK names {path}, which does not exist.",
                remedy="Start the local stack, which makes it, or set OBSERVER_CLOCK=real.",
            ) from error
        try:
            self._map = mmap.mmap(descriptor, _FILE_SIZE)
        finally:
            os.close(descriptor)
        if self._map[:8] != _MAGIC:
            raise ConfigurationError(f"{path} is not a clock file.", remedy="Set OBSERVER_CLOCK=real.")

    @classmethod
    def create(cls, path: Path, *, start_ns: int, speed: float) -> ClockFile:
        """Makes the file with a clock that stands at `start_ns` until the conductor lets it go."""
        path.unlink(missing_ok=True)
        temporary = path.with_suffix(".new")
        content = bytearray(_FILE_SIZE)
        _HEADER.pack_into(content, 0, _MAGIC, 0, start_ns, time.monotonic_ns(), speed, start_ns)
        temporary.write_bytes(content)
        temporary.rename(path)
        return cls(path)

    def read(self) -> ClockState:
        """Returns the header as the conductor last wrote it whole."""
        while True:
            _, before, anchor, monotonic, speed, limit = _HEADER.unpack_from(self._map, 0)
            after = _HEADER.unpack_from(self._map, 0)[1]
            if before == after and before % 2 == 0:
                return ClockState(anchor, monotonic, speed, limit)

    def write(self, state: ClockState) -> None:
        """Replaces the header; only the conductor calls this."""
        sequence = _HEADER.unpack_from(self._map, 0)[1]
        struct.pack_into("<Q", self._map, 8, sequence + 1)
        struct.pack_into(
            "<qqdq", self._map, 16, state.anchor_ns, state.anchor_monotonic_ns, state.speed, state.limit_ns
        )
        struct.pack_into("<Q", self._map, 8, sequence + 2)

    def slots(self) -> list[Slot]:
        """Returns the participants that are registered."""
        found = []
        for index in range(_SLOT_COUNT):
            name, progress, heartbeat, pid = _SLOT.unpack_from(self._map, self._offset(index))
            if pid:
                found.append(Slot(index, name.rstrip(b"\0").decode(), progress, heartbeat, pid))
        return found

    def claim(self, name: str) -> int:
        """Registers this process under a name, over an earlier process of that name; returns the slot."""
        by_name = {slot.name: slot.index for slot in self.slots()}
        free = (index for index in range(_SLOT_COUNT) if index not in by_name.values())
        index = by_name.get(name, next(free, -1))
        if index < 0:
            raise ConfigurationError(f"{self.path} has no free slot for {name}.")
        self.publish(index, name, 0)
        return index

    def publish(self, index: int, name: str, progress_ns: int) -> None:
        """Writes a participant's promise and its sign of life."""
        _SLOT.pack_into(
            self._map, self._offset(index), name.encode()[:24], progress_ns, time.monotonic_ns(), os.getpid()
        )

    def release(self, index: int) -> None:
        """Empties a slot."""
        self._map[self._offset(index) : self._offset(index) + _SLOT.size] = bytes(_SLOT.size)

    @staticmethod
    def _offset(index: int) -> int:
        return _HEADER.size + index * _SLOT.size


class _PublishingParticipant(Participant):
    """A participant whose promise stands in the shared file."""

    def __init__(self, file: ClockFile, name: str) -> None:
        super().__init__()
        self._file = file
        self._name = name
        self._index = file.claim(name)

    def leave(self) -> None:
        self._file.release(self._index)

    def _publish(self) -> None:
        self._file.publish(self._index, self._name, self.progress_ns)


class SharedClock:
    """The virtual time of a local stack, as one of its processes reads it."""

    is_virtual = True

    def __init__(self, file: ClockFile) -> None:
        self._file = file

    def now_ns(self) -> int:
        return self._file.read().at(time.monotonic_ns())

    def now(self) -> datetime:
        return kst_datetime(self.now_ns())

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    async def sleep_until(self, instant_ns: int) -> None:
        while True:
            state = self._file.read()
            remaining = instant_ns - state.at(time.monotonic_ns())
            if remaining <= 0:
                return
            seconds = remaining / NANOSECONDS / state.speed
            await asyncio.sleep(min(max(seconds, _POLL_SECONDS), _LONGEST_POLL_SECONDS))

    async def sleep(self, seconds: float) -> None:
        await self.sleep_until(self.now_ns() + int(seconds * NANOSECONDS))

    def participant(self, name: str) -> Participant:
        return _PublishingParticipant(self._file, name)


def open_clock(value: str) -> Clock:
    """Returns the clock that a value of `OBSERVER_CLOCK` names.

    Args:
        value: `real`, or `shared:` and the path of the conductor's file.

    Raises:
        ConfigurationError: The value is neither, or the file is not there.
    """
    if value == "real":
        return RealClock()
    scheme, _, path = value.partition(":")
    if scheme != "shared" or not path:
        raise ConfigurationError(
            f"OBSERVER_CLOCK is {value!r}.", remedy="Set it to 'real' or to 'shared:' and a path."
        )
    return SharedClock(ClockFile(Path(path)))
