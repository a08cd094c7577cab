"""Signs of life: only while all is well."""

import asyncio
import contextlib

import httpx
import pytest
from pydantic import SecretStr

from observer_collector.reporting.dead_man import DeadMan
from observer_core.clock.base import RealClock


@contextlib.asynccontextmanager
async def living(address, well, interval=0.02):
    async with httpx.AsyncClient(timeout=0.2, follow_redirects=False) as http:
        man = DeadMan(
            SecretStr(address), http, well=well, clock=RealClock(), interval_seconds=interval
        )  # fmt: skip
        task = asyncio.ensure_future(man.run())
        try:
            yield man
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_a_sign_at_every_interval(receiver):
    async with living(receiver.origin + "/ping/uuid", lambda: True) as man:
        await receiver.until(lambda found: len(found.requests) >= 3)
        assert man.heard >= 2
        assert man.last_ns is not None
    assert set(receiver.requests) == {("GET", "/ping/uuid")}


async def test_no_sign_while_something_is_wrong(receiver):
    """Silence is the alarm: nothing at all is sent, and the first sign follows as soon as all is well."""
    well = False
    async with living(receiver.origin + "/ping/uuid", lambda: well) as man:
        await asyncio.sleep(0.2)
        assert receiver.requests == []
        assert (man.heard, man.unheard) == (0, 0)
        well = True
        await receiver.until(lambda found: found.requests)


@pytest.mark.parametrize("fault", [500, 404, "drop", "slow", (301, {"Location": "/elsewhere"})])
async def test_a_watcher_that_does_not_hear_is_asked_again(receiver, fault):
    receiver.script.extend([fault, fault])
    async with living(receiver.origin + "/ping/uuid", lambda: True) as man:
        await receiver.until(lambda found: len(found.requests) >= 4)
        assert man.unheard == 2
        assert man.heard >= 1
    assert {path for _, path in receiver.requests} == {"/ping/uuid"}
