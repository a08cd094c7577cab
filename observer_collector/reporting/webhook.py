"""Notices on their way to a webhook that takes Slack's JSON.

Invariant: a notice is offered without waiting, and delivered in the order of offering; a webhook that
fails is asked again after growing pauses, one that refuses is not; nothing waits longer than half a
day, and the queue is bounded. The address is a secret: it is in no log and no error.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any

import httpx
from pydantic import SecretStr

from observer_collector.reporting.alerts import Notice
from observer_core.alerting import slack
from observer_core.clock import Clock, kst_datetime
from observer_core.logs import logger

_QUEUE = 64
# The whole answer has to be there within this time, however slowly it comes.
_ANSWER_SECONDS = 15.0
_FIRST_SECONDS, _LONGEST_SECONDS = 1.0, 60.0
_OLDEST_SECONDS = 12 * 3600
_PASSING = frozenset({408, 425, 429})
_NANOSECONDS = 1_000_000_000

_log = logger(__name__)


class Delivery(StrEnum):
    """How an attempt ended."""

    DELIVERED = "delivered"
    FAILED = "failed"
    REFUSED = "refused"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class _Waiting:
    notice: Notice
    offered_ns: int


class Webhook:
    """The queue of one webhook.

    Args:
        address: Where notices go.
        http: The client; it must not follow redirects, which would carry the notice elsewhere.
        render: Turns a notice into the JSON that is sent.
        delivered: Called after a notice was accepted.
        clock: Real durations.
        random: Source of the jitter.
    """

    def __init__(
        self,
        address: SecretStr,
        http: httpx.AsyncClient,
        *,
        render: Callable[[Notice], dict[str, Any]],
        delivered: Callable[[Notice], Awaitable[None]],
        clock: Clock,
        random: Random,
    ) -> None:
        self._address = address
        self._http = http
        self._render = render
        self._delivered = delivered
        self._clock = clock
        self._random = random
        self._queue: deque[_Waiting] = deque()
        self._offered = asyncio.Event()
        self.attempts = dict.fromkeys(Delivery, 0)

    @property
    def waiting(self) -> int:
        """Notices that are not delivered yet."""
        return len(self._queue)

    def offer(self, notice: Notice) -> None:
        """Takes a notice; the oldest one gives way where too many wait."""
        if len(self._queue) >= _QUEUE:
            self._queue.popleft()
            self.attempts[Delivery.DROPPED] += 1
            _log.error("Too many alerts wait for the webhook; the oldest is dropped.")
        self._queue.append(_Waiting(notice, self._clock.monotonic_ns()))
        self._offered.set()

    async def run(self) -> None:
        """Delivers until cancelled."""
        while True:
            await self._offered.wait()
            self._offered.clear()
            while self._queue:
                waiting = self._queue[0]
                if await self._insist(waiting) is Delivery.DELIVERED:
                    await self._delivered(waiting.notice)
                if self._queue and self._queue[0] is waiting:
                    self._queue.popleft()

    async def _insist(self, waiting: _Waiting) -> Delivery:
        """Tries until a notice is delivered, refused, too old, or pushed out of the queue."""
        failures = 0
        while True:
            outcome, reason, pause = await self._attempt(waiting.notice)
            self.attempts[outcome] += 1
            if outcome is not Delivery.FAILED:
                if outcome is Delivery.REFUSED:
                    _log.error("The webhook refuses an alert.", alert=waiting.notice.condition, reason=reason)
                return outcome
            failures += 1
            pause = max(pause, self._pause(failures))
            if failures == 1:
                _log.warning(
                    "An alert is not delivered yet.", alert=waiting.notice.condition, reason=reason,
                    next_attempt_seconds=round(pause, 1),
                )  # fmt: skip
            await asyncio.sleep(pause)
            age = (self._clock.monotonic_ns() - waiting.offered_ns) / _NANOSECONDS
            if age > _OLDEST_SECONDS or not self._queue or self._queue[0] is not waiting:
                self.attempts[Delivery.DROPPED] += 1
                return Delivery.DROPPED

    def _pause(self, failures: int) -> float:
        longest = min(_FIRST_SECONDS * 2 ** min(failures - 1, 16), _LONGEST_SECONDS)
        return self._random.uniform(longest / 2, longest)

    async def _attempt(self, notice: Notice) -> tuple[Delivery, str, float]:
        """Returns the outcome, its reason without any address, and how long the webhook wants to be left."""
        try:
            async with (
                asyncio.timeout(_ANSWER_SECONDS),
                # Streamed and never read: the status says everything.
                self._http.stream(
                    "POST", self._address.get_secret_value(), json=self._render(notice)
                ) as answer,
            ):
                status, after = answer.status_code, answer.headers.get("Retry-After", "")
        except (httpx.HTTPError, TimeoutError) as error:
            # The message of the error may hold the address.
            return Delivery.FAILED, type(error).__name__, 0.0
        if 200 <= status < 300:
            return Delivery.DELIVERED, "", 0.0
        if status >= 500 or status in _PASSING:
            wanted = float(after) if after.isdecimal() else 0.0
            return Delivery.FAILED, f"HTTP {status}", min(wanted, _LONGEST_SECONDS)
        return Delivery.REFUSED, f"HTTP {status}", 0.0


def slack_message(notice: Notice, *, place: str, runbook: str) -> dict[str, Any]:
    """Returns a notice as Slack's incoming webhooks take it, and Mattermost's and others with them.

    Args:
        notice: What to tell.
        place: Who tells it.
        runbook: Address of `docs/operations/alerts.md`.
    """
    condition = notice.condition
    state = "RESOLVED" if notice.resolved else "CRITICAL"
    since = kst_datetime(notice.since_ns).isoformat(sep=" ", timespec="seconds")
    fields = [("Since", since, True), ("Where", place, True)]
    if notice.resolved:
        over = kst_datetime(notice.at_ns).isoformat(sep=" ", timespec="seconds")
        fields.append(("Until", over, True))
    else:
        fields.append(("Remedy", condition.remedy, False))
    text = f"{state}: {condition.headline} ({place})"
    return slack.slack_message(
        text,
        [
            slack.Attachment(
                fallback=text,
                colour=slack.Colour.GOOD if notice.resolved else slack.Colour.DANGER,
                title=condition.value,
                link=f"{runbook}#{condition.value.lower()}",
                text=notice.detail,
                fields=fields,
                at_seconds=notice.at_ns // _NANOSECONDS,
            )
        ],
    )
