"""Hands every event to its sockets when the clock reaches it.

Invariant: frames leave in the order of their instants over all clients, and the promise to the
conductor is the instant up to which all of them were handed over: a slow client slows the market's
time down instead of losing its frames.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from observer_core.clock import Clock, Participant
from observer_core.logs import logger
from observer_simulator.account import ConnectionAccount
from observer_simulator.faults.book import FaultBook
from observer_simulator.faults.damage import Damage
from observer_simulator.faults.outbox import Outbox
from observer_simulator.websocket.connection import BrokerConnection
from observer_simulator.websocket.feed import Feed
from observer_simulator.websocket.frames import Frame
from observer_simulator.websocket.session import Session

_LOG = logger(__name__)

# Frames in one write: few system calls, and still a small part of the socket's buffer.
_BATCH = 64
# Real time between two promises; the conductor expects one every few milliseconds.
_PROMISE_SECONDS = 0.002


@dataclass(eq=False, slots=True)
class Client:
    """Everything about one connection."""

    connection: BrokerConnection
    session: Session
    feed: Feed
    account: ConnectionAccount
    damage: Damage
    outbox: Outbox
    frozen: bool = False

    @property
    def next_ns(self) -> int | None:
        """When there may be something to send, new or waiting; None where there is nothing."""
        instants = (self.feed.next_ns, self.outbox.next_ns)
        return min((instant for instant in instants if instant is not None), default=None)

    def sent(self, frame: Frame) -> None:
        """Enters a frame that was handed to the socket into the account."""
        channel = frame.sent_as or frame.pair.channel.value
        if frame.whole:
            self.account.sent(channel, "", 1)
        else:
            self.account.sent(channel, frame.pair.key, frame.records)


class Delivery:
    """Delivers the feeds of all clients.

    Args:
        clock: The market's time.
        participant: The promise to the conductor.
        faults: What goes wrong, and when.
    """

    def __init__(self, clock: Clock, participant: Participant, faults: FaultBook) -> None:
        self._faults = faults
        self._clock = clock
        self._participant = participant
        self._clients: list[Client] = []
        self._changed = asyncio.Event()

    @property
    def clients(self) -> tuple[Client, ...]:
        return tuple(self._clients)

    def join(self, client: Client) -> None:
        """Begins to deliver to a client."""
        self._clients.append(client)

    def leave(self, client: Client) -> None:
        """Stops delivering to a client; nothing happens where it has left before."""
        if client in self._clients:
            self._clients.remove(client)

    def wake(self) -> None:
        """Says that a feed has changed, so that there may be something to send sooner."""
        self._changed.set()

    async def run(self) -> None:
        """Delivers until cancelled."""
        while True:
            self._changed.clear()
            await self._deliver_due()
            await self._wait()

    async def promise(self) -> None:
        """Keeps the promise to the conductor until cancelled; real time has no conductor."""
        while self._clock.is_virtual:
            now_ns = self._clock.now_ns()
            next_ns = self._next_ns()
            # The instant is read before the feeds: what a feed still has lies after it.
            self._participant.caught_up(now_ns if next_ns is None else min(now_ns, next_ns - 1))
            await asyncio.sleep(_PROMISE_SECONDS)

    def _next_ns(self) -> int | None:
        instants = [client.next_ns for client in self._clients]
        # Time does not pass a fault by.
        instants.append(self._faults.next_ns)
        return min((instant for instant in instants if instant is not None), default=None)

    async def _deliver_due(self) -> None:
        while True:
            now_ns = self._clock.now_ns()
            ready = [
                (instant, number)
                for number, client in enumerate(self._clients)
                if (instant := client.next_ns) is not None and instant <= now_ns
            ]
            if not ready:
                return
            ready.sort()
            until_ns = now_ns if len(ready) == 1 else ready[1][0]
            await self._deliver(self._clients[ready[0][1]], until_ns, now_ns)

    async def _deliver(self, client: Client, until_ns: int, now_ns: int) -> None:
        taken = client.feed.take(until_ns, limit=_BATCH)
        if not client.outbox.put(client.damage.apply(taken), now_ns):
            _LOG.info("A slow client is not waited for.", connection=client.account.number)
            client.connection.abort()
            self.leave(client)
            return
        frames = client.outbox.take(now_ns)
        if not frames:
            return
        with self._participant.busy((taken[0].instant_ns if taken else now_ns) - 1):
            if not client.connection.hand_over([frame.message for frame in frames]):
                self.leave(client)
                return
            for frame in frames:
                client.sent(frame)
            try:
                await client.connection.flow()
            except TimeoutError:
                _LOG.warning("A client took nothing for too long; its connection is broken.",
                             connection=client.account.number)  # fmt: skip
                client.connection.abort()
                self.leave(client)
            except OSError:
                # Its own task notes how the connection ended.
                self.leave(client)

    async def _wait(self) -> None:
        next_ns = self._next_ns()
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._changed.wait())]
        if next_ns is not None:
            waits.append(asyncio.ensure_future(self._clock.sleep_until(next_ns)))
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in done:
                wait.result()
        finally:
            for wait in waits:
                wait.cancel()
