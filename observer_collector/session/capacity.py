"""How many registrations the broker takes on one connection (broker reference, 6.4: OPSP0008).

Invariant: after the broker has said that it is full, nothing more is held than it held then, except for
one registration at a time that asks again after minutes: the broker may have counted a dead session, or
another program may have gone. One that is confirmed beyond that level brings the whole limit back.
"""

from __future__ import annotations

from observer_collector.moments import Moment, Patience

# A fresh connection that gets fewer than this is rather refused for a session that the broker still counts.
_FEW = 5
_PASSING, _LASTING = Patience(30, 5), Patience(300, 15)
_LONGEST_STRETCH = 4


class Capacity:
    """What may be held.

    Args:
        limit: Registrations that the broker allows by its documents.

    Attributes:
        limit: Registrations that may be held now.
        code: The broker's code where it takes fewer; empty where it takes the whole limit.
    """

    def __init__(self, limit: int) -> None:
        self._whole = limit
        self._full_at = limit
        self._asked: Moment | None = None
        self._probes = 0
        self.limit = limit
        self.code = ""

    def refused(self, code: str, held: int, now: Moment) -> None:
        """States that the broker takes no more than what is held."""
        self.code, self.limit, self._full_at, self._asked = code, held, held, now

    def probe(self, held: int, now: Moment) -> bool:
        """Returns whether one registration more is asked for now, and allows it."""
        if self._asked is None:
            return False
        patience = _PASSING if self._full_at < _FEW else _LASTING
        if not patience.exhausted(self._asked, now, times=min(2**self._probes, _LONGEST_STRETCH)):
            return False
        self._probes += 1
        self.limit, self._asked = min(held + 1, self._whole), now
        return True

    def confirmed(self, held: int) -> bool:
        """Takes what is held after a confirmation; returns whether the whole limit came back by it."""
        if self._asked is None or held <= self._full_at:
            return False
        self.code, self.limit, self._asked, self._probes = "", self._whole, None, 0
        return True
