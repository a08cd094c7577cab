"""What arrives for each registration, counted as it comes.

Invariant: the counts belong to one connection and only grow, whatever the broker has confirmed. Whether
a registration still delivers is for the session to judge, which knows what the market's phase promises.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from observer_collector.slots.registrations import Pair

_NANOSECONDS = 1_000_000_000
_SAMPLE_NS = 10 * _NANOSECONDS


@dataclass(slots=True)
class Flow:
    """The records of one registration.

    Attributes:
        records: How many came.
        last_ns: When the last one came, on the clock.
        per_second: Rate over the last sample, records per second of the clock.
    """

    records: int = 0
    last_ns: int = 0
    per_second: float = 0.0
    sampled: int = 0


class Flows:
    """The registrations of one connection, by channel and symbol."""

    def __init__(self) -> None:
        self._flows: dict[tuple[str, str], Flow] = {}
        self._sampled_ns = 0

    def clear(self) -> None:
        """Begins a new connection."""
        self._flows.clear()

    def count(self, channel: str, symbol: str, wall_ns: int) -> None:
        """Counts one record."""
        flow = self.flow(channel, symbol)
        flow.records += 1
        flow.last_ns = wall_ns

    def flow(self, channel: str, symbol: str) -> Flow:
        """Returns where the records of a registration are counted until `clear`."""
        flow = self._flows.get((channel, symbol))
        if flow is None:
            flow = self._flows[channel, symbol] = Flow()
        return flow

    def of(self, pair: Pair) -> Flow | None:
        """Returns what came for a registration; None where nothing came."""
        return self._flows.get(pair)

    def records(self, pair: Pair) -> int:
        """Returns how many records of a registration came on this connection."""
        flow = self._flows.get(pair)
        return 0 if flow is None else flow.records

    def __iter__(self) -> Iterator[Flow]:
        return iter(self._flows.values())

    @property
    def any(self) -> bool:
        """Whether anything came on this connection."""
        return bool(self._flows)

    def sample(self, now_ns: int) -> None:
        """Renews the rates, every ten seconds of the clock."""
        elapsed = now_ns - self._sampled_ns
        if 0 <= elapsed < _SAMPLE_NS:
            return
        for flow in self._flows.values():
            # A clock that was set back does not tell how long it was.
            if elapsed > 0:
                flow.per_second = (flow.records - flow.sampled) / (elapsed / _NANOSECONDS)
            flow.sampled = flow.records
        self._sampled_ns = now_ns
