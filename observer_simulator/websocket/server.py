"""Accepts connections and leads their conversations.

Invariant: an answer is sent before the first frame of what it confirms; whatever way a connection
ends, its feed stops, its account is closed and its slot is freed by the rules of section 6.7.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack, suppress
from typing import Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from observer_core.clock.base import NANOSECONDS
from observer_core.logs import logger
from observer_core.settings.model import KisEnvironment
from observer_simulator.broker import Broker
from observer_simulator.websocket import messages
from observer_simulator.websocket.connection import BrokerConnection
from observer_simulator.websocket.delivery import Client, Delivery
from observer_simulator.websocket.feed import Feed
from observer_simulator.websocket.frames import PAPER_CHANNELS, Channel, Widths
from observer_simulator.websocket.session import Reaction, Session, Slot

_LOG = logger(__name__)

# Small buffers: a client that does not read is felt after some hundred frames, not after a day.
_SOCKET_BYTES = 64 * 1024
_WRITE_LIMIT = 64 * 1024
_MISSED_KEEP_ALIVES = 2
_ABNORMAL = 1006


class WebsocketSide:
    """The websocket server; an asynchronous context manager.

    Args:
        broker: The parts behind it.
    """

    def __init__(self, broker: Broker) -> None:
        self._settings = settings = broker.settings
        self._clock = broker.clock
        self._broker = broker
        self._slot = Slot()
        self._participant = broker.clock.participant("simulator")
        self._delivery = Delivery(broker.clock, self._participant)
        self._stack = AsyncExitStack()
        self._server: Server | None = None
        self._tasks: list[asyncio.Task[None]] = []
        paper = settings.environment is KisEnvironment.PAPER
        self._channels = PAPER_CHANNELS if paper else frozenset(Channel)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.callback(self._participant.leave)
            for work in (self._delivery.run(), self._delivery.promise()):
                self._tasks.append(asyncio.create_task(work))
                stack.push_async_callback(_cancelled, self._tasks[-1])
            self._server = await stack.enter_async_context(
                serve(
                    self._converse,
                    sock=_listening(self._settings.host, self._settings.websocket_port),
                    create_connection=BrokerConnection,
                    compression=None,
                    ping_interval=None,
                    write_limit=_WRITE_LIMIT,
                    close_timeout=2,
                )
            )
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._server is not None, "the server is entered"
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def wait_failed(self) -> None:
        """Returns when the delivery has ended by an error, which leaving the context then raises."""
        await asyncio.wait(self._tasks, return_when=asyncio.FIRST_EXCEPTION)

    async def close_all(self) -> int:
        """Closes every connection with a close frame; returns how many."""
        clients = self._delivery.clients
        await asyncio.gather(*(client.connection.close() for client in clients))
        return len(clients)

    def abort_all(self) -> int:
        """Breaks every connection without a close frame; returns how many."""
        clients = self._delivery.clients
        for client in clients:
            client.connection.abort()
        return len(clients)

    async def _converse(self, connection: ServerConnection) -> None:
        assert isinstance(connection, BrokerConnection), "the server creates no other"
        client = self._admit(connection)
        connection.on_pong = client.session.receive_echo
        keep_alive = asyncio.create_task(self._keep_alive(client))
        try:
            async for message in connection:
                text = message if isinstance(message, str) else message.decode(errors="replace")
                if not self._react(client, client.session.receive(text)):
                    await connection.close()
        except ConnectionClosed:
            pass
        finally:
            await _cancelled(keep_alive)
            self._dismiss(client)

    def _admit(self, connection: BrokerConnection) -> Client:
        account = self._broker.account.open_connection(self._clock.now())
        session = Session(
            connection=account.number,
            slot=self._slot,
            credentials=self._broker.credentials,
            channels=self._channels,
            seed=self._settings.seed,
            now_ns=self._clock.now_ns,
        )
        widths = Widths(self._settings.trade_width, self._settings.book_width)
        client = Client(connection, session, Feed(self._broker.market, widths), account)
        self._delivery.join(client)
        _LOG.info("A client has connected.", connection=account.number)
        return client

    def _dismiss(self, client: Client) -> None:
        self._delivery.leave(client)
        code = client.connection.close_code
        lingering = self._settings.lingering_slot_seconds if code == _ABNORMAL else 0.0
        free_at_ns = self._clock.now_ns() + int(lingering * NANOSECONDS)
        self._slot.leave(client.account.number, free_at_ns)
        self._broker.account.close_connection(client.account, self._clock.now())
        _LOG.info(
            "A client has left.",
            connection=client.account.number,
            close_code=code,
            records=client.account.records,
        )

    def _react(self, client: Client, reaction: Reaction) -> bool:
        """Sends an answer and does what it says; returns whether the connection stays open."""
        if reaction.reply:
            client.connection.hand_over([reaction.reply.encode()])
        if reaction.registered is not None:
            client.feed.add(reaction.registered, after_ns=self._clock.now_ns())
            self._delivery.wake()
        if reaction.released is not None:
            client.feed.remove(reaction.released)
        return not reaction.close

    async def _keep_alive(self, client: Client) -> None:
        while True:
            sent_at_ns = self._clock.monotonic_ns()
            await self._clock.sleep(self._settings.keep_alive_seconds)
            # At a high speed of the clock a client still gets a real second for its answer.
            rest_ns = NANOSECONDS - (self._clock.monotonic_ns() - sent_at_ns)
            if rest_ns > 0:
                await asyncio.sleep(rest_ns / NANOSECONDS)
            if client.session.unanswered >= _MISSED_KEEP_ALIVES:
                _LOG.warning("A client does not answer PINGPONG.", connection=client.account.number)
                client.connection.abort()
                return
            client.session.unanswered += 1
            client.connection.hand_over([messages.keep_alive(self._clock.now()).encode()])


def _listening(host: str, port: int) -> socket.socket:
    listener = socket.create_server((host, port))
    # Accepted sockets inherit the size.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
    return listener


async def _cancelled(task: asyncio.Task[None]) -> None:
    """Ends a task; an error that had ended it before is raised."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
