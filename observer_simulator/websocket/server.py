"""Accepts connections and leads their conversations.

Invariant: an answer is sent before the first frame of what it confirms; whatever way a connection
ends, its feed stops, its account is closed and its slot is freed by the rules of section 6.7.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request as WebsocketRequest
from websockets.http11 import Response

from observer_core.clock.base import NANOSECONDS
from observer_core.logs import logger
from observer_core.settings.brokers import KisEnvironment
from observer_simulator.broker import Broker
from observer_simulator.faults.damage import Damage, refusal_of
from observer_simulator.faults.model import Fault, Kind
from observer_simulator.faults.outbox import Outbox
from observer_simulator.websocket import messages
from observer_simulator.websocket.connection import BrokerConnection
from observer_simulator.websocket.delivery import Client, Delivery
from observer_simulator.websocket.feed import Feed
from observer_simulator.websocket.frames import PAPER_CHANNELS, Channel, Pair, Widths
from observer_simulator.websocket.session import Reaction, Session, Slots

_LOG = logger(__name__)

# Small buffers: a client that does not read is felt after some hundred frames, not after a day.
_SOCKET_BYTES = 64 * 1024
_WRITE_LIMIT = 64 * 1024
_MISSED_KEEP_ALIVES = 2
_ABNORMAL = 1006
# The broker closes after these (broker reference, 6.7).
_CLOSING = frozenset({"OPSP8996", "OPSP0011"})


class WebsocketSide:
    """The websocket server; an asynchronous context manager.

    Args:
        broker: The parts behind it.
    """

    def __init__(self, broker: Broker) -> None:
        self._settings = settings = broker.settings
        self._clock = broker.clock
        self._broker = broker
        self._slots = Slots()
        self._participant = broker.clock.participant("simulator")
        self._faults = broker.faults
        self._changed = asyncio.Event()
        self._delivery = Delivery(broker.clock, self._participant, broker.faults)
        self._stack = AsyncExitStack()
        self._server: Server | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._aborting: set[asyncio.Task[None]] = set()
        paper = settings.environment is KisEnvironment.PAPER
        self._channels = PAPER_CHANNELS if paper else frozenset(Channel)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.callback(self._participant.leave)
            for work in (self._delivery.run(), self._delivery.promise(), self._begin_faults()):
                self._tasks.append(asyncio.create_task(work))
                stack.push_async_callback(_cancelled, self._tasks[-1])
            self._server = await stack.enter_async_context(
                serve(
                    self._converse,
                    sock=_listening(self._settings.host, self._settings.websocket_port),
                    create_connection=BrokerConnection,
                    process_request=self._refuse_in_maintenance,
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

    @property
    def connections(self) -> int:
        """How many connections there are."""
        return len(self._delivery.clients)

    async def wait_failed(self) -> None:
        """Returns when the delivery has ended by an error, which leaving the context then raises."""
        await asyncio.wait(self._tasks, return_when=asyncio.FIRST_EXCEPTION)

    def add_fault(self, fault: Fault) -> None:
        """Takes a fault; one that begins now begins before this returns to its caller's caller."""
        self._faults.add(fault)
        self._changed.set()

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

    def half_open_all(self, until_ns: int) -> int:
        """Lets nothing pass on any connection until an instant, at which they break; returns how many."""
        clients = self._delivery.clients
        for client in clients:
            client.frozen = True
            self._delivery.leave(client)
            # Not even a close frame of the client is answered: the path is lost, not the other side.
            client.connection.transport.pause_reading()
            self._aborting.add(task := asyncio.create_task(self._abort_at(client, until_ns)))
            task.add_done_callback(self._aborting.discard)
        return len(clients)

    async def _abort_at(self, client: Client, instant_ns: int) -> None:
        await self._clock.sleep_until(instant_ns)
        client.connection.abort()

    async def _begin_faults(self) -> None:
        """Begins each fault at its instant, until cancelled."""
        while True:
            self._changed.clear()
            for fault in self._faults.due():
                await self._begin(fault)
            next_ns = self._faults.next_ns
            waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._changed.wait())]
            if next_ns is not None:
                waits.append(asyncio.ensure_future(self._clock.sleep_until(next_ns)))
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()

    async def _begin(self, fault: Fault) -> None:
        if fault.kind is Kind.CLOSE:
            await self.close_all()
        elif fault.kind in (Kind.ABORT, Kind.MAINTENANCE):
            self.abort_all()
        elif fault.kind is Kind.HALF_OPEN:
            self.half_open_all(fault.to_ns)
        _LOG.info("A fault has begun.", fault=fault.kind.value)

    def _refuse_in_maintenance(self, connection: ServerConnection, _: WebsocketRequest) -> Response | None:
        if any(self._faults.active(Kind.MAINTENANCE)):
            return connection.respond(503, "maintenance")
        return None

    async def _converse(self, connection: ServerConnection) -> None:
        assert isinstance(connection, BrokerConnection), "the server creates no other"
        client = self._admit(connection)
        connection.on_pong = client.session.receive_echo
        keep_alive = asyncio.create_task(self._keep_alive(client))
        try:
            async for message in connection:
                text = message if isinstance(message, str) else message.decode(errors="replace")
                if not self._react(client, self._reaction(client, text)):
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
            slots=self._slots,
            credentials=self._broker.credentials,
            channels=self._channels,
            seed=self._settings.seed,
            now_ns=self._clock.now_ns,
        )
        widths = Widths(self._settings.trade_width, self._settings.book_width)
        feed, damage = Feed(self._broker.market, widths), Damage(self._faults)
        client = Client(connection, session, feed, account, damage, Outbox(self._faults))
        self._delivery.join(client)
        _LOG.info("A client has connected.", connection=account.number)
        return client

    def _dismiss(self, client: Client) -> None:
        self._delivery.leave(client)
        code = client.connection.close_code
        lingering = self._settings.lingering_slot_seconds if code == _ABNORMAL else 0.0
        free_at_ns = self._clock.now_ns() + int(lingering * NANOSECONDS)
        self._slots.leave(client.account.number, free_at_ns)
        self._broker.account.close_connection(client.account, self._clock.now())
        _LOG.info(
            "A client has left.",
            connection=client.account.number,
            close_code=code,
            records=client.account.records,
        )

    def _reaction(self, client: Client, text: str) -> Reaction:
        """Returns what a message leads to, faults included."""
        request = messages.read_request(text)
        if isinstance(request, messages.Outcome) or messages.is_keep_alive(text):
            return client.session.receive(text)
        where = {"channel": request.channel, "symbol": request.key}
        if self._is_outside(client, request) and self._faults.strikes(Kind.IN_USE, **where):
            return Reaction(messages.failure(request, messages.Outcome.IN_USE), close=True)
        if request.type == messages.REGISTER:
            refused = self._faults.strikes(Kind.REFUSE, **where)
            if refused is not None:
                code = refusal_of(refused)
                return Reaction(messages.refusal(request, code), close=code in _CLOSING)
        reaction = client.session.receive(text)
        if request.type == messages.REGISTER and request.channel in self._channels:
            client.damage.registered(Pair(Channel(request.channel), request.key))
        if self._faults.strikes(Kind.DEAF, **where):
            reaction = replace(reaction, reply="")
        return reaction

    def _is_outside(self, client: Client, request: messages.Request) -> bool:
        """Returns whether a client asks for the first app key's session and does not hold it."""
        desk = self._broker.credentials
        asks = desk.approved(request.approval_key, self._clock.now_ns()) == desk.app_key
        return asks and not self._slots.holds(client.account.number)

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
            if not client.frozen and client.session.unanswered >= _MISSED_KEEP_ALIVES:
                _LOG.warning("A client does not answer PINGPONG.", connection=client.account.number)
                client.connection.abort()
                return
            if client.frozen or any(self._faults.active(Kind.MUTE)):
                continue
            client.session.unanswered += 1
            skew = sum(fault.seconds_off for fault in self._faults.active(Kind.CLOCK_SKEW))
            told = self._clock.now() + timedelta(seconds=skew)
            client.connection.hand_over([messages.keep_alive(told).encode()])


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
