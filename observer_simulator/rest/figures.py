"""Values of quote answers as the broker writes them: texts, `-` when down, no `+` when up."""

from __future__ import annotations

from observer_simulator.market.quote import Quote
from observer_simulator.market.tape import Tape


def change_sign(price: int, tape: Tape) -> str:
    """Returns the sign code of a price against the base (broker reference, 7.2); 3 for no price."""
    if price >= tape.upper_limit:
        return "1"
    if 0 < price <= tape.lower_limit:
        return "4"
    if price in (0, tape.base_price):
        return "3"
    return "2" if price > tape.base_price else "5"


def change(price: int, tape: Tape) -> str:
    """Returns a price minus the base; 0 for no price."""
    return str(price - tape.base_price if price else 0)


def change_rate(price: int, tape: Tape) -> str:
    """Returns the change in percent of the base with two decimals; 0.00 for no price."""
    return percent(price - tape.base_price if price else 0, tape.base_price)


def percent(part: int, whole: int) -> str:
    """Returns part / whole in percent with two decimals; 0.00 where the whole is 0."""
    return f"{part / whole * 100 if whole else 0.0:.2f}"


def average_price(quote: Quote) -> str:
    """Returns the volume weighted average price with two decimals."""
    value, volume = quote.cumulative_value, quote.cumulative_volume
    return f"{value / volume if volume else 0.0:.2f}"
