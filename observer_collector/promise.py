"""What this process has promised to the conductor of a virtual day.

Invariant: the promise never covers a frame that was in the socket and is not journaled, a request
that is under way, or an hour that is over and not sealed.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

import httpx

from observer_core.clock import Clock, Participant

PARTICIPANT = "collector"


class Promise:
    """The promise of the process; without a conductor it has no reader.

    Args:
        clock: The process's clock.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._participant = Participant()

    def join(self) -> None:
        """Makes the conductor wait for this process from now on; a standby does not."""
        self._participant = self._clock.participant(PARTICIPANT)
        self._participant.caught_up(self._clock.now_ns())

    def busy(self) -> AbstractContextManager[None]:
        """Freezes the promise while a remote side is asked; never wait for the clock inside."""
        return self._participant.busy(self._clock.now_ns())

    def keep(self, instant_ns: int) -> None:
        """States that everything up to an instant is done, and gives a sign of life."""
        self._participant.caught_up(instant_ns)

    def leave(self) -> None:
        """Ends the promise."""
        self._participant.leave()


class PromisingClient(httpx.AsyncClient):
    """An HTTP client during whose requests the promise stands still.

    Args:
        promise: The promise.
        options: As `httpx.AsyncClient` has them.
    """

    def __init__(self, promise: Promise, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]  # passed through as they are
        self._promise = promise

    async def send(self, *arguments: object, **options: object) -> httpx.Response:
        """Sends a request; `request` and its relatives all end here."""
        with self._promise.busy():
            return await super().send(*arguments, **options)  # type: ignore[arg-type]  # passed through
