"""The price grid against the KRX table."""

import pytest

from observer_core.market.ticks import price_limits, round_to_tick, tick_size


@pytest.mark.parametrize(
    ("price", "tick"),
    [(1, 1), (1999, 1), (2000, 5), (4999, 5), (5000, 10), (19990, 10), (20000, 50), (49950, 50),
     (50000, 100), (199900, 100), (200000, 500), (499500, 500), (500000, 1000)],
)  # fmt: skip
def test_tick_sizes_at_the_borders(price: int, tick: int) -> None:
    """Broker reference 4.17: the border price belongs to the band above."""
    assert tick_size(price) == tick


def test_rounding_stays_on_the_grid() -> None:
    """Half a tick rounds up; nothing rounds to zero."""
    assert round_to_tick(20_024) == 20_000
    assert round_to_tick(20_025) == 20_050
    assert round_to_tick(0) == 1


@pytest.mark.parametrize(("base", "limits"), [(10_000, (7_000, 13_000)), (71_900, (50_400, 93_400))])
def test_daily_limits(base: int, limits: tuple[int, int]) -> None:
    """30 % around the base price, inside the grid."""
    assert price_limits(base) == limits
