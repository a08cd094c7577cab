"""Drives the shared virtual time.

Invariant: virtual time never runs more than `lead` ahead of what every living participant has
promised, never past a hold that somebody has placed, and never goes back. So a slow participant
slows the day down instead of losing it, and the same day gives the same counts on any machine.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path

from observer_core.clock.base import NANOSECONDS
from observer_core.clock.shared import ClockFile, ClockState, Slot

# The conductor's own beat in real time, and how long a silent participant may stop the clock. A
# process under a debugger or a machine under load is silent for seconds without being dead.
_BEAT_SECONDS = 0.004
_SILENCE_NS = 20 * NANOSECONDS


@dataclass(eq=False)
class Hold:
    """A wall at an instant that time does not pass until it is released."""

    at_ns: int
    reason: str
    _conductor: Conductor = field(repr=False)

    def release(self) -> None:
        """Lets time pass again."""
        self._conductor.holds.discard(self)


class Conductor:
    """The one writer of a clock file.

    Args:
        file: The clock file.
        speed: Virtual seconds per real second, at most.
        required: Names of the participants without which time does not start.
    """

    def __init__(self, file: ClockFile, *, speed: float, required: frozenset[str] = frozenset()) -> None:
        self._file = file
        self._speed = speed
        self._missing = set(required)
        self.holds: set[Hold] = set()
        # A participant publishes every few milliseconds; at high speed that is seconds of the market.
        self._lead_ns = int(max(1.0, speed * 0.025) * NANOSECONDS)

    @classmethod
    def create(
        cls, path: Path, *, start_ns: int, speed: float, required: frozenset[str] = frozenset()
    ) -> Conductor:
        """Makes the clock file and its conductor; time stands still until `run`."""
        return cls(ClockFile.create(path, start_ns=start_ns, speed=speed), speed=speed, required=required)

    def now_ns(self) -> int:
        """Returns the present virtual instant."""
        return self._file.read().at(time.monotonic_ns())

    def hold(self, at_ns: int, reason: str) -> Hold:
        """Places a wall at an instant, or at the present one where that is later."""
        wall = Hold(max(at_ns, self.now_ns()), reason, self)
        self.holds.add(wall)
        return wall

    def jump(self, to_ns: int) -> None:
        """Moves time forward at once, over an interval in which nothing happens."""
        state = self._file.read()
        now_ns = time.monotonic_ns()
        if to_ns > state.at(now_ns):
            self._file.write(ClockState(to_ns, now_ns, self._speed, to_ns))

    def waiting_for(self) -> list[str]:
        """Returns what keeps time from passing at full speed, for people."""
        now_ns = self.now_ns()
        reasons = [f"{name} to start" for name in sorted(self._missing)]
        reasons += [hold.reason for hold in self.holds if hold.at_ns <= now_ns]
        reasons += [slot.name for slot in self._living() if slot.progress_ns + self._lead_ns <= now_ns]
        return reasons

    def is_settled(self) -> bool:
        """Returns whether every living participant has done all that was due up to the present instant."""
        now_ns = self.now_ns()
        return all(slot.progress_ns >= now_ns for slot in self._living())

    def step(self) -> None:
        """Extends the limit as far as promises and holds allow."""
        state = self._file.read()
        monotonic_ns = time.monotonic_ns()
        now_ns = state.at(monotonic_ns)
        living = self._living()
        self._missing -= {slot.name for slot in living}
        if self._missing:
            return
        limits = [slot.progress_ns + self._lead_ns for slot in living if slot.progress_ns]
        limits += [hold.at_ns for hold in self.holds]
        limit_ns = max(state.limit_ns, min(limits, default=now_ns + self._lead_ns))
        # Time that stood at the limit starts from there: it does not leap over what it waited.
        self._file.write(ClockState(now_ns, monotonic_ns, self._speed, limit_ns))

    async def run(self) -> None:
        """Steps until cancelled."""
        while True:
            self.step()
            await asyncio.sleep(_BEAT_SECONDS)

    def _living(self) -> list[Slot]:
        newest_silent = time.monotonic_ns() - _SILENCE_NS
        return [
            slot
            for slot in self._file.slots()
            if slot.heartbeat_ns > newest_silent and Path(f"/proc/{slot.pid}").exists()
        ]
