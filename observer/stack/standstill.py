"""When virtual time that stands still is stuck, and not slow.

Invariant: what moves, or waits for a run that still tells of itself, is not stuck, however slow the machine:
the close of a day may take minutes where others are at work.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime

_POLL_SECONDS = 1.0


async def standstill(
    now: Callable[[], datetime],
    told: Callable[[], Awaitable[tuple[str, int]]],
    *,
    seconds: float,
    poll_seconds: float = _POLL_SECONDS,
) -> datetime:
    """Returns the instant at which time stands, once neither it nor the run in flight has moved for too long.

    Args:
        now: The present virtual instant.
        told: The run in flight, and how many events it has told; asked only where time stands still.
        seconds: Real ones that are too long.
        poll_seconds: Real ones between two looks at the clock.
    """
    last, since, before = now(), time.monotonic(), await told()
    while True:
        await asyncio.sleep(poll_seconds)
        if now() != last:
            last, since = now(), time.monotonic()
        elif time.monotonic() - since > seconds:
            present = await told()
            if present == before:
                return last
            since, before = time.monotonic(), present
