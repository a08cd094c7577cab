"""A day against the broker's figures: every difference has a reason with evidence of its own, or none."""

from dataclasses import replace

import pytest

from observer_core.accounting.compared import CapturedDay, Evidence, Outcome, Reason, Span, Watch
from observer_core.accounting.reconciliation import reconcile, reconcile_silent, share_explained
from observer_core.brokers.kis.daily import DailyFigures

OPENS, FIRST, LAST, ENDS = 9_000, 9_010, 19_900, 20_000
# 1,000 shares at 100 KRW each, the last 200 of them in the evening, between 90 and 110.
OFFICIAL = DailyFigures(95, 110, 90, 100, 1_000, 100_000)
DAY = CapturedDay(
    symbol="005930",
    venue="KRX",
    captured=1_000,
    value=100_000,
    total=1_000,
    before_evening=800,
    first=None,
    breaks=(),
    overlapping=0,
    first_ns=FIRST,
    last_ns=LAST,
    open_price=95,
    regular_open=95,
    high_price=110,
    low_price=90,
    high_before_evening=105,
    low_before_evening=92,
    close_price=100,
    last_price=104,
)
ALL_DAY = Evidence(OPENS, ENDS, (Watch(0),))


def without(shares, **changes):
    """A day that lacks some shares, at 100 KRW each."""
    return replace(DAY, captured=1_000 - shares, value=100_000 - 100 * shares, **changes)


def test_a_day_that_is_the_brokers_agrees():
    found = reconcile(DAY, OFFICIAL, ALL_DAY)
    assert (found.outcome, found.unexplained, found.differences) == (Outcome.AGREES, 0, [])


def test_a_broker_that_did_not_answer_is_no_difference():
    found = reconcile(DAY, None, ALL_DAY)
    assert found.outcome is Outcome.NOT_ANSWERED
    assert share_explained([found]) == 1.0


@pytest.mark.parametrize(
    ("changes", "evidence", "reason"),
    [
        (
            {"first": Span(0, 50)},
            {"watches": (Watch(FIRST - 1),), "undertaken_ns": FIRST - 2},
            Reason.BEFORE_WATCH,
        ),
        # It was for us to watch it: the collector began late, or its line was not up.
        ({"first": Span(0, 50)}, {"watches": (Watch(FIRST - 1),)}, Reason.OUTAGE),
        (
            {"first": Span(0, 50)},
            {"watches": (Watch(FIRST - 1),), "undertaken_ns": OPENS - 10},
            Reason.OUTAGE,
        ),
        ({"first": Span(0, 50)}, {"watches": (Watch(FIRST),), "departed": True}, Reason.JOURNAL_DEPARTED),
        ({"first": Span(0, 50)}, {"watches": (Watch(0, OPENS + 1), Watch(OPENS + 5))}, Reason.OUTAGE),
        ({"breaks": (Span(300, 350),)}, {"holes": (Span(300, 350),)}, Reason.HOLE),
        # A hole of which the broker's list has filled the begin and the end.
        ({"breaks": (Span(300, 350),)}, {"holes": (Span(200, 400),)}, Reason.HOLE),
        ({"breaks": (Span(300, 350),)}, {"unwatched": (Span(300, 350),)}, Reason.UNWATCHED),
        ({"breaks": (Span(300, 350),)}, {"quarantined": 1}, Reason.QUARANTINED),
        ({"total": 950}, {"watches": (Watch(0, LAST + 1, released=True),)}, Reason.AFTER_WATCH),
        ({"total": 950}, {"watches": (Watch(0, LAST + 1),)}, Reason.OUTAGE),
        ({"total": 950}, {"unsealed": True}, Reason.UNSEALED),
        ({"breaks": (Span(300, 350),)}, {"departed": True}, Reason.JOURNAL_DEPARTED),
    ],
)
def test_missing_shares_have_the_reason_that_was_recorded(changes, evidence, reason):
    found = reconcile(without(50, **changes), OFFICIAL, replace(ALL_DAY, **evidence))
    assert found.outcome is Outcome.EXPLAINED
    assert found.reasons == {reason: 50}
    assert {one.figure for one in found.differences} == {"volume", "value"}
    assert share_explained([found]) == 1.0


@pytest.mark.parametrize(
    "changes",
    [{"first": Span(0, 50)}, {"breaks": (Span(300, 350),)}, {"total": 950}],
    ids=["at the begin", "within", "at the end"],
)
def test_missing_shares_of_a_watched_symbol_without_a_record_are_unexplained(changes):
    """No reason follows from the difference alone."""
    found = reconcile(without(50, **changes), OFFICIAL, ALL_DAY)
    assert found.outcome is Outcome.UNEXPLAINED
    assert found.unexplained == 50
    assert share_explained([found]) == 0.95


def test_a_symbol_that_a_restart_selects_once_more_was_watched_before():
    """Its trades are there from long before: what is missing ahead of them was for us to record."""
    evidence = replace(ALL_DAY, watches=(Watch(FIRST + 10**12),), undertaken_ns=FIRST + 10**12)
    found = reconcile(without(50, first=Span(0, 50)), OFFICIAL, evidence)
    assert found.reasons == {Reason.OUTAGE: 50}


def test_a_hole_that_is_smaller_than_what_is_missing_explains_nothing():
    evidence = replace(ALL_DAY, holes=(Span(300, 340),))
    assert reconcile(without(50, breaks=(Span(300, 350),)), OFFICIAL, evidence).unexplained == 50


def test_one_quarantined_line_explains_one_place_and_not_two():
    ours = without(60, breaks=(Span(300, 330), Span(500, 530)))
    assert reconcile(ours, OFFICIAL, replace(ALL_DAY, quarantined=1)).unexplained == 60
    assert reconcile(ours, OFFICIAL, replace(ALL_DAY, quarantined=2)).unexplained == 0


def test_a_broker_whose_day_ends_before_the_after_market_is_understood_by_its_exact_volume():
    """4.7: whether the daily row includes the after-market is not confirmed."""
    early = DailyFigures(95, 105, 92, 100, 800, 79_500)
    found = reconcile(DAY, early, ALL_DAY)
    assert found.outcome is Outcome.EXPLAINED
    assert found.reasons == {Reason.AFTER_MARKET_LEFT_OUT: 200}
    assert {one.reason for one in found.differences} == {Reason.AFTER_MARKET_LEFT_OUT}
    assert reconcile(DAY, replace(early, volume=790), ALL_DAY).outcome is Outcome.UNEXPLAINED


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"close_price": 104}, Reason.LAST_PRICE),
        ({"close_price": 99}, None),
        ({"high_price": 120}, None),
        ({"high_price": 108}, None),
        ({"low_price": 91}, None),
        ({"open_price": 96}, None),
        ({"value": 100_001}, None),
    ],
)
def test_a_price_that_differs_without_a_share_missing_is_unexplained_unless_it_is_of_the_list(
    changed, reason
):
    (difference,) = reconcile(DAY, replace(OFFICIAL, **changed), ALL_DAY).differences
    assert difference.reason is reason


def test_missing_shares_may_have_made_the_high_and_never_lowered_it():
    evidence = replace(ALL_DAY, holes=(Span(300, 350),))
    ours = without(50, breaks=(Span(300, 350),))
    higher = reconcile(ours, replace(OFFICIAL, high_price=115), evidence)
    assert {one.figure: one.reason for one in higher.differences}["high"] is Reason.IN_MISSING_SHARES
    lower = reconcile(ours, replace(OFFICIAL, high_price=107), evidence)
    assert lower.outcome is Outcome.UNEXPLAINED


def test_the_value_of_missing_shares_lies_between_the_days_prices():
    evidence = replace(ALL_DAY, holes=(Span(300, 350),))
    ours = without(50, breaks=(Span(300, 350),))
    assert reconcile(replace(ours, value=94_400), OFFICIAL, evidence).outcome is Outcome.UNEXPLAINED
    assert reconcile(replace(ours, value=94_600), OFFICIAL, evidence).outcome is Outcome.EXPLAINED


def test_cumulative_volumes_that_contradict_each_other_are_unexplained():
    assert reconcile(replace(DAY, overlapping=7), OFFICIAL, ALL_DAY).unexplained == 7


def test_an_open_of_the_regular_session_is_one_of_the_list():
    """NXT: whether its day begins with the pre-market is not documented."""
    ours = replace(DAY, venue="NXT", open_price=94, regular_open=95)
    (difference,) = reconcile(ours, OFFICIAL, ALL_DAY).differences
    assert difference.reason is Reason.REGULAR_SESSION_ONLY


def test_watches_that_join_without_a_break_cover_what_lies_between():
    watches = (Watch(0, 10_000), Watch(10_000, 12_000), Watch(12_001))
    evidence = Evidence(OPENS, ENDS, watches)
    assert evidence.covers(OPENS, 12_000)
    assert not evidence.covers(OPENS, 12_001)
    assert evidence.covers(12_001, ENDS)


MINUTES = 60 * 10**9
MORNING, EVENING = 540 * MINUTES, 1_200 * MINUTES


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        ({"watches": (Watch(0),)}, None),
        ({"watches": (Watch(MORNING - 1, EVENING + 1),)}, None),
        ({"watches": (Watch(0),), "quarantined": 3}, Reason.QUARANTINED),
        ({"watches": (Watch(0),), "departed": True}, Reason.JOURNAL_DEPARTED),
        ({"watches": (Watch(0),), "unsealed": True}, Reason.UNSEALED),
        ({"watches": (Watch(0, MORNING + MINUTES, released=True),)}, Reason.AFTER_WATCH),
        ({"watches": (Watch(0, EVENING - 60 * MINUTES, released=True),)}, None),
        ({"watches": (Watch(0, MORNING + 300 * MINUTES), Watch(MORNING + 301 * MINUTES))}, None),
        ({"watches": (Watch(0, MORNING + 300 * MINUTES),)}, Reason.OUTAGE),
        ({"watches": ()}, Reason.OUTAGE),
        ({"watches": (Watch(MORNING + 1),), "undertaken_ns": MORNING + 1}, None),
        (
            {"watches": (Watch(MORNING + 401 * MINUTES),), "undertaken_ns": MORNING + 400 * MINUTES},
            Reason.BEFORE_WATCH,
        ),
        ({"watches": (), "undertaken_ns": MORNING + 400 * MINUTES}, Reason.OUTAGE),
        (
            {"watches": (Watch(MORNING + 500 * MINUTES),), "undertaken_ns": MORNING + 400 * MINUTES},
            Reason.OUTAGE,
        ),
    ],
)
def test_a_symbol_without_a_trade_lacks_what_the_broker_states(evidence, reason):
    found = reconcile_silent("005930", "KRX", 700, Evidence(MORNING, EVENING, **evidence))
    assert (found.official, found.captured) == (700, 0)
    assert found.reasons == ({} if reason is None else {reason: 700})
    assert found.unexplained == (700 if reason is None else 0)
    assert found.outcome is (Outcome.UNEXPLAINED if reason is None else Outcome.EXPLAINED)


def test_what_was_recorded_of_a_symbol_without_a_trade_explains_its_own_shares_only():
    """All of its trades were set aside, say: the hole is known, and what was traded without a slot."""
    evidence = Evidence(
        MORNING, EVENING, (Watch(0),), holes=(Span(0, 100),), unwatched=(Span(100, 400), Span(500, 600))
    )
    found = reconcile_silent("005930", "KRX", 700, evidence)
    assert found.reasons == {Reason.HOLE: 100, Reason.UNWATCHED: 400}
    assert found.unexplained == 200
    assert reconcile_silent("005930", "KRX", 450, evidence).outcome is Outcome.EXPLAINED


def test_a_symbol_that_nobody_traded_agrees_and_one_without_an_answer_says_nothing():
    assert reconcile_silent("005930", "KRX", 0, ALL_DAY).outcome is Outcome.AGREES
    assert reconcile_silent("005930", "KRX", None, ALL_DAY).outcome is Outcome.NOT_ANSWERED
