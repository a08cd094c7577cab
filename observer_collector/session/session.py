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

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from observer_collector.market_hours import MarketHours
from observer_collector.moments import Moment, Patience
from observer_collector.session.capacity import Capacity
from observer_collector.session.commands import (
    Command,
    Echo,
    End,
    EndCause,
    News,
    Note,
    Outage,
    Register,
    Release,
)
from observer_collector.session.slot import Slot, SlotState
from observer_collector.session.watch import DataWatch, Delivery
from observer_collector.slots.registrations import Pair
from observer_core.brokers.kis.codes import ReplyPolicy
from observer_core.brokers.kis.frames import Acknowledgement, KeepAlive, Refusal
from observer_core.journal import ControlKind

# Working clients use 0.05 to 0.5 s between two registrations; the limit is not published (6.7).
PACE_NS = 100_000_000
# The broker's PINGPONG comes about every 110 s, so two minutes without any message are a dead line.
SILENCE = Patience(120, 15)
_ANSWER = Patience(30, 5)
# A new connection registers 41 pairs in about four seconds.
_SETTLED = Patience(30, 5)
_LONGEST_STRETCH = 16
# The broker documents about thirty codes; who invents them must fill neither memory nor log.
_MOST_CODES = 100
# A release that nobody answers is sent once more; then the place counts as free.
_RELEASES = 2


class Session:
    """The state of one connection.

    Args:
        plan: Pairs to hold, most wanted first.
        limit: Registrations that the broker allows.
        now: The instant of the opening.
        outages: Pairs that an earlier connection covered, for the gaps that end here.
        hours: When data may come.
        records: Returns how many records of a pair came on this connection.
        starvations: Connections before this one that delivered nothing, in a row.
    """

    def __init__(
        self,
        plan: Sequence[Pair],
        *,
        limit: int,
        now: Moment,
        outages: Mapping[Pair, Outage],
        hours: MarketHours,
        records: Callable[[Pair], int],
        starvations: int = 0,
    ) -> None:
        self._capacity = Capacity(limit)
        self._outages = dict(outages)
        self._hours = hours
        self._watch = DataWatch(hours, records, starvations)
        self._starvations = starvations
        self._news: list[News] = []
        self._told_codes: set[str] = set()
        self._opened: Moment | None = now
        self.short_since: Moment | None = None
        self._wanted = dict.fromkeys(plan)
        self.slots = {pair: Slot(pair, SlotState.WANTED, now) for pair in plan}
        self._next_send = now
        self._heard = now
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

    @property
    def held(self) -> int:
        """Registrations that the broker counts against its limit, as far as we can know."""
        return sum(slot.held for slot in self.slots.values())

    @property
    def capacity(self) -> int:
        """Registrations that may be held: the limit, or fewer where the broker has said so (OPSP0008)."""
        return self._capacity.limit

    @property
    def wanted(self) -> int:
        """Registrations of the plan."""
        return len(self._wanted)

    @property
    def starvations(self) -> int:
        """Connections that delivered nothing in a row, once this one has ended."""
        if self.end_cause is not EndCause.STARVED:
            return 0
        return 1 if self._watch.last_flowed else self._starvations + 1

    def delivers(self, pair: Pair, now: Moment) -> bool:
        """Returns whether records of a registration come: lately, where the phase promises any."""
        return self._watch.delivers(pair, now)

    def delivery(self, now: Moment) -> Delivery:
        """Returns what the registrations deliver from which data are due."""
        return self._watch.delivery(self.slots.values(), now)

    def news(self) -> list[News]:
        """Returns what happened since the last call, for the log."""
        news, self._news = self._news, []
        return news

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
                    # Where it was never confirmed, it is asked for again: OPSP0002 says that it stands.
                    slot.standing = slot.covered is None
                    slot.enter(SlotState.WANTED if slot.standing else SlotState.CONFIRMED, now)
            elif slot.state in (SlotState.WANTED, SlotState.REFUSED) and not slot.may_stand:
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
        self._watch.look(self.slots.values(), now)
        if self._watch.starved(self.slots.values(), now):
            return self._end(EndCause.STARVED)
        revivals = sum(slot.revivals for slot in self.slots.values())
        for slot in list(self.slots.values()):
            self._wait(slot, now)
        if revived := sum(slot.revivals for slot in self.slots.values()) - revivals:
            self._tell("Silent registrations are made again.", registrations=revived, warning=True)
        self._probe(now)
        self._settle(now)
        # Whichever clock says so first: a local stack that continues stands still until all is registered.
        if now.clock_ns < self._next_send.clock_ns and now.real_ns < self._next_send.real_ns:
            return []
        return self._send_next(now)

    def outages(self, cause: str) -> dict[Pair, Outage]:
        """Returns the outages that begin with this connection's end, and those that it did not end."""
        return {
            pair: self._outages.get(pair) or Outage(self._heard.clock_ns, cause)
            for pair, slot in self.slots.items()
            if slot.covered is not None or pair in self._outages
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
            slot.attempts += 1
            if slot.attempts < _RELEASES:
                slot.enter(SlotState.UNWANTED, now)
            else:
                self._gone(slot, now)
        elif slot.state is SlotState.CONFIRMED and self._watch.to_revive(slot, now):
            # First without a release, which would lose what comes in between where nothing is wrong.
            slot.standing = not slot.revivals
            slot.enter(SlotState.WANTED if slot.standing else SlotState.UNWANTED, now)
            slot.revivals += 1

    def _send_next(self, now: Moment) -> list[Command]:
        chosen = next((slot for slot in self.slots.values() if slot.state is SlotState.UNWANTED), None)
        if chosen is not None:
            chosen.enter(SlotState.RELEASING, now)
            return self._sent(now, Release(chosen.pair), "release", chosen)
        chosen = next((slot for slot in self.slots.values() if slot.state is SlotState.WANTED), None)
        if chosen is None or (self.held >= self.capacity and not chosen.standing):
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
        slot.reason, slot.attempts, slot.standing = "", 0, False
        slot.covered = slot.covered or now
        slot.enter(SlotState.CONFIRMED, now)
        if self._capacity.confirmed(self.held):
            self._tell("The broker takes registrations again.", capacity=self.capacity)
            for one in self.slots.values():
                if one.state is SlotState.REFUSED and one.full:
                    one.enter(SlotState.WANTED, now)
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
            if policy is not ReplyPolicy.RETRY_LATER:
                self._gone(slot, now)
        elif policy is not ReplyPolicy.NOT_FOUND and slot.state is not SlotState.UNWANTED:
            slot.reason, slot.retry = message.code, policy is ReplyPolicy.RETRY_LATER
            slot.standing, slot.full = False, policy is ReplyPolicy.PLANNING_FAULT
            slot.enter(SlotState.REFUSED, now)
            self._tell_refusal(message)
            if policy is ReplyPolicy.PLANNING_FAULT:
                # Somebody else uses the rest of the limit, or the broker still counts a session that died.
                self._capacity.refused(message.code, self.held, now)
        return [note]

    def _tell_refusal(self, message: Refusal) -> None:
        """Tells the first refusal of each code, up to a number of codes; the journal has all of them."""
        if message.code in self._told_codes or len(self._told_codes) > _MOST_CODES:
            return
        self._told_codes.add(message.code)
        if len(self._told_codes) > _MOST_CODES:
            self._tell("Refusals with yet other codes are not told.", codes=_MOST_CODES, warning=True)
            return
        self._tell(
            "The broker refuses a registration.",
            code=message.code,
            message=message.message,
            channel=message.channel,
            symbol=message.key,
            policy=message.policy.value,
            confirmed=self._confirmed,
            wanted=self.wanted,
            warning=True,
        )

    def _tell(self, text: str, *, warning: bool = False, **details: Any) -> None:
        self._news.append(News(text, details, warning))

    @property
    def _confirmed(self) -> int:
        return sum(slot.state is SlotState.CONFIRMED for slot in self.slots.values())

    def _probe(self, now: Moment) -> None:
        """Asks a broker that was full for one registration more, once it is time."""
        full = [slot for slot in self.slots.values() if slot.state is SlotState.REFUSED and slot.full]
        wanted = any(slot.state is SlotState.WANTED for slot in self.slots.values())
        if (full or wanted) and self._capacity.probe(self.held, now) and full and not wanted:
            full[0].enter(SlotState.WANTED, now)

    def _settle(self, now: Moment) -> None:
        """Watches how much of the plan the broker has confirmed, and tells it once."""
        confirmed = self._confirmed
        if 2 * confirmed >= self.wanted:
            self.short_since = None
        elif self.short_since is None:
            self.short_since = now
        whole = confirmed == self.wanted
        if self._opened is None or not (whole or _SETTLED.exhausted(self._opened, now)):
            return
        self._opened = None
        counts = Counter(slot.state.value for slot in self.slots.values())
        self._tell(
            "Registrations are confirmed." if whole else "Registrations are missing.",
            plan=self.wanted,
            warning=not whole,
            **counts,
        )

    def _gone(self, slot: Slot, now: Moment) -> None:
        del self.slots[slot.pair]
        if slot.pair in self._wanted:
            again = Slot(slot.pair, SlotState.WANTED, now, revivals=slot.revivals, covered=slot.covered)
            self.slots[slot.pair] = again

    def _end(self, cause: EndCause) -> list[Command]:
        self.end_cause = cause
        return [End(cause)]
