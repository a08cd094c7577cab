"""All faults that were asked for.

Invariant: whether a fault happens at a chance depends on its own seed and on how many chances it has
had, so that the same requests break the same frames.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from random import Random
from typing import Any

from observer_core.clock import kst_datetime
from observer_simulator.faults.model import MOMENTARY, Fault, Kind


class FaultBook:
    """The faults of one simulated broker.

    Args:
        now_ns: The clock.
    """

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._faults: list[tuple[Fault, Random]] = []

    def add(self, fault: Fault) -> None:
        """Takes a fault."""
        self._faults.append((fault, Random(fault.seed)))  # noqa: S311  (chances, no secrets)

    def clear(self) -> None:
        """Ends all faults."""
        self._faults.clear()

    def active(self, *kinds: Kind) -> Iterator[Fault]:
        """Yields the lasting faults of some kinds that are in force now."""
        if not self._faults:
            return
        now_ns = self._now_ns()
        for fault, _ in self._faults:
            if fault.kind in kinds and fault.lasts_at(now_ns):
                yield fault

    def strikes(
        self, kind: Kind, *, channel: str = "", symbol: str = "", path: str = "", asked: Container[str] = ()
    ) -> Fault | None:
        """Returns the fault that happens at a chance, and counts it; None where none does.

        Args:
            kind: What goes wrong.
            channel: Channel of a frame or registration.
            symbol: Symbol of it.
            path: Path of a request.
            asked: What a request asks for: a fault of a symbol happens where it is among it.
        """
        if not self._faults:
            return None
        now_ns = self._now_ns()
        for fault, random in self._faults:
            if fault.kind is not kind or not fault.lasts_at(now_ns) or fault.path not in path:
                continue
            among = next((one for one in fault.symbols if one in asked), symbol)
            if fault.concerns(channel, among) and (fault.share >= 1.0 or random.random() < fault.share):
                fault.fired += 1
                return fault
        return None

    def due(self) -> list[Fault]:
        """Returns the faults whose beginning has come and was not handled yet, and marks them."""
        now_ns = self._now_ns()
        begun = [fault for fault, _ in self._faults if not fault.done and fault.from_ns <= now_ns]
        for fault in begun:
            fault.done = True
            if fault.kind in MOMENTARY:
                fault.fired += 1
        return begun

    @property
    def next_ns(self) -> int | None:
        """When the next fault begins; None where all have."""
        return min((fault.from_ns for fault, _ in self._faults if not fault.done), default=None)

    def as_list(self) -> list[dict[str, Any]]:
        """Returns all faults with how often each has happened."""
        now_ns = self._now_ns()
        return [
            {
                "kind": fault.kind.value,
                "from": kst_datetime(fault.from_ns).isoformat(),
                "active": fault.kind not in MOMENTARY and fault.lasts_at(now_ns),
                "fired": fault.fired,
            }
            for fault, _ in self._faults
        ]
