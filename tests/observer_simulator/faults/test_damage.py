"""Damage to frames: what leaves, and what the account says about it."""

from __future__ import annotations

from typing import Any

from observer_simulator.faults.book import FaultBook
from observer_simulator.faults.damage import Damage
from observer_simulator.faults.model import read_fault
from observer_simulator.websocket.frames import Channel, Frame, Pair

SAMSUNG = Pair(Channel.TRADES, "005930")


def frame(*records: str, pair: Pair = SAMSUNG) -> Frame:
    text = f"0|{pair.channel}|{len(records):03d}|{'^'.join(records)}"
    return Frame(0, pair, len(records), text.encode())


def damage(**fault: Any) -> Damage:
    book = FaultBook(lambda: 10)
    book.add(read_fault(fault, 0))
    return Damage(book)


def texts(frames: list[Frame]) -> list[bytes]:
    return [one.message for one in frames]


def test_records_get_another_width() -> None:
    """Each record of a frame, longer or shorter."""
    two = frame("005930^090000^1", "005930^090001^2")
    assert texts(damage(kind="width", values=4).apply([two])) == [
        b"0|H0STCNT0|002|005930^090000^1^7^005930^090001^2^7"
    ]
    assert texts(damage(kind="width", values=2).apply([two])) == [
        b"0|H0STCNT0|002|005930^090000^005930^090001"
    ]


def test_bytes_that_are_no_text_lie_behind_the_frame_or_behind_a_value() -> None:
    two = frame("005930^090000^1", "005930^090001^2")
    assert texts(damage(kind="invalid_utf8").apply([two])) == [two.message + b"\xff\xfe"]
    assert texts(damage(kind="invalid_utf8", values=2).apply([two])) == [
        b"0|H0STCNT0|002|005930^090000\xff\xfe^1^005930^090001^2"
    ]


def test_a_truncated_record_stays_a_record_and_truncated_records_become_one_frame() -> None:
    """The account counts what a reader can find: one record, or one frame without a symbol."""
    one, two = damage(kind="truncate").apply([frame("005930^090000^1"), frame("a^b^c", "a^d^e")])
    assert (one.message, one.whole) == (b"0|H0STCNT0|001|005930^090000", False)
    assert (two.message, two.whole) == (b"0|H0STCNT0|002|a^b^c^a^d", True)


def test_a_duplicate_leaves_twice() -> None:
    assert len(damage(kind="duplicate").apply([frame("005930^1")])) == 2


def test_a_silent_symbol_is_not_heard_until_it_is_registered_again() -> None:
    silent = damage(kind="silent", symbols=["005930"], until_registered=True)
    other = Pair(Channel.TRADES, "000660")
    assert len(silent.apply([frame("x"), frame("y", pair=other)])) == 1
    silent.registered(SAMSUNG)
    assert len(silent.apply([frame("x"), frame("y", pair=other)])) == 2


def test_a_batch_is_sent_when_it_is_large_enough() -> None:
    """All records of one symbol, in their order, in one frame."""
    batch = damage(kind="batch", bytes=60)
    left = [batch.apply([frame(f"005930^{number}")]) for number in range(4)]
    assert [len(frames) for frames in left] == [0, 0, 1, 0]
    assert left[2][0].records == 3
    assert left[2][0].message == b"0|H0STCNT0|003|005930^0^005930^1^005930^2"


def test_an_unknown_channel_carries_the_records_once_more() -> None:
    known, unknown = damage(kind="unknown_channel").apply([frame("005930^1")])
    assert known.message == b"0|H0STCNT0|001|005930^1"
    assert (unknown.message, unknown.sent_as) == (b"0|H0STNEW0|001|005930^1", "H0STNEW0")


def test_without_a_fault_a_frame_leaves_as_it_came() -> None:
    whole = frame("005930^1")
    assert Damage(FaultBook(lambda: 0)).apply([whole]) == [whole]
