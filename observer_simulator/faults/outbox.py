"""What waits for a client that reads slowly.

Invariant: frames pass in their order, each once it has had its time on the line, and whole. What waits
when the connection breaks was never sent, and what is thrown away neither: the account knows of no such
frame. Answers and PINGPONG pass it by, as they do not belong to the market.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from observer_core.clock.base import NANOSECONDS
from observer_simulator.faults.book import FaultBook
from observer_simulator.faults.model import Fault, Kind
from observer_simulator.websocket.frames import Frame


class Outbox:
    """The frames that wait for one client; without a slow reader, none does.

    Args:
        faults: The faults.
    """

    def __init__(self, faults: FaultBook) -> None:
        self._faults = faults
        self._waiting: deque[tuple[int, Frame]] = deque()
        self._bytes = 0
        self._free_ns = 0

    @property
    def next_ns(self) -> int | None:
        """When the next frame has passed; None where none waits."""
        return self._waiting[0][0] if self._waiting else None

    def put(self, frames: Iterable[Frame], now_ns: int) -> bool:
        """Takes frames in.

        Args:
            frames: They leave the market now.
            now_ns: The present instant.

        Returns:
            False where more wait than the broker has patience for: it breaks the connection.
        """
        fault = next(self._faults.active(Kind.SLOW_READER), None)
        for frame in frames:
            self._waiting.append((self._passes_at(frame, fault, now_ns), frame))
            self._bytes += len(frame.message)
        if fault is None or self._bytes <= fault.bytes:
            return True
        fault.fired += 1
        while fault.drop and self._bytes > fault.bytes:
            self._pop()
        return fault.drop

    def take(self, now_ns: int) -> list[Frame]:
        """Returns the frames that have passed, or all of them once the reader is slow no more."""
        slow = any(self._faults.active(Kind.SLOW_READER))
        passed = []
        while self._waiting and (not slow or self._waiting[0][0] <= now_ns):
            passed.append(self._pop())
        return passed

    def _passes_at(self, frame: Frame, fault: Fault | None, now_ns: int) -> int:
        if fault is None or not fault.rate:
            return now_ns
        self._free_ns = max(self._free_ns, now_ns) + len(frame.message) * NANOSECONDS // fault.rate
        # With its end, everything passes.
        return min(self._free_ns, fault.to_ns)

    def _pop(self) -> Frame:
        _, frame = self._waiting.popleft()
        self._bytes -= len(frame.message)
        return frame
