"""Waiting for the next of the instants at which something is due again and again.

Invariant: whoever waits here waits for two steps at most, also where the machine's clock is set back
meanwhile: the instant that was waited for is then given up, and the present counts.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from observer_core.clock import Clock

# Real seconds between two looks at whether the clock was set back.
_LOOK_SECONDS = 10.0


async def reached(clock: Clock, due_ns: int, step_ns: int) -> bool:
    """Waits for an instant that is a step away at most.

    Args:
        clock: The process's clock.
        due_ns: The instant.
        step_ns: From one such instant to the next.

    Returns:
        Whether the instant has come; False where the clock was set back by more than a step.
    """
    while (ahead_ns := due_ns - clock.now_ns()) > 0:
        if ahead_ns > 2 * step_ns:
            return False
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_SECONDS):
                await clock.sleep_until(due_ns)
    return True


async def next_multiple(clock: Clock, step_ns: int) -> None:
    """Waits for the next multiple of a step on the clock, whatever the clock is set to meanwhile."""
    while not await reached(clock, (clock.now_ns() // step_ns + 1) * step_ns, step_ns):
        pass
