"""The tape of a day, against the rules of the exchange and the broker's tables."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import numpy as np
import pytest

from observer_core.market.calendar import MarketCalendar
from observer_core.market.ticks import price_limits, tick_size
from observer_core.reference.listing import read_listing
from observer_simulator.market.market import Market
from observer_simulator.market.tape import Moment, Tape, totals

DAY = date(2026, 9, 15)
SAMSUNG = "005930"
HOUR = 3_600_000_000_000


def at(hour: int, minute: int = 0, second: int = 0) -> int:
    return (hour * 3600 + minute * 60 + second) * 1_000_000_000


def arrays(tape: Tape) -> list[bytes]:
    parts = (tape.states, tape.trades)
    return [getattr(part, name).tobytes() for part in parts for name in part.__slots__]


def fresh(seed: int = 20260915, **options: object) -> Market:
    return Market(read_listing(), MarketCalendar(), seed=seed, **options)


def sample(market: Market, step: int = 12) -> list[Tape]:
    tapes = [market.tape(code, DAY) for code in list(market.instruments)[::step]]
    return [tape for tape in tapes if len(tape.trades)]


def test_the_same_seed_gives_the_same_bytes_whatever_was_asked_before(market: Market) -> None:
    other = fresh()
    other.tape("000660", date(2026, 3, 3))
    other.tape(SAMSUNG, date(2027, 3, 3))
    assert arrays(other.tape(SAMSUNG, DAY)) == arrays(market.tape(SAMSUNG, DAY))


def test_another_seed_gives_another_tape(market: Market) -> None:
    assert arrays(fresh(seed=1).tape(SAMSUNG, DAY)) != arrays(market.tape(SAMSUNG, DAY))


def test_a_tape_dropped_from_memory_is_made_again_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("observer_simulator.market.market._KEPT_TRADES", 1_000)
    market = fresh()
    first = market.tape(SAMSUNG, DAY)
    before = arrays(first)
    market.tape("000660", DAY)
    again = market.tape(SAMSUNG, DAY)
    assert again is not first
    assert arrays(again) == before


def test_every_price_is_on_the_grid_and_within_thirty_percent(market: Market) -> None:
    for tape in sample(market):
        lower, upper = price_limits(tape.base_price)
        for price in np.unique(tape.trades.price).tolist():
            assert lower <= price <= upper
            assert price % tick_size(price) == 0


def test_volumes_add_up_to_what_the_day_comes_to(market: Market) -> None:
    for tape in sample(market):
        figures = market.figures(tape.code, DAY)
        assert tape.trades.volume.min() >= 1
        assert int(tape.trades.volume.sum()) == figures.volume == int(tape.trades.cumulative_volume[-1])


def test_the_close_is_the_next_day_s_base_price(market: Market) -> None:
    for tape in sample(market):
        before_evening = tape.states.moment[tape.trades.state] != Moment.AFTER_MARKET
        close = int(tape.trades.price[before_evening][-1])
        following = market.tape(tape.code, date(2026, 9, 16))
        assert following.base_price == close == market.figures(tape.code, DAY).close_price
        assert following.previous_volume == int(tape.trades.volume.sum())


def test_states_follow_each_other_in_time_with_the_ask_above_the_bid(market: Market) -> None:
    for tape in sample(market):
        assert (np.diff(tape.states.time) > 0).all()
        assert (tape.states.ask > tape.states.bid).all()


def test_a_trade_has_the_price_of_the_side_that_was_hit(market: Market) -> None:
    from observer_simulator.market.ladder import PRICES

    for tape in sample(market):
        trades = tape.trades
        bought, sold = trades.side == 1, trades.side == 5
        assert (trades.price[bought] == PRICES[tape.states.ask[trades.state[bought]]]).all()
        assert (trades.price[sold] == PRICES[tape.states.bid[trades.state[sold]]]).all()


def test_the_auctions_are_bursts_at_one_price_without_a_side(market: Market) -> None:
    tape = market.tape(SAMSUNG, DAY)
    times, sizes = tape.trade_times(), np.diff(tape.states.first_trade)
    opening, closing = tape.trades.state[0], tape.trades.state[times < at(15, 40)][-1]
    for state, start in ((opening, at(9)), (closing, at(15, 30))):
        burst = slice(tape.states.first_trade[state], tape.states.first_trade[state + 1])
        assert start < tape.states.time[state] < start + 30_000_000_000
        assert 3 <= sizes[state] <= 12
        assert len(set(tape.trades.price[burst].tolist())) == 1
        assert set(tape.trades.side[burst].tolist()) == {3}
    assert sizes.max() <= 12


def test_the_first_half_hour_is_busier_than_noon(market: Market) -> None:
    times = market.tape(SAMSUNG, DAY).trade_times()
    first = ((times >= at(9)) & (times < at(9, 30))).sum()
    noon = ((times >= at(12)) & (times < at(12, 30))).sum()
    assert first > 2 * noon > 0


class Hours(NamedTuple):
    """Hours of a day by section 8 of the broker reference; `ends` is when its last trade may be."""

    day: date
    opens: int
    closing_auction: int
    off_hours: tuple[int, int]
    ends: int


@pytest.mark.parametrize(
    "hours",
    [
        Hours(date(2026, 9, 15), at(9), at(15, 20), (at(15, 40), at(16)), at(20)),
        Hours(date(2026, 9, 11), at(9), at(15, 20), (at(15, 40), at(16)), at(16)),
        Hours(date(2026, 1, 2), at(10), at(15, 20), (at(15, 40), at(16)), at(16)),
        Hours(date(2026, 11, 19), at(10), at(16, 20), (at(16, 40), at(17)), at(20)),
    ],
    ids=["normal", "before the after-market", "New Year", "exam day"],
)
def test_trades_keep_to_the_hours_of_the_day(market: Market, hours: Hours) -> None:
    tape = market.tape(SAMSUNG, hours.day)
    times, moments = tape.trade_times(), tape.states.moment[tape.trades.state]
    assert hours.opens < times[0] < hours.opens + 30_000_000_000
    assert times[-1] <= hours.ends
    at_close = times[moments == Moment.OFF_HOURS_CLOSE]
    assert len(at_close)
    assert hours.off_hours[0] <= at_close.min() <= at_close.max() <= hours.off_hours[1]
    in_auction = (times >= hours.closing_auction) & (times < hours.closing_auction + 600_000_000_000)
    assert not in_auction.any()
    evening = times[moments == Moment.AFTER_MARKET]
    assert bool(len(evening)) == (hours.ends == at(20))
    assert (evening >= hours.off_hours[1]).all()


def test_a_suspended_symbol_has_no_trades_and_no_books(market: Market) -> None:
    suspended = [one.code for one in market.instruments.values() if one.suspended]
    assert suspended
    for code in suspended:
        tape = market.tape(code, DAY)
        assert len(tape.trades) == len(tape.states) == 0


def test_exchange_traded_funds_do_not_trade_in_the_after_market(market: Market) -> None:
    tape = market.tape("069500", DAY)
    assert market.instruments["069500"].group == "EF"
    assert len(tape.trades)
    assert not (tape.states.moment == Moment.AFTER_MARKET).any()


def test_cumulative_figures_go_on_in_the_after_market_or_restart_by_setting(market: Market) -> None:
    going_on, restarting = market.tape(SAMSUNG, DAY), fresh(after_market_restarts=True).tape(SAMSUNG, DAY)
    evening = int((going_on.states.moment[going_on.trades.state] != Moment.AFTER_MARKET).sum())
    assert (going_on.trades.price == restarting.trades.price).all()
    assert (np.diff(going_on.trades.cumulative_volume) == going_on.trades.volume[1:]).all()
    assert restarting.trades.cumulative_volume[evening] == restarting.trades.volume[evening]
    assert restarting.trades.open[evening] == evening
    assert restarting.trades.high[evening] == evening
    assert (
        restarting.trades.cumulative_volume[:evening] == going_on.trades.cumulative_volume[:evening]
    ).all()


def test_density_scales_the_trades_but_not_the_volume(market: Market) -> None:
    sparse = fresh(density=0.2).tape(SAMSUNG, DAY)
    full = market.tape(SAMSUNG, DAY)
    assert 0.15 < len(sparse.trades) / len(full.trades) < 0.25
    assert sparse.trades.volume.sum() == full.trades.volume.sum()


def test_totals_of_a_stretch_are_the_differences_of_the_cumulative_figures(market: Market) -> None:
    tape = market.tape(SAMSUNG, DAY)
    found = totals(tape, 500, 900)
    assert found.trades == 400
    assert found.shares == tape.trades.cumulative_volume[899] - tape.trades.cumulative_volume[499]
    assert found.value == tape.trades.cumulative_value[899] - tape.trades.cumulative_value[499]
    assert (found.buy_trades, found.sell_trades) == (
        tape.trades.buys[899] - tape.trades.buys[499],
        tape.trades.sells[899] - tape.trades.sells[499],
    )
    assert found.cumulative_volume == tape.trades.cumulative_volume[899]


def test_the_market_is_as_large_as_it_should_be(market: Market) -> None:
    """Twenty active symbols make 50,000 to 70,000 trades, the tail a few dozen each."""
    ordinary = [
        one
        for one in market.instruments.values()
        if one.group == "ST" and one.base_price >= 4000 and not one.suspended and one.preferred_class == "0"
    ]
    active = sorted(ordinary, key=lambda one: -one.previous_volume)
    assert 50_000 < sum(len(market.tape(one.code, DAY).trades) for one in active[:20]) < 70_000
    assert 10 < np.median([len(market.tape(one.code, DAY).trades) for one in active[-200:]]) < 60
