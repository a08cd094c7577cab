"""Volume surges and price moves, minute by minute."""

import pytest

from observer_collector.slots.plan import Cause
from observer_collector.slots.triggers import TriggerRules, Triggers

MINUTE = 60_000_000_000
START = 1_789_434_000 * 1_000_000_000
RULES = TriggerRules(volume_ratio=5.0, price_move=0.05, minimum_value=100_000_000)


def run(figures, *, rules=RULES, step=MINUTE):
    """Feeds (price, cumulative volume) once a step; returns (minute, cause, strength) of each signal."""
    triggers, found = Triggers(rules), []
    for number, (price, volume) in enumerate(figures):
        signals = triggers.observe("005930", START + number * step, price=price, volume=volume)
        found += [(number, one.cause, round(one.strength, 2)) for one in signals]
    return found


def steady(minutes, *, price=70_000, per_minute=1_000):
    return [(price, number * per_minute) for number in range(minutes)]


def test_five_times_the_usual_volume_is_a_surge():
    """The mean of the ten minutes before is 1,000 shares; the eleventh trades 5,000."""
    assert run([*steady(11), (70_000, 10_000 + 5_000)]) == [(11, Cause.VOLUME_SURGE, 1.0)]
    assert run([*steady(11), (70_000, 10_000 + 4_999)]) == []


def test_only_the_ten_minutes_before_count():
    """A busy opening is forgotten when a quiet hour has followed it."""
    opening = [(70_000, 0), (70_000, 1_000_000)]
    quiet = [(70_000, 1_000_000 + number * 1_000) for number in range(1, 15)]
    assert run([*opening, *quiet, (70_000, 1_014_000 + 10_000)])[-1] == (16, Cause.VOLUME_SURGE, 2.0)


def test_a_history_of_minutes_is_needed():
    """Without five minutes before it, nothing is usual."""
    assert run([(70_000, 0), (70_000, 1_000), (70_000, 100_000)]) == []


def test_five_per_cent_within_a_minute_is_a_move():
    assert run([(70_000, 0), (73_500, 2_000)]) == [(1, Cause.PRICE_MOVE, 1.0)]
    assert run([(70_000, 0), (66_500, 2_000)]) == [(1, Cause.PRICE_MOVE, 1.0)]
    assert run([(70_000, 0), (73_400, 2_000)]) == []


def test_thin_trading_is_no_signal():
    """Below a hundred million won a minute nothing counts."""
    assert run([*steady(11, per_minute=10), (70_000, 100 + 1_400)]) == []
    assert run([*steady(11, per_minute=10), (70_000, 100 + 1_429)])[0][1] is Cause.VOLUME_SURGE


def test_figures_that_come_more_often_are_compared_by_the_minute():
    """Ten-second samples give the same signal as whole minutes, at the minute's end."""
    figures = [(70_000, number * 1_000 // 6) for number in range(67)]
    surge = [(70_000, 11_000 + number * 1_000) for number in range(1, 7)]
    found = run([*figures, *surge], step=MINUTE // 6)
    assert [cause for _, cause, _ in found] == [Cause.VOLUME_SURGE]


@pytest.mark.parametrize("first", [(0, 0), (70_000, 9_000_000)])
def test_a_new_session_begins_a_new_history(first):
    """Neither a price of zero before the opening nor the volume of yesterday is compared."""
    assert run([first, *steady(11)]) == []


def test_a_clock_that_is_set_back_begins_a_new_history():
    """Six minutes of the new time are a history, although an hour of the old one lies in the future."""
    triggers = Triggers(RULES)
    for number, (price, volume) in enumerate(steady(60)):
        assert list(triggers.observe("005930", START + number * MINUTE, price=price, volume=volume)) == []
    back, found = START - 60 * MINUTE, []
    for number, volume in enumerate([*range(60_000, 67_000, 1_000), 71_000]):
        found += triggers.observe("005930", back + number * MINUTE, price=70_000, volume=volume)
    assert [(one.cause, one.at_ns) for one in found] == [(Cause.VOLUME_SURGE, back + 7 * MINUTE)]
