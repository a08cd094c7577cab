"""The days of a symbol without their trades."""

from __future__ import annotations

from datetime import date

import pytest

from observer_core.errors import ConfigurationError
from observer_core.market.calendar import MarketCalendar
from observer_core.market.ticks import price_limits
from observer_core.reference.listing import read_listing
from observer_simulator.market.history import History
from observer_simulator.market.market import Market


def history() -> History:
    return History(20260915, MarketCalendar())


def test_a_later_day_does_not_change_an_earlier_one() -> None:
    samsung = next(one for one in read_listing() if one.code == "005930")
    far_first, near_first = history(), history()
    far_first.figures(samsung, date(2028, 9, 14))
    assert far_first.figures(samsung, date(2026, 9, 15)) == near_first.figures(samsung, date(2026, 9, 15))


def test_every_close_is_within_the_limits_of_its_base(market: Market) -> None:
    for day in (date(2025, 6, 5), date(2026, 3, 9), date(2026, 9, 15)):
        for code in market.instruments:
            figures = market.figures(code, day)
            lower, upper = price_limits(figures.base_price)
            assert lower <= figures.close_price <= upper


def test_base_and_previous_volume_come_from_the_trading_day_before(market: Market) -> None:
    """2026-09-23 is the last trading day before the Chuseok holidays, 2026-09-28 the next."""
    before = market.figures("005930", date(2026, 9, 23))
    after = market.figures("005930", date(2026, 9, 28))
    assert (after.base_price, after.previous_volume) == (before.close_price, before.volume)


def test_a_day_before_the_simulated_past_names_the_remedy(market: Market) -> None:
    with pytest.raises(ConfigurationError, match="simulated clock"):
        market.figures("005930", date(2024, 12, 30))


def test_days_are_listed_backwards_and_are_trading_days(market: Market) -> None:
    days = market.days_before(date(2026, 1, 2), 3)
    assert days == [date(2026, 1, 2), date(2025, 12, 30), date(2025, 12, 29)]
