"""One run of a stack in the foreground: from the lock to the last process.

Invariant: a first Ctrl-C, a SIGTERM, a lost terminal and a failure all take the same way out, the
stack's orderly stop; a second Ctrl-C shortens it; when the command returns, no descendant of it is left.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from observer.stack.deathbond import adopt_orphans, end_descendants
from observer.stack.progress import Progress
from observer.stack.stack import LocalStack
from observer.stack.tasks import first_of

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Session:
    """Runs a body of work on a stack, and stops the stack afterwards.

    Args:
        stack: Not started yet.
        progress: Where stopping is told.
    """

    def __init__(self, stack: LocalStack, progress: Progress) -> None:
        self._stack = stack
        self._progress = progress
        self._received: list[signal.Signals] = []
        self._work: asyncio.Task[int] | None = None
        self._interrupted = False

    async def run(self, body: Callable[[], Coroutine[Any, Any, int]]) -> int:
        """Starts the stack, runs the body beside the watch over the programs, and stops the stack.

        Args:
            body: The work; its result is the exit status.

        Returns:
            The body's status, or 128 and the number of the signal that ended it.
        """
        loop = asyncio.get_running_loop()
        adopt_orphans()
        for one in _SIGNALS:
            loop.add_signal_handler(one, self._take, one)
        self._work = asyncio.create_task(self._start_and_work(body))
        try:
            await asyncio.wait({self._work})
            # Every result is looked at, or asyncio tells of one that nobody took.
            _ = self._work.cancelled() or self._work.exception()
            if self._received:
                self._progress.say(f"{self._received[0].name}: stopping")
            await self._stack.stop()
        finally:
            self._stack.kill()
            end_descendants()
        if self._interrupted:
            # What the interrupted work raised on its way out is no failure of its own.
            return 128 + self._received[0]
        return self._work.result()

    async def _start_and_work(self, body: Callable[[], Coroutine[Any, Any, int]]) -> int:
        await self._stack.start()
        return await first_of(body(), self._stack.watch())

    def _take(self, received: signal.Signals) -> None:
        self._received.append(received)
        if len(self._received) == 1:
            assert self._work is not None, "handlers are set beside the task"
            self._interrupted = self._work.cancel()
        else:
            self._progress.say("again: ending the programs at once; PostgreSQL still stops cleanly")
            self._stack.kill()
