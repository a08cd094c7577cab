"""Running work beside those who watch over it.

Invariant: when the first of them ends, all of them have ended before the caller goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

Result = TypeVar("Result")


async def first_of(body: Awaitable[Result], *watches: Awaitable[None]) -> Result:
    """Returns the body's result, or raises what the body or one of the endless watches raises first."""
    working = asyncio.ensure_future(body)
    watching = [asyncio.ensure_future(watch) for watch in watches]
    try:
        done, _ = await asyncio.wait([working, *watching], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        return await working
    finally:
        for task in (working, *watching):
            task.cancel()
        await asyncio.gather(working, *watching, return_exceptions=True)
