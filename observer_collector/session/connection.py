"""The socket: the session's conversation, held with the real broker.

Invariant: a received message is stamped before anything else is done with it, and everything that is
buffered is taken in one wake-up; a lost connection is followed by another attempt, for ever, after a
pause in real time. What the broker sent before a close is journaled before the close is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import StrEnum

from pydantic import SecretStr
from websockets.exceptions import ConnectionClosed

from observer_collector.market_hours import MarketHours
from observer_collector.moments import Moment
from observer_collector.promise import Promise
from observer_collector.recording.recorder import Recorder
from observer_collector.session.backoff import Backoff
from observer_collector.session.broker_socket import BrokerSocket, open_socket
from observer_collector.session.commands import Command, Echo, End, EndCause, Note, Outage, Register, Release
from observer_collector.session.connect_budget import ConnectBudget
from observer_collector.session.keys import AppKeys
from observer_collector.session.session import Session
from observer_collector.slots.registrations import Pair
from observer_core.brokers.kis.frames import register, release
from observer_core.clock import Clock, kst_datetime
from observer_core.errors import (
    BrokerCredentialError,
    BrokerRequestError,
    ExternalError,
    ObserverError,
    StorageError,
)
from observer_core.journal import ControlKind, JournalWriter
from observer_core.logs import logger, redact

_TICK_SECONDS, _VIRTUAL_TICK_SECONDS = 0.05, 0.002
_DISK_POLL_SECONDS = 0.05
_BUDGET_POLL_SECONDS = 1.0

_log = logger(__name__)


class ConnectionState(StrEnum):
    """What the connection is doing."""

    IDLE = "idle"
    CONNECTING = "connecting"
    OVER_BUDGET = "over_budget"
    OPEN = "open"
    PAUSING = "pausing"
    STOPPED = "stopped"


class BrokerConnection:
    """The one connection of an app key.

    Args:
        url: Address of the websocket.
        limit: Registrations that the broker allows.
        keys: The app keys, and which one is used.
        recorder: Takes every message.
        writer: Says when intake has to wait for the disk.
        hours: The market's hours.
        backoff: The pauses between attempts.
        promise: Stands still while a connection is made.
        clock: The process's clock.
    """

    def __init__(
        self,
        url: str,
        *,
        limit: int,
        keys: AppKeys,
        recorder: Recorder,
        writer: JournalWriter,
        hours: MarketHours,
        backoff: Backoff,
        promise: Promise,
        clock: Clock,
    ) -> None:
        self._url = url
        self._limit = limit
        self.keys = keys
        self._recorder = recorder
        self._writer = writer
        self._hours = hours
        self._backoff = backoff
        self._promise = promise
        self._clock = clock
        self._outages: dict[Pair, Outage] = {}
        self._starvations = 0
        self._plan: tuple[Pair, ...] = ()
        self._planned = asyncio.Event()
        self._stop = asyncio.Event()
        self._socket: BrokerSocket | None = None
        self.session: Session | None = None
        self.state = ConnectionState.IDLE
        self.problem: str | None = None
        self.refused = False
        self.opened = 0
        self.opened_at: Moment | None = None
        self.waiting_for_disk = False

    @property
    def budget(self) -> ConnectBudget:
        """The attempts of the last hour with the app key in use."""
        return self.keys.current.budget

    def replan(self, plan: Sequence[Pair], outages: Mapping[Pair, Outage] | None = None) -> None:
        """Changes what is registered; the connection stays.

        Args:
            plan: The pairs, most wanted first.
            outages: Pairs that an earlier process covered, with the first plan.
        """
        self._plan = tuple(plan)
        self._outages |= outages or {}
        if self.session is not None:
            self.session.replan(self._plan, Moment.now(self._clock))
        if self._plan:
            self._planned.set()

    async def run(self) -> None:
        """Keeps a connection until `stop`."""
        await self._planned.wait()
        while not self._stop.is_set():
            await self._wait_for_budget()
            self.state = ConnectionState.CONNECTING
            pause = await self._attempt()
            self.state = ConnectionState.PAUSING
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pause)
        self.state = ConnectionState.STOPPED

    async def stop(self, *, patience_seconds: float) -> None:
        """Closes the connection; `run` ends once everything received is journaled.

        Args:
            patience_seconds: Real time that the broker has to answer; then the line is cut.
        """
        self._stop.set()
        # Without a plan there is nothing to connect for, and nothing to wait for now.
        self._planned.set()
        socket = self._socket
        if socket is None:
            return
        try:
            async with asyncio.timeout(patience_seconds):
                await socket.close(reason="stopping")
        except TimeoutError:
            # A line on which nothing passes any more, in either direction.
            socket.transport.abort()

    async def _wait_for_budget(self) -> None:
        """Returns once another attempt is allowed, or at a stop."""
        told = False
        while (free_at_ns := self.budget.free_at_ns()) and not self._stop.is_set():
            self.state = ConnectionState.OVER_BUDGET
            at = kst_datetime(free_at_ns).isoformat(timespec="seconds")
            self.problem = f"all {self.budget.per_hour} connects of the hour are used; the next is at {at}"
            if not told:
                _log.error("No connection is attempted: the budget is used up.", next_attempt=at)
            told = True
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), _BUDGET_POLL_SECONDS)

    async def _attempt(self) -> float:
        """Makes one connection and holds it to its end; returns the seconds to wait before the next."""
        used = self.keys.current
        try:
            with self._promise.busy():
                key = await used.approval_key()
                self.budget.spend()
                socket = await open_socket(self._url)
        except (ExternalError, StorageError) as error:
            return self._not_opened(error)
        await self._recorder.begin_epoch()
        cause = await self._hold(socket, key)
        if cause is EndCause.CREDENTIAL and self._backoff.may_renew():
            used.refuse(key)
            return self._backoff.lost()
        # Another key has a session of its own: there is nothing to wait for.
        return 0.0 if self.keys.ended(cause) else self._backoff.after(cause)

    def _not_opened(self, error: ObserverError) -> float:
        self.keys.ended(EndCause.LOST)
        self.problem = str(error)
        self.refused = isinstance(error, BrokerCredentialError | BrokerRequestError)
        pause = self._backoff.refused() if self.refused else self._backoff.lost()
        _log.warning("No connection to the broker.", error=str(error), next_attempt_seconds=round(pause, 1))
        return pause

    async def _hold(self, socket: BrokerSocket, key: SecretStr) -> EndCause:
        """Holds the conversation until the connection has ended; returns why it has."""
        self.opened_at = opened = Moment.now(self._clock)
        session = Session(
            self._plan,
            limit=self._limit,
            now=opened,
            outages=self._outages,
            hours=self._hours,
            records=self._recorder.flows.records,
            starvations=self._starvations,
        )
        self._socket, self.session, self.state = socket, session, ConnectionState.OPEN
        self._backoff.opened()
        self.opened += 1
        registrations, role = len(self._plan), self.keys.current.name
        self._recorder.control(ControlKind.CONNECT, {"registrations": registrations, "key": role})
        # A field named "key" is hidden in the log.
        _log.info(
            "Connected to the broker.",
            epoch=self._recorder.epoch,
            registrations=registrations,
            app_key_role=role,
        )
        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(self._tick(session, socket, key))
            await self._receive(session, socket, key)
            ticking.cancel()
        cause = EndCause.STOPPED if self._stop.is_set() else session.end_cause or EndCause.LOST
        self._ended(session, socket, cause)
        return cause

    def _ended(self, session: Session, socket: BrokerSocket, cause: EndCause) -> None:
        details = {
            "cause": cause.value,
            "code": socket.close_code,
            "reason": redact(socket.close_reason or ""),
        }
        self._recorder.control(ControlKind.DISCONNECT, details)
        self._outages, self._starvations = session.outages(cause.value), session.starvations
        self._socket, self.session = None, None
        if session.external is not None:
            self.problem, self.refused = session.external, True
        elif cause is not EndCause.STOPPED:
            self.problem, self.refused = (
                f"The connection ended: {cause.value}, code {socket.close_code}",
                False,
            )
        _log.info("Connection ended.", epoch=self._recorder.epoch, **details)

    async def _receive(self, session: Session, socket: BrokerSocket, key: SecretStr) -> None:
        """Takes messages until the connection has ended and its last message is taken."""
        while messages := await socket.messages():
            if self._writer.blocked:
                await self._wait_for_disk()
            for taken in self._recorder.take(messages):
                if taken is None:
                    await asyncio.sleep(0)
                else:
                    await self._perform(session.received(*taken), socket, key)
                # Only here others have had their turn, and the journal can have become so.
                if self._writer.blocked:
                    await self._wait_for_disk()

    async def _tick(self, session: Session, socket: BrokerSocket, key: SecretStr) -> None:
        heard = self._recorder.messages
        while True:
            now = Moment.now(self._clock)
            if self._recorder.messages != heard or self.waiting_for_disk:
                heard = self._recorder.messages
                session.heard(now)
            if self._recorder.flows.any:
                self._backoff.data_flow(now)
            if session.confirmed_any:
                self.problem, self.refused = None, False
            self._recorder.flows.sample(now.clock_ns)
            await self._perform(session.tick(now), socket, key)
            for one in session.news():
                (_log.warning if one.warning else _log.info)(
                    one.text, epoch=self._recorder.epoch, **one.details
                )
            # At several hundred times the speed, the pace of registrations is below a millisecond.
            fast = self._clock.is_virtual and session.has_unsent
            await asyncio.sleep(_VIRTUAL_TICK_SECONDS if fast else _TICK_SECONDS)

    async def _perform(self, commands: Sequence[Command], socket: BrokerSocket, key: SecretStr) -> None:
        for command in commands:
            # A send on a closed connection is no news: the receiver learns of it.
            with suppress(ConnectionClosed):
                match command:
                    case Note(kind, payload):
                        self._recorder.control(kind, payload)
                    case Register(pair):
                        await socket.send(register(key, pair.channel, pair.symbol))
                    case Release(pair):
                        await socket.send(release(key, pair.channel, pair.symbol))
                    case Echo(text):
                        await socket.echo(text)
                    case End(cause):
                        await socket.close(reason=cause.value)

    async def _wait_for_disk(self) -> None:
        """Leaves messages in the socket while the journal takes none."""
        self.waiting_for_disk = True
        _log.error("Intake waits for the disk.", error=str(self._writer.error or self._writer.state))
        while self._writer.blocked and not self._stop.is_set():
            await asyncio.sleep(_DISK_POLL_SECONDS)
        self.waiting_for_disk = False
        _log.info("Intake goes on.")
