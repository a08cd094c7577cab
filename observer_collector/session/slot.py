"""One registration and how far it has come.

Invariant: a slot is in exactly one state, and says since when and why. Whether data come is not a
state: the broker's word and the flow of data are kept apart, because either can be true alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from observer_collector.moments import Moment
from observer_collector.slots.registrations import Pair


class SlotState(StrEnum):
    """How far a registration has come."""

    WANTED = "wanted"
    SENT = "sent"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    UNWANTED = "unwanted"
    RELEASING = "releasing"


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
        full: Whether it was refused because the broker takes no more; it is asked for when there is room.
        attempts: How often it was sent without success.
        revivals: How often it was registered again because it stayed silent.
        covered: When the broker first confirmed it on this connection; None where it has not.
        standing: Whether it stands at the broker although it is to be registered once more.
    """

    pair: Pair
    state: SlotState
    since: Moment
    reason: str = ""
    retry: bool = False
    full: bool = False
    attempts: int = 0
    revivals: int = 0
    covered: Moment | None = None
    standing: bool = False

    @property
    def held(self) -> bool:
        """Whether the broker counts it against its limit, as far as we can know."""
        return self.standing or self.state in _HELD

    @property
    def may_stand(self) -> bool:
        """Whether the broker may have it although it has not said so, or no longer: an answer was lost."""
        return self.held or self.retry or self.attempts > 0

    def enter(self, state: SlotState, now: Moment) -> None:
        """Moves on."""
        self.state, self.since = state, now
