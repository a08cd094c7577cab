"""Index records against the broker's table (broker reference, 7.1: H0UPCNT0)."""

from __future__ import annotations

from datetime import date

import pytest

from observer_simulator.market.indices import INDICES, index_day
from observer_simulator.market.market import Market
from observer_simulator.records.index import index_records

DAY = date(2026, 9, 15)


@pytest.mark.parametrize("code", ["0001", "1001", "2001"])
def test_a_record_has_the_thirty_values_of_the_table(market: Market, code: str) -> None:
    """Code, time, points, sign and the counts of issues stand where the table has them."""
    day = index_day(market, code, DAY)
    records = index_records(code, day, 0, len(day.times))
    first, last = records[0].split("^"), records[-1].split("^")
    assert {record.count("^") for record in records} == {29}
    assert (first[0], first[1], last[1]) == (code, "090000", "153030")
    for values in (first, last):
        points, change, rate = float(values[2]), float(values[4]), float(values[9])
        assert values[3] == ("2" if change > 0 else "5" if change < 0 else "3")
        assert rate == pytest.approx(change / (points - change) * 100, abs=0.01)
        assert float(values[12]) <= points <= float(values[11])
        assert sum(map(int, values[23:26])) == INDICES[code].constituents
    assert int(last[5]) > int(first[5])


def test_an_index_is_what_its_constituents_trade(market: Market) -> None:
    """The last volume in thousand shares is the sum over the tapes at that instant."""
    day = index_day(market, "2001", DAY)
    listed = [one for one in market.instruments.values() if one.market.value == "KOSPI" and one.group == "ST"]
    largest = sorted(listed, key=lambda one: (-one.listed_shares * one.base_price, one.code))[:30]
    until = int(day.times[-1])
    tapes = [market.tape(one.code, DAY) for one in largest]
    shares = sum(int(t.trades.volume[: t.trades_until(until)].sum()) for t in tapes)
    assert (
        int(index_records("2001", day, len(day.times) - 1, len(day.times))[0].split("^")[5]) == shares // 1000
    )


def test_a_block_is_the_same_as_the_whole(market: Market) -> None:
    """High and low of a block know what came before it."""
    day = index_day(market, "0001", DAY)
    whole = index_records("0001", day, 0, 600)
    assert whole[300:400] == index_records("0001", day, 300, 400)
