"""How a fault is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from observer_simulator.faults.book import FaultBook
from observer_simulator.faults.model import Fault, FaultError, Kind, read_fault

SECOND = 1_000_000_000
# 2026-09-15 09:00:00 in Korea.
NOW = 1_789_430_400 * SECOND


def test_a_fault_without_a_time_begins_now_and_lasts() -> None:
    fault = read_fault({"kind": "silent", "symbols": ["005930"]}, NOW)
    assert (fault.kind, fault.from_ns, fault.symbols) == (Kind.SILENT, NOW, ("005930",))
    assert fault.lasts_at(NOW + 10**6 * SECOND)


def test_a_time_is_korean_and_a_duration_is_of_the_clock() -> None:
    fault = read_fault({"kind": "maintenance", "at": "09:01:30", "seconds": 60}, NOW)
    assert fault.from_ns - NOW == 90 * SECOND
    assert not fault.lasts_at(NOW + 89 * SECOND)
    assert fault.lasts_at(NOW + 90 * SECOND)
    assert not fault.lasts_at(NOW + 150 * SECOND)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"kind": "earthquake"},
        {"kind": "abort", "at": "9:00"},
        {"kind": "abort", "at": "25:00:00"},
        {"kind": "abort", "when": "now"},
        {"kind": "abort", "fired": 3},
        {"kind": "silent", "symbols": "005930"},
        {"kind": "width", "values": "48"},
        {"kind": "width", "values": True},
        {"kind": "silent", "seconds": -1},
    ],
)
def test_what_cannot_be_understood_is_refused(content: dict[str, Any]) -> None:
    with pytest.raises(FaultError):
        read_fault(content, NOW)


def test_the_same_seed_breaks_the_same_chances() -> None:
    """Three tenths of a hundred chances, the same ones in each run."""

    def struck() -> list[int]:
        book = FaultBook(lambda: NOW)
        book.add(read_fault({"kind": "duplicate", "share": 0.3, "seed": 5}, NOW))
        return [number for number in range(100) if book.strikes(Kind.DUPLICATE)]

    assert struck() == struck()
    assert 15 <= len(struck()) <= 45


def test_a_count_bounds_a_fault() -> None:
    book = FaultBook(lambda: NOW)
    book.add(read_fault({"kind": "refuse", "count": 2, "channels": ["H0STCNT0"]}, NOW))
    strikes = [book.strikes(Kind.REFUSE, channel=channel) for channel in ("H0STASP0", *["H0STCNT0"] * 4)]
    assert [strike is not None for strike in strikes] == [False, True, True, False, False]


def test_a_beginning_is_due_once() -> None:
    """Also when its time was passed by."""
    times = [NOW]
    book = FaultBook(lambda: times[0])
    book.add(Fault(Kind.ABORT, NOW + SECOND, NOW + 2 * SECOND))
    assert book.due() == []
    assert book.next_ns == NOW + SECOND
    times[0] = NOW + 60 * SECOND
    assert [fault.kind for fault in book.due()] == [Kind.ABORT]
    assert book.due() == []
    assert book.next_ns is None
