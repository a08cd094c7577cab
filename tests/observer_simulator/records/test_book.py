"""H0STASP0 records against the table of section 7.1 of the broker reference, written out by hand."""

from __future__ import annotations

from datetime import date

import pytest

from observer_simulator.market.market import Market
from observer_simulator.records.book import book_records
from observer_simulator.records.trade import trade_records

DAY = date(2026, 9, 15)


@pytest.fixture(scope="module")
def rows(market: Market) -> list[list[str]]:
    tape = market.tape("005930", DAY)
    return [record.split("^") for record in book_records(tape, 0, len(tape.states), width=63)]


def numbers(row: list[str], first: int, last: int) -> list[int]:
    return [int(value) for value in row[first : last + 1]]


def test_a_record_has_63_values(rows: list[list[str]]) -> None:
    for row in rows:
        assert len(row) == 63
        assert row[0] == "005930"
        assert len(row[1]) == 6


def test_ten_levels_ascend_on_the_ask_and_descend_on_the_bid(rows: list[list[str]]) -> None:
    for row in rows:
        asks, bids = numbers(row, 3, 12), numbers(row, 13, 22)
        assert asks == sorted(asks)
        assert bids == sorted(bids, reverse=True)
        assert bids[0] < asks[0]


def test_totals_are_the_sums_of_the_levels_and_their_changes_follow(rows: list[list[str]]) -> None:
    asks = bids = 0
    for row in rows:
        assert int(row[43]) == sum(numbers(row, 23, 32))
        assert int(row[44]) == sum(numbers(row, 33, 42))
        assert numbers(row, 54, 55) == [int(row[43]) - asks, int(row[44]) - bids]
        asks, bids = int(row[43]), int(row[44])


def test_expected_prices_flow_in_the_auctions_only(rows: list[list[str]], market: Market) -> None:
    """7.1: outside, price and quantity are 0, the change is minus the previous close, sign 5, -100.00."""
    base = market.figures("005930", DAY).base_price
    for row in rows:
        in_auction = ("083000" <= row[1] < "090030" and row[2] == "B") or row[2] == "A"
        if in_auction:
            assert int(row[47]) > 0
            assert row[48] == row[49]
            assert int(row[50]) == int(row[47]) - base
        else:
            assert row[47:49] == ["0", "0"]
            assert row[50:53] == [str(-base), "5", "-100.00"]
            assert int(row[49]) > 0


def test_time_classes_and_market_codes_follow_the_session(rows: list[list[str]]) -> None:
    """7.2: B expected before the open, A expected after the close, 0 in session."""
    seen = set()
    for row in rows:
        time, shown = row[1], (row[2], row[62])
        seen.add(shown)
        if time < "090000":
            assert shown == ("B", "1")
        elif "090030" <= time < "152000":
            assert shown == ("0", "2")
        elif "152000" <= time < "153000":
            assert shown == ("A", "2")
        elif time >= "160000":
            assert shown == ("0", "3")
    assert seen == {("B", "1"), ("0", "2"), ("A", "2"), ("0", "5"), ("0", "3")}


def test_the_volume_so_far_is_that_of_the_trades(rows: list[list[str]], market: Market) -> None:
    tape = market.tape("005930", DAY)
    records = trade_records(tape, 0, len(tape.trades), yesterday=None, width=47)
    volumes = {0, *(int(record.split("^")[13]) for record in records)}
    so_far = [int(row[53]) for row in rows]
    assert so_far == sorted(so_far)
    assert set(so_far) <= volumes
    assert so_far[-1] == max(volumes)


def test_the_middle_price_lies_between_the_best_ones(rows: list[list[str]]) -> None:
    for row in rows:
        assert int(row[59]) == (int(row[3]) + int(row[13])) // 2


@pytest.mark.parametrize("width", [59, 62, 64])
def test_another_width_keeps_the_known_prefix(market: Market, width: int) -> None:
    tape = market.tape("005930", DAY)
    usual = book_records(tape, 0, 5, width=63)
    for record, varied in zip(usual, book_records(tape, 0, 5, width=width), strict=True):
        values = varied.split("^")
        assert len(values) == width
        assert values[:63] == record.split("^")[:width]


def test_a_block_begins_with_the_change_since_the_book_before_it(market: Market) -> None:
    tape = market.tape("005930", DAY)
    assert book_records(tape, 100, 120, width=63) == book_records(tape, 0, 120, width=63)[100:]
