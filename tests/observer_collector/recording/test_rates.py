"""The rates of the last half hour, and the latest holes."""

from dataclasses import replace

from observer_collector.recording.flows import Flows
from observer_collector.recording.hole_ledger import HoleLedger
from observer_collector.recording.rates import RateRing
from observer_collector.slots.registrations import Pair
from observer_core.accounting import Hole

SECOND = 1_000_000_000
BEGIN = 1_789_000_000 * SECOND


def test_a_rate_is_what_came_between_two_samples():
    """Ten looks a second, one sample in ten seconds: 5 records/s, then 20."""
    ring = RateRing()
    for tenth in range(301):
        total = min(tenth, 100) * 5 // 10 + max(0, tenth - 100) * 2
        ring.observe(BEGIN + tenth * SECOND // 10, total)
    assert ring.per_second(BEGIN + 30 * SECOND) == [
        (BEGIN + 10 * SECOND, 5.0),
        (BEGIN + 20 * SECOND, 20.0),
        (BEGIN + 30 * SECOND, 20.0),
    ]


def test_a_pause_makes_a_sample_longer_and_not_wrong():
    ring = RateRing()
    ring.observe(BEGIN, 0)
    ring.observe(BEGIN + 300 * SECOND, 600)
    assert ring.per_second(BEGIN + 300 * SECOND) == [(BEGIN + 300 * SECOND, 2.0)]


def test_it_holds_half_an_hour_and_no_more():
    """A day of one record a second leaves 180 samples; an hour later nothing of them is shown."""
    ring = RateRing()
    for step in range(8640):
        ring.observe(BEGIN + step * 10 * SECOND, step * 10)
    last = BEGIN + 8639 * 10 * SECOND
    samples = ring.per_second(last)
    assert len(samples) == 180
    assert {rate for _, rate in samples} == {1.0}
    assert ring.per_second(last + 3600 * SECOND) == []


HOLE = Hole(
    "H0STCNT0", "005930", "20260915", 10, 20, 10, 700_000, 2, 1, 1, 5, 5, BEGIN, BEGIN + 1, "continuous"
)


def test_the_ledger_keeps_the_latest_holes_and_what_became_of_them():
    ledger = HoleLedger()
    holes = [replace(HOLE, from_cumulative=number) for number in range(60)]
    for hole in holes:
        ledger.found(hole)
    ledger.settled(holes[59], {"outcome": "partial", "missing_shares": 3})
    # Long gone: no error, and it does not come back.
    ledger.settled(holes[0], {"outcome": "healed"})
    latest = ledger.latest()
    assert [entry.hole.from_cumulative for entry in latest] == list(range(59, 9, -1))
    assert (latest[0].outcome, latest[0].missing_shares) == ("partial", 3)
    assert latest[1].outcome == ""


def test_a_clock_that_is_set_back_begins_a_new_half_hour():
    """No rate is below zero or lies in the future, and none is missing for as long as the step was."""
    ring = RateRing()
    for step in range(5):
        ring.observe(BEGIN + step * 10 * SECOND, step * 100)
    back = BEGIN - 2_400 * SECOND
    for step in range(3):
        ring.observe(back + step * 10 * SECOND, 500 + step * 30)
    assert ring.per_second(back + 20 * SECOND) == [(back + 10 * SECOND, 3.0), (back + 20 * SECOND, 3.0)]


def test_a_clock_that_is_put_right_by_little_costs_no_sample():
    ring = RateRing()
    for instant in (0, 10, 9, 20):
        ring.observe(BEGIN + instant * SECOND, instant)
    assert ring.per_second(BEGIN + 20 * SECOND) == [(BEGIN + 10 * SECOND, 1.0), (BEGIN + 20 * SECOND, 1.0)]


def test_the_rate_of_a_registration_goes_on_after_a_clock_was_set_back():
    flows = Flows()
    flows.count("H0STCNT0", "005930", BEGIN)
    flows.sample(BEGIN)
    flows.sample(BEGIN - 2_400 * SECOND)
    for _ in range(50):
        flows.count("H0STCNT0", "005930", BEGIN)
    flows.sample(BEGIN - 2_390 * SECOND)
    assert flows.of(Pair("H0STCNT0", "005930")).per_second == 5.0
