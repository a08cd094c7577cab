"""What waits for a slow reader: in order, whole, and never more than the broker has patience for."""

from __future__ import annotations

from typing import Any

from observer_core.clock.base import NANOSECONDS
from observer_simulator.faults.book import FaultBook
from observer_simulator.faults.model import read_fault
from observer_simulator.faults.outbox import Outbox
from observer_simulator.websocket.frames import Channel, Frame, Pair

SAMSUNG = Pair(Channel.TRADES, "005930")


class Line:
    """An outbox on a clock that the test moves."""

    def __init__(self, **fault: Any) -> None:
        self.now_ns = 0
        book = FaultBook(lambda: self.now_ns)
        if fault:
            book.add(read_fault({"kind": "slow_reader", **fault}, 0))
        self.book = book
        self.outbox = Outbox(book)

    def put(self, *texts: str) -> bool:
        return self.outbox.put([Frame(0, SAMSUNG, 1, text.encode()) for text in texts], self.now_ns)

    def take(self, seconds: float = 0) -> list[str]:
        self.now_ns = int(seconds * NANOSECONDS)
        return [frame.message.decode() for frame in self.outbox.take(self.now_ns)]


def test_without_a_fault_everything_passes_at_once() -> None:
    line = Line()
    assert line.put("a" * 10_000, "b")
    assert line.take() == ["a" * 10_000, "b"]
    assert line.outbox.next_ns is None


def test_a_slow_reader_takes_each_frame_after_its_time_on_the_line() -> None:
    """Ten bytes a second: a frame of ten bytes after one second, the next one of five after another half."""
    line = Line(rate=10)
    assert line.put("a" * 10, "b" * 5)
    assert line.take(0.9) == []
    assert line.outbox.next_ns == NANOSECONDS
    assert line.take(1.4) == ["a" * 10]
    assert line.take(1.5) == ["b" * 5]


def test_what_waits_beyond_the_bound_ends_the_connection() -> None:
    line = Line(rate=1, bytes=20)
    assert line.put("a" * 20)
    assert not line.put("b")
    assert line.book.as_list()[0]["fired"] == 1


def test_a_broker_that_throws_away_keeps_the_newest() -> None:
    line = Line(rate=1, bytes=10, drop=True)
    assert line.put("aaaaaa", "bbbbbb", "cccc")
    assert line.take(100) == ["bbbbbb", "cccc"]


def test_a_reader_that_is_slow_no_more_gets_what_waits() -> None:
    """At the end of the fault, or when the test takes it away."""
    ending, ended = Line(rate=1, seconds=5), Line(rate=1)
    assert ending.put("a" * 100)
    assert ending.outbox.next_ns == 5 * NANOSECONDS
    assert ending.take(5) == ["a" * 100]
    assert ended.put("b")
    ended.book.clear()
    assert ended.take(0) == ["b"]
