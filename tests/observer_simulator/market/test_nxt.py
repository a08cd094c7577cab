"""NXT and both exchanges together, against the broker reference (7.1, 8.1, 8.2)."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from observer_core.market.ticks import tick_size
from observer_simulator.market.ladder import PRICES
from observer_simulator.market.market import Market
from observer_simulator.market.tape import Moment, Tape
from observer_simulator.market.venue import Venue
from observer_simulator.records.book import nxt_book_records, unified_book_records
from observer_simulator.records.operation import operation_events
from observer_simulator.records.trade import trade_records

DAY = date(2026, 9, 15)
SAMSUNG = "005930"
# An ETF: NXT trades shares only.
KODEX = "069500"


def at(hour: int, minute: int = 0, second: int = 0) -> int:
    return (hour * 3600 + minute * 60 + second) * 1_000_000_000


@pytest.fixture(scope="module")
def tapes(market: Market) -> dict[Venue, Tape]:
    return {venue: market.tape(SAMSUNG, DAY, venue) for venue in Venue}


def test_nxt_trades_in_its_three_sessions_and_at_no_other_time(tapes: dict[Venue, Tape]) -> None:
    """08:00-08:50, 09:00:30-15:20, 15:40-20:00."""
    nxt = tapes[Venue.NXT]
    bounds = {
        Moment.PRE_MARKET: (at(8), at(8, 50)),
        Moment.CONTINUOUS: (at(9, 0, 30), at(15, 20)),
        Moment.AFTER_MARKET: (at(15, 40), at(20)),
    }
    found = {Moment(value) for value in nxt.states.moment.tolist()}
    assert found == set(bounds)
    for moment, (start, end) in bounds.items():
        times = nxt.states.time[nxt.states.moment == moment]
        assert len(times) > 10
        # Strictly increasing states add a nanosecond each.
        assert start <= times.min() <= times.max() < end + 100_000


def test_every_trade_of_nxt_has_a_side_and_a_price_on_the_grid(tapes: dict[Venue, Tape]) -> None:
    """It has no auctions."""
    trades = tapes[Venue.NXT].trades
    assert set(trades.side.tolist()) == {1, 5}
    assert all(price % tick_size(price) == 0 for price in np.unique(trades.price).tolist())


def test_both_exchanges_quote_nearly_the_same_price(tapes: dict[Venue, Tape]) -> None:
    krx, nxt = tapes[Venue.KRX], tapes[Venue.NXT]
    main = nxt.states.moment == Moment.CONTINUOUS
    before = np.searchsorted(krx.states.time, nxt.states.time[main], side="right") - 1
    assert np.abs(nxt.states.bid[main] - krx.states.bid[before]).max() <= 2


def test_cumulative_figures_are_of_one_exchange_and_the_unified_ones_of_both(
    tapes: dict[Venue, Tape],
) -> None:
    krx, nxt, both = (tapes[venue].trades for venue in Venue)
    for trades in (krx, nxt, both):
        assert (trades.cumulative_volume == np.cumsum(trades.volume)).all()
        assert (trades.cumulative_value == np.cumsum(trades.price * trades.volume)).all()
    assert len(both) == len(krx) + len(nxt)
    assert both.cumulative_volume[-1] == krx.cumulative_volume[-1] + nxt.cumulative_volume[-1]
    assert both.cumulative_value[-1] == krx.cumulative_value[-1] + nxt.cumulative_value[-1]
    assert both.sells[-1] == krx.sells[-1] + nxt.sells[-1]


def test_the_unified_tape_has_every_trade_once_in_the_order_of_time(tapes: dict[Venue, Tape]) -> None:
    def listed(tape: Tape) -> list[tuple[int, int, int]]:
        seconds = (tape.trade_times() // 1_000_000_000).tolist()
        return list(zip(seconds, tape.trades.price.tolist(), tape.trades.volume.tolist(), strict=True))

    both = tapes[Venue.UNIFIED]
    assert sorted(listed(both)) == sorted(listed(tapes[Venue.KRX]) + listed(tapes[Venue.NXT]))
    assert (np.diff(both.states.time) > 0).all()
    assert (both.states.ask > both.states.bid).all()


def test_yesterdays_volume_is_that_of_the_same_exchange(market: Market, tapes: dict[Venue, Tape]) -> None:
    for venue, tape in tapes.items():
        following = market.tape(SAMSUNG, date(2026, 9, 16), venue)
        assert following.previous_volume == int(tape.trades.volume.sum())


def test_a_symbol_that_nxt_does_not_trade_is_empty_there_and_the_krx_is_all_there_is(market: Market) -> None:
    assert not market.on_nxt(KODEX, DAY)
    assert len(market.tape(KODEX, DAY, Venue.NXT).states) == 0
    assert market.tape(KODEX, DAY, Venue.UNIFIED) is market.tape(KODEX, DAY)


def test_nxt_has_about_as_many_issues_as_its_master_files_list(market: Market) -> None:
    """357 of KOSPI and 273 of KOSDAQ (section 5), and none before it opened on 2025-03-04."""
    on_nxt = [code for code in market.instruments if market.on_nxt(code, DAY)]
    markets = [market.instruments[code].market.value for code in on_nxt]
    assert (markets.count("KOSPI"), markets.count("KOSDAQ")) == (357, 273)
    assert not market.on_nxt(SAMSUNG, date(2025, 2, 28))
    assert market.tape(SAMSUNG, date(2025, 2, 28), Venue.UNIFIED) is market.tape(SAMSUNG, date(2025, 2, 28))


@pytest.mark.parametrize(("day", "begins"), [(date(2026, 11, 19), at(10)), (date(2027, 1, 4), at(10, 0, 30))])
def test_days_with_shifted_hours_have_no_pre_market(market: Market, day: date, begins: int) -> None:
    """8.2: the exam day and the first trading day of the year."""
    tape = market.tape(SAMSUNG, day, Venue.NXT)
    assert tape.states.time.min() >= begins
    assert Moment.PRE_MARKET not in tape.states.moment


def test_a_trade_of_the_pre_market_says_so(tapes: dict[Venue, Tape]) -> None:
    """MARKET_CLS_CODE: 1 pre, 2 regular, 3 after."""
    nxt = tapes[Venue.NXT]
    rows = [row.split("^") for row in trade_records(nxt, 0, len(nxt.trades), yesterday=None, width=47)]
    for row in rows:
        expected = "1" if row[1] < "085000" else "2" if row[1] <= "152000" else "3"
        assert row[46] == expected
        assert row[0] == SAMSUNG


def test_books_of_nxt_and_of_both_carry_both_midpoints(tapes: dict[Venue, Tape]) -> None:
    """65 and 66 values: 59 the KRX midpoint, 62 that of NXT, 65 whose expected price it is."""
    krx, nxt, both = tapes.values()
    rows = [row.split("^") for row in nxt_book_records(nxt, krx, 0, len(nxt.states), width=65)]
    assert {len(row) for row in rows} == {65}
    middle = (PRICES[nxt.states.ask] + PRICES[nxt.states.bid]) // 2
    assert [int(row[62]) for row in rows] == middle.tolist()
    assert rows[0][59] == "0", "the KRX has no book at 08:00"
    assert all(int(row[59]) > 0 for row in rows if row[1] > "091000")
    together = [row.split("^") for row in unified_book_records(both, krx, nxt, 0, len(both.states), width=66)]
    assert {len(row) for row in together} == {66}
    last = together[-1]
    assert int(last[59]) > 0 < int(last[62])
    assert int(last[53]) == int(both.trades.cumulative_volume[-1])
    assert last[65] == "1"


def test_market_operations_of_nxt_have_the_one_code_that_was_seen(market: Market) -> None:
    session = market.calendar.session(DAY)
    assert [f"{moment:%H%M%S}" for moment, _, _ in operation_events(session, Venue.NXT)] == [
        "080000", "085000", "090030", "152000", "154000", "200000",
    ]  # fmt: skip
    unified = operation_events(session, Venue.UNIFIED)
    assert {code for _, code, _ in unified} == {"AB1"}
    assert len(unified) > 6
