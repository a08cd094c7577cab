"""Who holds the registrations, minute by minute."""

from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from observer_collector.slots.plan import Cause, Signal, SlotPlanner, SlotRules
from observer_collector.slots.registrations import Pair
from observer_core.reference.instrument import Market
from observer_core.reference.universe import Universe, UniverseSymbol

CHANNELS = ("H0STCNT0", "H0STASP0")
INDICES = tuple(Pair("H0UPCNT0", code) for code in ("0001", "1001", "2001"))
SECOND = 1_000_000_000
START = 1_789_434_000 * SECOND


def universe(*codes, kosdaq=()):
    """Makes a universe of symbols, the most traded first."""
    symbols = tuple(
        UniverseSymbol(code, code, Market.KOSDAQ if code in kosdaq else Market.KOSPI, 1000, 10_000 - number)
        for number, code in enumerate(codes)
    )
    day = date(2026, 9, 15)
    return Universe(day, day, "packaged-listing", len(symbols), {}, {}, symbols)


def codes(count):
    return [f"{number:06d}" for number in range(count)]


def planner(day=None, **rules):
    found = SlotPlanner(SlotRules(**{"registrations": 9, "channels": CHANNELS, **rules}))
    found.adopt(day or universe(*codes(30)))
    return found


def watched(plan):
    return list(dict.fromkeys(pair.symbol for pair in plan.pairs if pair.channel == "H0STCNT0"))


def surge(symbol, at=START, strength=1.0, cause=Cause.VOLUME_SURGE):
    return Signal(symbol, cause, strength, at)


def test_the_most_traded_symbols_hold_the_slots():
    """By previous volume times base price; both channels of a symbol or none."""
    plan = planner(registrations=5).plan(START)
    assert plan.pairs == tuple(Pair(channel, symbol) for symbol in codes(2) for channel in CHANNELS)
    assert [(one.symbol, one.entered, one.cause) for one in plan.changes] == [
        ("000000", True, Cause.TRADED_VALUE),
        ("000001", True, Cause.TRADED_VALUE),
    ]


def test_all_forty_one_registrations_are_used_by_default():
    """Three indices, one market operation for each market, and eighteen symbols with trades and books."""
    day = universe(*codes(100), kosdaq={"000007"})
    plan = planner(day, registrations=41, fixed=INDICES, market_operation="H0STMKO0").plan(START)
    assert len(plan.pairs) == 41
    assert plan.pairs[:3] == INDICES
    assert set(plan.pairs[3:5]) == {Pair("H0STMKO0", "000000"), Pair("H0STMKO0", "000007")}
    assert len(watched(plan)) == 18


def test_pinned_symbols_come_first_even_from_outside_the_universe():
    """With channels of their own where they have them."""
    pinned = {"069500": ("H0STCNT0",), "000020": CHANNELS}
    plan = planner(registrations=5, pinned=pinned).plan(START)
    assert plan.pairs == (
        Pair("H0STCNT0", "069500"),
        Pair("H0STCNT0", "000020"),
        Pair("H0STASP0", "000020"),
        Pair("H0STCNT0", "000000"),
        Pair("H0STASP0", "000000"),
    )


def test_a_signal_takes_the_place_of_the_least_traded_symbol():
    """The change is told: who enters and why, who leaves and how long it was held."""
    desk = planner(signal_symbols=1)
    desk.plan(START)
    later = START + 600 * SECOND
    desk.signal(surge("000025", later, 2.0))
    plan = desk.plan(later)
    assert watched(plan) == ["000025", "000000", "000001", "000002"]
    left, entered = plan.changes
    assert (left.symbol, left.entered, left.held_ns) == ("000003", False, 600 * SECOND)
    assert (entered.symbol, entered.cause, entered.score) == ("000025", Cause.VOLUME_SURGE, 3.0)


def test_a_symbol_is_held_for_two_minutes_at_least():
    """A stronger signal waits in the overflow until the dwell is over."""
    desk = planner(signal_symbols=1, signal_seconds=60)
    desk.plan(START - 600 * SECOND)
    desk.signal(surge("000025", START))
    desk.plan(START)
    desk.signal(surge("000026", START + 30 * SECOND, 5.0))
    plan = desk.plan(START + 30 * SECOND)
    assert "000025" in watched(plan)
    assert [one.symbol for one in plan.overflow] == ["000026"]
    desk.signal(surge("000026", START + 119 * SECOND, 5.0))
    assert "000026" not in watched(desk.plan(START + 119 * SECOND))
    plan = desk.plan(START + 120 * SECOND)
    assert "000026" in watched(plan)
    assert "000025" not in watched(plan)
    assert plan.overflow == ()


def test_a_signal_that_is_a_little_stronger_does_not_take_a_held_place():
    """Hysteresis: a fifth more interest is needed, or two symbols would change places all day."""
    desk = planner(signal_symbols=1, signal_seconds=3600)
    desk.plan(START - 600 * SECOND)
    desk.signal(surge("000025", START, 2.0))
    desk.plan(START)
    later = START + 300 * SECOND
    desk.signal(surge("000026", later, 2.5))
    assert "000025" in watched(desk.plan(later))
    desk.signal(surge("000026", later, 2.7))
    assert "000026" in watched(desk.plan(later))


def test_signals_take_no_more_than_their_share():
    desk = planner(signal_symbols=2)
    desk.plan(START - 600 * SECOND)
    for number in range(20, 26):
        desk.signal(surge(f"0000{number}", START, number))
    plan = desk.plan(START)
    assert watched(plan) == ["000025", "000024", "000000", "000001"]
    assert [one.symbol for one in plan.overflow] == ["000023", "000022", "000021", "000020"]


def test_a_signal_of_a_symbol_that_is_safe_takes_no_place_from_another():
    desk = planner(signal_symbols=1)
    desk.plan(START - 600 * SECOND)
    desk.signal(surge("000000", START, 9.0))
    desk.signal(surge("000025", START, 1.0))
    assert set(watched(desk.plan(START))) == {"000000", "000001", "000002", "000025"}


def test_when_a_signal_has_passed_the_most_traded_symbol_comes_back():
    desk = planner(signal_symbols=1)
    desk.plan(START - 600 * SECOND)
    desk.signal(surge("000025", START))
    desk.plan(START)
    assert "000025" in watched(desk.plan(START + 299 * SECOND))
    assert watched(desk.plan(START + 300 * SECOND)) == codes(4)


def test_a_new_day_begins_with_its_own_ranking():
    desk = planner(signal_symbols=1)
    desk.signal(surge("000025", START))
    desk.plan(START)
    desk.adopt(universe("000020", "000021", "000022", "000023"))
    plan = desk.plan(START + SECOND)
    assert watched(plan) == ["000020", "000021", "000022", "000023"]
    assert {change.held_ns for change in plan.changes if not change.entered} == {SECOND}


symbols = st.sampled_from(codes(12))
steps = st.lists(
    st.tuples(st.integers(0, 200), st.none() | st.tuples(symbols, st.floats(1, 10))), max_size=30
)


@settings(max_examples=150, deadline=None)
@given(
    steps=steps,
    registrations=st.integers(1, 12),
    signal_symbols=st.integers(0, 4),
    pinned=st.lists(symbols, unique=True, max_size=2),
)
def test_whatever_happens_the_rules_hold(steps, registrations, signal_symbols, pinned):
    """Never too many pairs, whole symbols only, pinned ones always, nobody out before the dwell is over."""
    desk = planner(
        universe(*codes(12)),
        registrations=registrations,
        signal_symbols=signal_symbols,
        pinned=dict.fromkeys(pinned, CHANNELS),
    )
    now, entered, before = START, {}, set()
    for seconds, signal in steps:
        now += seconds * SECOND
        if signal is not None:
            desk.signal(surge(signal[0], now, signal[1]))
        plan = desk.plan(now)
        assert len(plan.pairs) <= registrations
        assert len(set(plan.pairs)) == len(plan.pairs)
        assert len(plan.pairs) == 2 * len(watched(plan))
        assert len(plan.pairs) >= min(registrations // 2 * 2, 24)
        assert set(pinned[: registrations // 2]) <= set(watched(plan))
        now_watched = set(watched(plan))
        assert {one.symbol for one in plan.changes if one.entered} == now_watched - before
        assert {one.symbol for one in plan.changes if not one.entered} == before - now_watched
        for symbol in before - now_watched:
            assert now - entered.pop(symbol) >= 120 * SECOND
        entered |= dict.fromkeys(now_watched - before, now)
        assert not {one.symbol for one in plan.overflow} & now_watched
        before = now_watched
    desk.plan(now)
    assert desk.plan(now).changes == ()


def test_a_clock_that_is_set_back_keeps_no_signal_and_no_place_for_longer():
    """After forty minutes back, what lasts for two minutes does not last for forty-two."""
    desk = planner(signal_symbols=1, signal_seconds=120)
    desk.plan(START - 600 * SECOND)
    desk.signal(surge("000025", START, 2.0))
    assert "000025" in watched(desk.plan(START))
    # NTP puts it right by a second: nothing changes.
    assert "000025" in watched(desk.plan(START - SECOND))
    assert "000025" not in watched(desk.plan(START - 2_400 * SECOND))
