"""One client's session as a conversation: a message in, an answer out; no socket and no clock.

Invariant: an app key has at most one session and a session at most 41 registrations; a pair counts
once whatever the client repeats (broker reference, 6.7).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from observer_simulator.credentials import Credentials
from observer_simulator.market.seeds import digest
from observer_simulator.websocket.frames import Channel, Pair
from observer_simulator.websocket.messages import (
    REGISTER,
    RELEASE,
    Outcome,
    Request,
    failure,
    is_keep_alive,
    read_request,
    success,
)

MAXIMUM_REGISTRATIONS = 41

_CUSTOMER_TYPES = frozenset({"P", "B"})


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a message leads to.

    Attributes:
        reply: Text to send first, empty for none.
        registered: Pair whose frames begin after the reply.
        released: Pair whose frames end.
        close: Whether the server closes the connection after the reply.
    """

    reply: str = ""
    registered: Pair | None = None
    released: Pair | None = None
    close: bool = False


@dataclass(slots=True)
class Slot:
    """The one session of an app key.

    Attributes:
        holder: Number of the connection that holds it, None where it is free.
        free_at_ns: Instant from which a lingering slot is free again.
    """

    holder: int | None = None
    free_at_ns: int = 0

    def take(self, connection: int, now_ns: int) -> bool:
        """Gives the slot to a connection; returns whether it holds it now."""
        if self.holder is None and now_ns >= self.free_at_ns:
            self.holder = connection
        return self.holder == connection

    def leave(self, connection: int, free_at_ns: int) -> None:
        """Frees the slot from an instant on, where the connection holds it."""
        if self.holder == connection:
            self.holder = None
            self.free_at_ns = free_at_ns


class Slots:
    """The sessions of all app keys."""

    def __init__(self) -> None:
        self._slots: dict[str, Slot] = {}

    def of(self, app_key: str) -> Slot:
        """Returns the slot of an app key."""
        return self._slots.setdefault(app_key, Slot())

    def holds(self, connection: int) -> bool:
        """Returns whether a connection holds a slot."""
        return any(slot.holder == connection for slot in self._slots.values())

    def leave(self, connection: int, free_at_ns: int) -> None:
        """Frees the slot that a connection holds from an instant on."""
        for slot in self._slots.values():
            slot.leave(connection, free_at_ns)


@dataclass(slots=True)
class Session:
    """The registrations of one connection.

    Attributes:
        connection: Number of the connection.
        slots: The slots of the app keys.
        credentials: Who checks approval keys.
        channels: The channels that the environment serves.
        seed: Seed of the keys in acknowledgements.
        now_ns: The clock.
    """

    connection: int
    slots: Slots
    credentials: Credentials
    channels: frozenset[Channel]
    seed: int
    now_ns: Callable[[], int]
    pairs: set[Pair] = field(default_factory=set)
    unanswered: int = 0

    def receive(self, text: str) -> Reaction:
        """Returns what a message of the client leads to."""
        if is_keep_alive(text):
            self.unanswered = 0
            return Reaction()
        request = read_request(text)
        if isinstance(request, Outcome):
            return Reaction(failure(None, request))
        now_ns = self.now_ns()
        app_key = self.credentials.approved(request.approval_key, now_ns)
        if app_key is None:
            return Reaction(failure(request, Outcome.BAD_APPROVAL), close=True)
        if not self.slots.of(app_key).take(self.connection, now_ns):
            return Reaction(failure(request, Outcome.IN_USE), close=True)
        return self._handle(request)

    def receive_echo(self, text: str) -> None:
        """Takes the text of a pong frame, which counts as an answer to PINGPONG."""
        if is_keep_alive(text):
            self.unanswered = 0

    def _handle(self, request: Request) -> Reaction:
        if request.customer_type not in _CUSTOMER_TYPES:
            return Reaction(failure(request, Outcome.BAD_CUSTOMER_TYPE))
        if request.channel not in self.channels:
            return Reaction(failure(request, Outcome.BAD_CHANNEL))
        if not request.key:
            return Reaction(failure(request, Outcome.NO_KEY))
        pair = Pair(Channel(request.channel), request.key)
        if request.type == REGISTER:
            return self._register(request, pair)
        if request.type == RELEASE:
            return self._release(request, pair)
        return Reaction(failure(request, Outcome.BAD_TYPE))

    def _register(self, request: Request, pair: Pair) -> Reaction:
        if pair in self.pairs:
            return Reaction(failure(request, Outcome.ALREADY_REGISTERED))
        if len(self.pairs) >= MAXIMUM_REGISTRATIONS:
            return Reaction(failure(request, Outcome.TOO_MANY))
        self.pairs.add(pair)
        return Reaction(self._success(request, Outcome.REGISTERED), registered=pair)

    def _release(self, request: Request, pair: Pair) -> Reaction:
        if pair not in self.pairs:
            return Reaction(failure(request, Outcome.NOT_REGISTERED))
        self.pairs.remove(pair)
        return Reaction(self._success(request, Outcome.RELEASED), released=pair)

    def _success(self, request: Request, outcome: Outcome) -> str:
        """The iv has 16 characters and the key 32, one pair for each connection."""
        names = digest(self.seed, "iv", self.connection), digest(self.seed, "key", self.connection)
        return success(request, outcome, iv=names[0].hex()[:16], key=names[1].hex())
