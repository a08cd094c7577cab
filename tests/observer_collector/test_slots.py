"""Who holds the registrations."""

from datetime import date

from observer_collector.slots import Pair, choose_pairs
from observer_core.reference.instrument import Market
from observer_core.reference.universe import Universe, UniverseSymbol

CHANNELS = ("H0STCNT0", "H0STASP0")


def universe(**values):
    """Makes a universe of symbols with these traded values in won."""
    symbols = tuple(
        UniverseSymbol(code[1:], code, Market.KOSPI, 1000, value // 1000) for code, value in values.items()
    )
    day = date(2026, 9, 15)
    return Universe(day, day, "packaged-listing", len(symbols), {}, {}, symbols)


def test_the_most_traded_symbols_hold_the_slots():
    """By previous volume times base price; both channels of a symbol or none."""
    day = universe(A000001=5_000, A000002=9_000, A000003=7_000)
    pairs = choose_pairs(day, pinned=(), channels=CHANNELS, registrations=5)
    assert pairs == (
        Pair("H0STCNT0", "000002"),
        Pair("H0STASP0", "000002"),
        Pair("H0STCNT0", "000003"),
        Pair("H0STASP0", "000003"),
    )


def test_pinned_symbols_come_first_even_from_outside_the_universe():
    day = universe(A000001=5_000, A000002=9_000)
    pairs = choose_pairs(day, pinned=("069500", "000001"), channels=("H0STCNT0",), registrations=3)
    assert [pair.symbol for pair in pairs] == ["069500", "000001", "000002"]


def test_forty_one_registrations_are_twenty_symbols():
    day = universe(**{f"A{number:06d}": 1_000 * number for number in range(1, 100)})
    pairs = choose_pairs(day, pinned=(), channels=CHANNELS, registrations=41)
    assert len(pairs) == 40
    assert len({pair.symbol for pair in pairs}) == 20
