"""One connection to the broker, as a conversation: what happened goes in, what to do comes out.

Invariant: nothing here waits or sends. The session keeps apart what is wanted, what was sent, what
the broker confirmed and what delivers; a registration counts only when the broker confirmed it, and
data alone shows that it delivers (broker reference, 6.4 and 6.7).

    WANTED ──register──▶ SENT ──OPSP0000/0002──▶ CONFIRMED ──not in the plan──▶ UNWANTED
      ▲                   │ ▲ no answer: again        │ silent in the session: once again
      │                   │ └──────────────────       └──────────▶ WANTED
      │                   └──refusal──▶ REFUSED        UNWANTED ──release──▶ RELEASING ──▶ gone
      └── passing fault, later ────────────┘
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from observer_collector.commands import Command, Echo, End, EndCause, Note, Outage, Register, Release
from observer_collector.market_hours import MarketHours
from observer_collector.moments import Moment, Patience
from observer_collector.slots import Pair
from observer_core.brokers.kis.codes import ReplyPolicy
from observer_core.brokers.kis.frames import Acknowledgement, KeepAlive, Refusal
from observer_core.journal import ControlKind

# Working clients use 0.05 to 0.5 s between two registrations; the limit is not published (6.7).
PACE_NS = 100_000_000
# The broker's PINGPONG comes about every 110 s, so two minutes without any message are a dead line.
SILENCE = Patience(120, 15)
_ANSWER = Patience(30, 5)
_DATA = Patience(60, 3)
_LONGEST_STRETCH = 16


class SlotState(StrEnum):
    """How far a registration has come."""

    WANTED = "wanted"
    SENT = "sent"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    UNWANTED = "unwanted"
    RELEASING = "releasing"


# The broker counts these against its limit, as far as we can know.
_HELD = frozenset({SlotState.SENT, SlotState.CONFIRMED, SlotState.UNWANTED, SlotState.RELEASING})


@dataclass(slots=True)
class Slot:
    """One registration.

    Attributes:
        pair: Channel and symbol.
        state: How far it has come.
        since: When it came there.
        reason: The broker's code where it refused.
        retry: Whether a refused slot is tried again.
        attempts: How often it was sent without success.
        revived: Whether it was registered again because it stayed silent.
        covered: Whether the broker has confirmed it on this connection.
    """

    pair: Pair
    state: SlotState
    since: Moment
    reason: str = ""
    retry: bool = False
    attempts: int = 0
    revived: bool = False
    covered: bool = False

    def enter(self, state: SlotState, now: Moment) -> None:
        """Moves on."""
        self.state, self.since = state, now


class Session:
    """The state of one connection.

    Args:
        plan: Pairs to hold, most wanted first.
        limit: Registrations that the broker allows.
        now: The instant of the opening.
        outages: Pairs that an earlier connection covered, for the gaps that end here.
        hours: When data may come.
        delivers: Returns whether data of a pair came on this connection.
    """

    def __init__(
        self,
        plan: Sequence[Pair],
        *,
        limit: int,
        now: Moment,
        outages: Mapping[Pair, Outage],
        hours: MarketHours,
        delivers: Callable[[Pair], bool],
    ) -> None:
        self._limit = limit
        self._outages = dict(outages)
        self._hours = hours
        self._delivers = delivers
        self._wanted = dict.fromkeys(plan)
        self.slots = {pair: Slot(pair, SlotState.WANTED, now) for pair in plan}
        self._next_send = now
        self._heard = now
        self._expecting_since: Moment | None = None
        self.end_cause: EndCause | None = None
        self.external: str | None = None

    def heard(self, moment: Moment) -> None:
        """States that a message came, of whatever kind."""
        self._heard = moment

    @property
    def confirmed_any(self) -> bool:
        """Whether the broker has accepted a registration on this connection."""
        return any(slot.state is SlotState.CONFIRMED for slot in self.slots.values())

    @property
    def has_unsent(self) -> bool:
        """Whether a registration or a release waits for its turn."""
        unsent = (SlotState.WANTED, SlotState.UNWANTED)
        return any(slot.state in unsent for slot in self.slots.values())

    def received(self, message: Acknowledgement | Refusal | KeepAlive, now: Moment) -> list[Command]:
        """Takes a control message of the broker."""
        if isinstance(message, KeepAlive):
            return [Echo(message.text)]
        if isinstance(message, Acknowledgement):
            return self._acknowledged(message, now)
        return self._refused(message, now)

    def replan(self, plan: Sequence[Pair], now: Moment) -> None:
        """Changes what is wanted; `tick` then releases and registers at its pace."""
        self._wanted = dict.fromkeys(plan)
        for pair, slot in list(self.slots.items()):
            if pair in self._wanted:
                if slot.state is SlotState.UNWANTED:
                    slot.enter(SlotState.CONFIRMED, now)
            elif slot.state in (SlotState.WANTED, SlotState.REFUSED):
                del self.slots[pair]
            elif slot.state is not SlotState.RELEASING:
                slot.enter(SlotState.UNWANTED, now)
        self._outages = {pair: outage for pair, outage in self._outages.items() if pair in self._wanted}
        for pair in plan:
            self.slots.setdefault(pair, Slot(pair, SlotState.WANTED, now))

    def tick(self, now: Moment) -> list[Command]:
        """Lets time pass."""
        if self.end_cause is not None:
            return []
        if SILENCE.exhausted(self._heard, now):
            return self._end(EndCause.SILENT)
        if not self._hours.phase(now.clock_ns).delivers_trades:
            self._expecting_since = None
        elif self._expecting_since is None:
            self._expecting_since = now
        for slot in list(self.slots.values()):
            self._wait(slot, now)
        # Whichever clock says so first: a local stack that continues stands still until all is registered.
        if now.clock_ns < self._next_send.clock_ns and now.real_ns < self._next_send.real_ns:
            return []
        return self._send_next(now)

    def outages(self, cause: str) -> dict[Pair, Outage]:
        """Returns the outages that begin with this connection's end, and those that it did not end."""
        return {
            pair: self._outages.get(pair) or Outage(self._heard.clock_ns, cause)
            for pair, slot in self.slots.items()
            if slot.covered or pair in self._outages
        }

    def _wait(self, slot: Slot, now: Moment) -> None:
        """Moves a slot on whose time has come."""
        stretch = min(2**slot.attempts, _LONGEST_STRETCH)
        if (slot.state is SlotState.SENT and _ANSWER.exhausted(slot.since, now, times=stretch)) or (
            slot.state is SlotState.REFUSED
            and slot.retry
            and _ANSWER.exhausted(slot.since, now, times=stretch)
        ):
            slot.attempts += 1
            slot.enter(SlotState.WANTED, now)
        elif slot.state is SlotState.RELEASING and _ANSWER.exhausted(slot.since, now):
            self._gone(slot, now)
        elif slot.state is SlotState.CONFIRMED and not slot.revived and self._expecting_since is not None:
            waited = _DATA.exhausted(max(slot.since, self._expecting_since), now)
            if waited and not self._delivers(slot.pair):
                slot.revived = True
                slot.enter(SlotState.WANTED, now)

    def _send_next(self, now: Moment) -> list[Command]:
        chosen = next((slot for slot in self.slots.values() if slot.state is SlotState.UNWANTED), None)
        if chosen is not None:
            chosen.enter(SlotState.RELEASING, now)
            return self._sent(now, Release(chosen.pair), "release", chosen)
        held = sum(slot.state in _HELD for slot in self.slots.values())
        chosen = next((slot for slot in self.slots.values() if slot.state is SlotState.WANTED), None)
        if chosen is None or held >= self._limit:
            return []
        chosen.enter(SlotState.SENT, now)
        return self._sent(now, Register(chosen.pair), "register", chosen)

    def _sent(self, now: Moment, command: Command, action: str, slot: Slot) -> list[Command]:
        self._next_send = Moment(now.clock_ns + PACE_NS, now.real_ns + PACE_NS)
        payload = {"channel": slot.pair.channel, "symbol": slot.pair.symbol, "action": action}
        return [Note(ControlKind.SUBSCRIBE, payload), command]

    def _acknowledged(self, message: Acknowledgement, now: Moment) -> list[Command]:
        pair = Pair(message.channel, message.key)
        note = Note(
            ControlKind.ACKNOWLEDGE,
            {
                "channel": pair.channel,
                "symbol": pair.symbol,
                "action": "release" if message.released else "register",
                "code": message.code,
                "message": message.message,
            },
        )
        slot = self.slots.get(pair)
        if slot is None:
            return [note]
        if message.released:
            if slot.state is SlotState.RELEASING:
                self._gone(slot, now)
            return [note]
        return [note, *self._confirm(slot, now)]

    def _confirm(self, slot: Slot, now: Moment) -> list[Command]:
        # An answer to an earlier registration may arrive after the release was sent.
        if slot.state not in (SlotState.SENT, SlotState.WANTED, SlotState.REFUSED):
            return []
        slot.reason, slot.attempts, slot.covered = "", 0, True
        slot.enter(SlotState.CONFIRMED, now)
        outage = self._outages.pop(slot.pair, None)
        if outage is None or not self._hours.had_data(outage.since_ns, now.clock_ns):
            return []
        gap = {
            "channel": slot.pair.channel,
            "symbol": slot.pair.symbol,
            "last_good_ns": outage.since_ns,
            "first_seen_ns": now.clock_ns,
            "cause": outage.cause,
            "phase": self._hours.phase(now.clock_ns).value,
        }
        return [Note(ControlKind.GAP, gap)]

    def _refused(self, message: Refusal, now: Moment) -> list[Command]:
        pair, policy = Pair(message.channel, message.key), message.policy
        note = Note(
            ControlKind.REFUSE,
            {
                "channel": pair.channel,
                "symbol": pair.symbol,
                "code": message.code,
                "message": message.message,
                "policy": policy.value,
            },
        )
        if policy in (ReplyPolicy.ALREADY_IN_USE, ReplyPolicy.CREDENTIAL):
            self.external = f"The broker refused the session: {message.code} {message.message}"
            in_use = policy is ReplyPolicy.ALREADY_IN_USE
            return [note, *self._end(EndCause.IN_USE if in_use else EndCause.CREDENTIAL)]
        slot = self.slots.get(pair)
        if slot is None:
            return [note]
        if policy is ReplyPolicy.ALREADY_ACTIVE:
            return [note, *self._confirm(slot, now)]
        if slot.state is SlotState.RELEASING:
            self._gone(slot, now)
        elif policy is not ReplyPolicy.NOT_FOUND:
            slot.reason, slot.retry = message.code, policy is ReplyPolicy.RETRY_LATER
            slot.enter(SlotState.REFUSED, now)
        return [note]

    def _gone(self, slot: Slot, now: Moment) -> None:
        del self.slots[slot.pair]
        if slot.pair in self._wanted:
            self.slots[slot.pair] = Slot(slot.pair, SlotState.WANTED, now)

    def _end(self, cause: EndCause) -> list[Command]:
        self.end_cause = cause
        return [End(cause)]
