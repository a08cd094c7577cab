"""When to connect again (broker reference, 0.1, 6.7 and 9).

Invariant: the pauses are real time, jittered and capped; they start small again only after data have
flowed for a while, because a broker that accepts, delivers a little and closes must not be asked in a
fast loop: that blocks the app key. A session in use elsewhere is left alone for minutes.
"""

from __future__ import annotations

from random import Random

from observer_collector.moments import Moment, Patience
from observer_collector.session.commands import EndCause

_FIRST_SECONDS, _LONGEST_SECONDS = 1.0, 60.0
# "Back off 60-90 s growing" where the broker says that another session exists or refuses the key.
_REFUSED_SECONDS, _LONGEST_REFUSED_SECONDS = (60.0, 90.0), 600.0
_GROWTH = 1.5
_STABLE = Patience(60, 5)
_MOST = 16


class Backoff:
    """The pauses before the next attempts.

    Args:
        random: Source of the jitter.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._losses = 0
        self._refusals = 0
        self._renewed = False
        self._flowing_since: Moment | None = None

    def opened(self) -> None:
        """States that a connection came about; nothing has flowed on it yet."""
        self._flowing_since = None

    def data_flow(self, now: Moment) -> None:
        """States that the present connection delivers, again and again while it does."""
        if self._flowing_since is None:
            self._flowing_since = now
        elif _STABLE.exhausted(self._flowing_since, now):
            self._losses = self._refusals = 0
            self._renewed = False

    def lost(self) -> float:
        """Returns the seconds to wait after a connection that was lost or did not come about."""
        longest = min(_FIRST_SECONDS * 2**self._losses, _LONGEST_SECONDS)
        self._losses = min(self._losses + 1, _MOST)
        return self._random.uniform(longest / 2, longest)

    def refused(self) -> float:
        """Returns the seconds to wait after the broker refused the session."""
        pause = self._random.uniform(*_REFUSED_SECONDS) * _GROWTH**self._refusals
        self._refusals = min(self._refusals + 1, _MOST)
        return min(pause, _LONGEST_REFUSED_SECONDS)

    def may_renew(self) -> bool:
        """Returns whether the approval key is renewed now: once, until data have flowed again."""
        first, self._renewed = not self._renewed, True
        return first

    def after(self, cause: EndCause) -> float:
        """Returns the seconds to wait after a connection that ended for a cause."""
        return self.refused() if cause in (EndCause.IN_USE, EndCause.CREDENTIAL) else self.lost()
