"""Ending work at a stop.

Invariant: whatever is waited for, a stop is noticed at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from observer_core.errors import ObserverError

_Result = TypeVar("_Result")


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
