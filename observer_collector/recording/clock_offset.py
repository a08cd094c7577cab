"""How far our clock is from the broker's, told in the journal each minute.

Invariant: the offset is stated as an interval that holds for certain, never as a guess. The broker's HTTP
answers carry whole seconds (`Date`): one answer says little, but each of them bounds the offset, and what
all answers of a minute allow is a narrow interval. Where no offset fits all of them, that is said.

The exchange stamps trades with whole seconds only, so receive times order the tape; this record is what
tells later how good they were. It is written on the real clock only.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from observer_core.clock import Clock
from observer_core.clock.base import NANOSECONDS

_MINUTE_SECONDS = 60.0
# A minute at the broker's limit; older ones go where nobody asks, as in a standby.
_ANSWERS = 1080
_SENT = "observer.sent_ns"


@dataclass(frozen=True, slots=True)
class Offset:
    """The broker's time minus ours.

    Attributes:
        at_least_ns: It is not less.
        at_most_ns: It is not more.
        answers: Answers that say so.
        consistent: Whether one offset fits all of them; the last answer alone counts where not.
    """

    at_least_ns: int
    at_most_ns: int
    answers: int
    consistent: bool

    def payload(self) -> dict[str, Any]:
        """Returns the payload of the control record."""
        return {
            "source": "http-date",
            "at_least_ns": self.at_least_ns,
            "at_most_ns": self.at_most_ns,
            "answers": self.answers,
            "consistent": self.consistent,
        }


class ClockComparison:
    """Compares the process's clock with the broker's answers.

    Args:
        clock: The process's clock.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._bounds: deque[tuple[int, int]] = deque(maxlen=_ANSWERS)
        self.last: Offset | None = None

    def watch(self, http: httpx.AsyncClient) -> None:
        """Looks at every answer of a client from now on."""
        hooks = http.event_hooks
        hooks["request"].append(self._sent)
        hooks["response"].append(self._answered)
        http.event_hooks = hooks

    def add(self, date: str, sent_ns: int, received_ns: int) -> None:
        """Takes an answer into account.

        Args:
            date: Its `Date` header; anything else than a date says nothing.
            sent_ns: Our time when the request was sent.
            received_ns: Our time when the answer came.
        """
        try:
            second_ns = int(parsedate_to_datetime(date).timestamp()) * NANOSECONDS
        except (TypeError, ValueError, OverflowError):
            return
        # The header was written within that second, at some moment between request and answer.
        self._bounds.append((second_ns - received_ns, second_ns + NANOSECONDS - sent_ns))

    def take(self) -> Offset | None:
        """Returns what the answers since the last call say; None where there were none."""
        bounds = list(self._bounds)
        self._bounds.clear()
        if not bounds:
            return None
        at_least, at_most = max(low for low, _ in bounds), min(high for _, high in bounds)
        consistent = at_least <= at_most
        if not consistent:
            at_least, at_most = bounds[-1]
        self.last = Offset(at_least, at_most, len(bounds), consistent)
        return self.last

    async def run(self, tell: Callable[[dict[str, Any]], None]) -> None:
        """Tells the offset of each minute until cancelled."""
        while True:
            await asyncio.sleep(_MINUTE_SECONDS)
            offset = self.take()
            if offset is not None:
                tell(offset.payload())

    async def _sent(self, request: httpx.Request) -> None:
        request.extensions = {**request.extensions, _SENT: self._clock.now_ns()}

    async def _answered(self, response: httpx.Response) -> None:
        sent_ns = response.request.extensions.get(_SENT)
        if sent_ns is not None:
            self.add(response.headers.get("date", ""), sent_ns, self._clock.now_ns())
