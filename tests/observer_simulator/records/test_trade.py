"""H0STCNT0 records against the table of section 7.1 of the broker reference, written out by hand."""

from __future__ import annotations

from datetime import date

import pytest

from observer_simulator.market.market import Market
from observer_simulator.records.trade import trade_records

DAY = date(2026, 9, 15)
TODAY = "20260915"


@pytest.fixture(scope="module")
def rows(market: Market) -> list[list[str]]:
    tape = market.tape("005930", DAY)
    yesterday = market.tape("005930", date(2026, 9, 14))
    records = trade_records(tape, 0, len(tape.trades), yesterday=yesterday, width=47)
    return [record.split("^") for record in records]


def test_a_record_has_47_values_and_identifies_symbol_and_day(rows: list[list[str]]) -> None:
    for row in rows:
        assert len(row) == 47
        assert (row[0], row[33], row[35], row[44]) == ("005930", TODAY, "N", "")
        assert len(row[1]) == len(row[24]) == len(row[27]) == len(row[30]) == 6


def test_cumulative_figures_continue_exactly(rows: list[list[str]]) -> None:
    """7.1: 13 += 12, 14 += 2 x 12, 15 or 16 += 1, and 19 or 20 += 12, on the side of 21."""
    volume = value = sells = buys = sold = bought = 0
    for row in rows:
        price, traded = int(row[2]), int(row[12])
        volume, value = volume + traded, value + price * traded
        if row[21] == "5":
            sells, sold = sells + 1, sold + traded
        elif row[21] == "1":
            buys, bought = buys + 1, bought + traded
        else:
            assert row[21] == "3"
        assert [int(row[index]) for index in (13, 14, 15, 16, 19, 20)] == [
            volume, value, sells, buys, sold, bought,
        ]  # fmt: skip
        assert int(row[17]) == buys - sells
    assert sold + bought < volume


def test_ratios_follow_from_the_sums(rows: list[list[str]], market: Market) -> None:
    instrument = market.instruments["005930"]
    previous = market.figures("005930", DAY).previous_volume
    for row in rows:
        volume, sold, bought = int(row[13]), int(row[19]), int(row[20])
        assert float(row[6]) == pytest.approx(int(row[14]) / volume, abs=0.006)
        assert float(row[18]) == pytest.approx(bought / sold * 100 if sold else 0, abs=0.006)
        assert float(row[22]) == pytest.approx(bought / volume, abs=0.006)
        assert float(row[23]) == pytest.approx(volume / previous * 100, abs=0.006)
        assert float(row[40]) == pytest.approx(volume / instrument.listed_shares * 100, abs=0.006)


def test_changes_against_the_previous_close_carry_sign_and_code(
    rows: list[list[str]], market: Market
) -> None:
    base = market.figures("005930", DAY).base_price
    for row in rows:
        change = int(row[2]) - base
        assert int(row[4]) == change
        assert float(row[5]) == pytest.approx(change / base * 100, abs=0.006)
        assert not row[4].startswith("+")
        assert row[3] == ("2" if change > 0 else "5" if change < 0 else "3")


def test_open_high_and_low_are_those_so_far_with_the_time_they_were_made(rows: list[list[str]]) -> None:
    opened, highest, lowest = rows[0][2], 0, 10**9
    made_high = made_low = ""
    for row in rows:
        price = int(row[2])
        if price > highest:
            highest, made_high = price, row[1]
        if price < lowest:
            lowest, made_low = price, row[1]
        assert row[7:10] == [opened, str(highest), str(lowest)]
        assert (row[24], row[27], row[30]) == (rows[0][1], made_high, made_low)
        assert [int(row[index]) for index in (26, 29, 32)] == [
            price - int(opened), price - highest, price - lowest,
        ]  # fmt: skip
        for code, difference in ((25, 26), (28, 29), (31, 32)):
            amount = int(row[difference])
            assert row[code] == ("2" if amount > 0 else "5" if amount < 0 else "3")


def test_the_best_prices_enclose_a_trade_and_belong_to_a_book(rows: list[list[str]]) -> None:
    for row in rows:
        ask, bid = int(row[10]), int(row[11])
        assert bid < ask
        if row[21] != "3":
            assert bid <= int(row[2]) <= ask
        assert int(row[38]) >= int(row[36]) > 0
        assert int(row[39]) >= int(row[37]) > 0


def test_the_volume_of_yesterday_at_this_time_is_yesterday_s_tape(
    rows: list[list[str]], market: Market
) -> None:
    yesterday = market.tape("005930", date(2026, 9, 14))
    records = trade_records(yesterday, 0, len(yesterday.trades), yesterday=None, width=47)
    known = [(row.split("^")[1], int(row.split("^")[13])) for row in records]
    for row in rows[::101]:
        earlier = [volume for time, volume in known if time < row[1]]
        same_second = [volume for time, volume in known if time == row[1]]
        allowed = {earlier[-1] if earlier else 0, *same_second}
        assert int(row[41]) in allowed
        expected = int(row[13]) / int(row[41]) * 100 if int(row[41]) else 0
        assert float(row[42]) == pytest.approx(expected, abs=0.006)


def test_operation_and_market_codes_follow_the_session(rows: list[list[str]]) -> None:
    """7.2: 20 in session, 31 after close at the closing price; market 2 regular, 5 closing, 3 after."""
    for row in rows:
        expected = ("20", "2") if row[1] < "153100" else ("31", "5") if row[1] < "160000" else ("30", "3")
        assert (row[34], row[46]) == expected
        assert row[43] == "0"
    assert {row[46] for row in rows} == {"2", "3", "5"}


@pytest.mark.parametrize("width", [46, 48])
def test_another_width_keeps_the_known_prefix(market: Market, width: int) -> None:
    tape = market.tape("005930", DAY)
    usual = trade_records(tape, 0, 5, yesterday=None, width=47)
    other = trade_records(tape, 0, 5, yesterday=None, width=width)
    for record, varied in zip(usual, other, strict=True):
        values = varied.split("^")
        assert len(values) == width
        assert values[:47] == record.split("^")[:width]
