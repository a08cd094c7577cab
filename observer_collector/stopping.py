"""Ending work at a stop.

Invariant: whatever is waited for, a stop is noticed at once. Each part of a stop ends by its share of the
whole time, however long the parts before it took, so that the parts never add up to more.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from enum import Enum
from typing import Any, TypeVar

from observer_core.clock import Clock
from observer_core.clock.base import NANOSECONDS
from observer_core.errors import ObserverError

_Result = TypeVar("_Result")


class Stage(Enum):
    """The parts of a stop, each with the share of the whole time by which it is over.

    Members:
        REQUESTS: What was asked is answered, and the broker has closed the connection.
        CLOSE: What the connection had left is journaled.
        SEAL: The journal is sealed.
        END: The process has ended.
    """

    REQUESTS = 0.2
    CLOSE = 0.35
    SEAL = 0.8
    END = 1.0


class Ending:
    """The end of a process.

    Args:
        seconds: `OBSERVER_STOP_SECONDS`: real time from the stop to the end.
        clock: Real durations.
    """

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds = seconds
        self._clock = clock
        self._began_ns: int | None = None
        self.sealed = True

    def begin(self) -> None:
        """States that the stop has begun; what was said first counts."""
        if self._began_ns is None:
            self._began_ns = self._clock.monotonic_ns()

    def left(self, stage: Stage) -> float:
        """Returns the seconds until a part has to be over; 0 where it should be already."""
        now_ns = self._clock.monotonic_ns()
        gone = (now_ns - (now_ns if self._began_ns is None else self._began_ns)) / NANOSECONDS
        return max(0.0, stage.value * self._seconds - gone)


class LastResort:
    """Ends the process when the stop is over and something still hangs.

    A thread that waits for a resolver or a disk cannot be cancelled, and the interpreter would wait for it.
    By then the journal is sealed, or the disk takes nothing; so nothing is lost that could still be saved.

    Args:
        ending: The stop.
    """

    def __init__(self, ending: Ending) -> None:
        self._ending = ending

    def begin(self) -> None:
        """Begins to watch; the end of the process ends it."""
        self._ending.begin()
        watching = threading.Timer(self._ending.left(Stage.END), self._end)
        watching.daemon = True
        watching.start()

    def _end(self) -> None:
        # Not by the log: its file may be what hangs.
        os.write(2, b"The stop took too long: the process is ended.\n")
        os._exit(0 if self._ending.sealed else 1)


async def unless_stopped(stop: asyncio.Event, work: Coroutine[Any, Any, _Result]) -> _Result | None:
    """Returns the result of a piece of work, or None at a stop, which cancels the work."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        stopping.cancel()


def deliberate_error(group: BaseExceptionGroup[BaseException]) -> ObserverError | None:
    """Returns the error of Observer's own that ended a group of tasks; None where it was a defect."""
    for error in group.exceptions:
        found = deliberate_error(error) if isinstance(error, BaseExceptionGroup) else error
        if isinstance(found, ObserverError):
            return found
    return None
