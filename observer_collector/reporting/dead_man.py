"""A sign of life for a watcher outside of the node.

Invariant: it is given only while the collector is well; silence is the alarm. So a dead node, a dead
network and a dead collector all end it, and nothing has to work for the alarm to be raised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
from pydantic import SecretStr

from observer_core.clock import Clock
from observer_core.logs import logger

_ANSWER_SECONDS = 15.0
# How soon a collector that has become well says so, and one that was not heard tries again.
_LOOK_SECONDS = 1.0
_AGAIN_SECONDS = 5.0
_NANOSECONDS = 1_000_000_000

_log = logger(__name__)


class DeadMan:
    """The signs of life of one process.

    Args:
        address: Where a sign of life is given; a secret.
        http: The client.
        well: Returns whether the collector is well.
        clock: Instants of the signs.
        interval_seconds: Real seconds from one sign to the next.
    """

    def __init__(
        self,
        address: SecretStr,
        http: httpx.AsyncClient,
        *,
        well: Callable[[], bool],
        clock: Clock,
        interval_seconds: float,
    ) -> None:
        self._address = address
        self._http = http
        self._well = well
        self._clock = clock
        self._interval = interval_seconds
        self._failing = False
        self.heard = 0
        self.unheard = 0
        self.last_ns: int | None = None

    async def run(self) -> None:
        """Gives signs of life until cancelled."""
        while True:
            if not self._well():
                await asyncio.sleep(min(_LOOK_SECONDS, self._interval))
            elif await self._ping():
                await asyncio.sleep(self._interval)
            else:
                await asyncio.sleep(min(_AGAIN_SECONDS, self._interval))

    async def _ping(self) -> bool:
        try:
            async with (
                asyncio.timeout(_ANSWER_SECONDS),
                self._http.stream("GET", self._address.get_secret_value()) as answer,
            ):
                reason = "" if answer.is_success else f"HTTP {answer.status_code}"
        except (httpx.HTTPError, TimeoutError) as error:
            # The message of the error may hold the address.
            reason = type(error).__name__
        if reason:
            self.unheard += 1
            if not self._failing:
                _log.warning("The outside watcher does not hear this collector.", reason=reason)
        else:
            self.heard += 1
            self.last_ns = self._clock.now_ns()
        self._failing = bool(reason)
        return not reason
