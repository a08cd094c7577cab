"""What works beside the recording, kept at work.

Invariant: a defect of a helper ends neither the feed nor the helper: it is told and counted, and the helper
begins again after a pause that grows with each failure. What records (receiver, journal) is no helper: where
that fails, the process ends, and its successor recovers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

from prometheus_client.core import CounterMetricFamily, Metric

from observer_core.clock import Clock
from observer_core.clock.base import NANOSECONDS
from observer_core.logs import logger, redact

# Real time from a failure to the next beginning: doubled each time, and short again after a while of work.
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 60.0
_WELL_NS = 600 * NANOSECONDS
_LONGEST_ERROR = 300

_log = logger(__name__)


@dataclass(slots=True)
class Helper:
    """One helper.

    Attributes:
        failures: How often it ended with an error that nobody had foreseen.
        error: The last of them; empty where there was none.
        waiting: Whether it waits for its next beginning.
    """

    failures: int = 0
    error: str = ""
    waiting: bool = False


class Helpers:
    """The helpers of a process.

    Args:
        clock: Real durations.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._helpers: dict[str, Helper] = {}

    async def keep(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Keeps a helper at work until it ends by itself, or is cancelled.

        Args:
            name: Its name, one of a closed list.
            work: Begins its work.
        """
        helper = self._helpers.setdefault(name, Helper())
        pause = _FIRST_PAUSE_SECONDS
        while True:
            began_ns = self._clock.monotonic_ns()
            try:
                return await work()
            except Exception as error:  # noqa: BLE001  (what nobody has foreseen is what this is for)
                if self._clock.monotonic_ns() - began_ns > _WELL_NS:
                    pause = _FIRST_PAUSE_SECONDS
                self._failed(name, helper, error, pause)
            helper.waiting = True
            await asyncio.sleep(pause)
            helper.waiting = False
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def status(self) -> dict[str, dict[str, Any]]:
        """Returns the helpers that have failed, as plain values."""
        return {
            name: {"failures": helper.failures, "error": helper.error, "waiting": helper.waiting}
            for name, helper in self._helpers.items()
            if helper.failures
        }

    def metrics(self) -> Iterator[Metric]:
        """Yields how often each has failed."""
        failures = CounterMetricFamily(
            "observer_helper_failures",
            "Unforeseen ends of what works beside the recording",
            labels=["helper"],
        )
        for name, helper in self._helpers.items():
            failures.add_metric([name], helper.failures)
        yield failures

    def _failed(self, name: str, helper: Helper, error: Exception, pause: float) -> None:
        """Tells a failure; where it came from once, as long as it stays the same."""
        told, helper.error = helper.error, _text(error)
        helper.failures += 1
        _log.error(
            "A helper has failed and begins again.",
            exc_info=None if told == helper.error else error,
            helper=name,
            error=helper.error,
            failures=helper.failures,
            pause_seconds=pause,
        )


def _text(error: Exception) -> str:
    """Returns what an error says, without secrets and as text that can be encoded."""
    said = "; ".join(f"{type(one).__name__}: {one}" for one in _leaves(error))
    return redact(said).encode("utf-8", "backslashreplace").decode()[:_LONGEST_ERROR]


def _leaves(error: Exception) -> Iterator[Exception]:
    if not isinstance(error, ExceptionGroup):
        yield error
        return
    for one in error.exceptions:
        yield from _leaves(one)
