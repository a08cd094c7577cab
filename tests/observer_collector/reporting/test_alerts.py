"""What is critical, and how often it is said."""

from datetime import date

import pytest
from readiness_facts import recording_facts

from observer_collector.moments import Moment
from observer_collector.reporting.alerts import Board, Condition, critical
from observer_collector.session.watch import Delivery
from observer_core.journal import JournalState
from observer_core.market.calendar import Phase


def at(seconds):
    return Moment(int(seconds * 1e9), int(seconds * 1e9))


def facts(**changes):
    return recording_facts(at(1000), **changes)


NIGHT = {"phase": Phase.CLOSED, "data_due": False, "confirmed": 0, "last_data": None}
REFUSED = {"refusal": "EGW00103 wrong key", "confirmed": 0}
FULL = {"journal": (JournalState.WRITABLE, JournalState.DISK_FULL)}


@pytest.mark.parametrize(
    ("changes", "data_soon", "expected"),
    [
        ({}, True, {}),
        (NIGHT, False, {}),
        (NIGHT | {"problem": "no connection"}, False, {}),
        (NIGHT | {"recovering": True}, False, {}),
        (NIGHT | REFUSED, False, {}),
        (NIGHT | REFUSED, True, {Condition.BROKER_REFUSES: "EGW00103 wrong key"}),
        (REFUSED, True, {Condition.BROKER_REFUSES: "EGW00103 wrong key"}),
        (NIGHT | FULL, False, {Condition.DISK_FULL: "journal not writable: disk_full"}),
        (FULL | REFUSED, True, {Condition.DISK_FULL: "journal not writable: disk_full"}),
        (
            {"journal": (JournalState.FAILING, JournalState.WRITABLE)},
            True,
            {Condition.JOURNAL_FAILING: "journal not writable: failing"},
        ),
        ({"recovering": True}, True, {Condition.NOT_COLLECTING: "recovering the journal"}),
        (
            {"universe_missing": date(2026, 9, 15)},
            True,
            {Condition.NOT_COLLECTING: "no universe for 2026-09-15"},
        ),
        (
            {"delivery": Delivery(expected=36, due=36, recent=0, last=at(900))},
            True,
            {Condition.NOT_COLLECTING: "external: connected, but no data come"},
        ),
        (FULL | {"standby": True}, True, {}),
        (FULL | {"stopping": True}, True, {}),
    ],
)
def test_the_cause_is_named_and_nothing_at_night(changes, data_soon, expected):
    """One condition for what keeps data away; a standby, a stop and a quiet night have none."""
    assert critical(facts(**changes), at(1010), data_soon=data_soon, breaches=()) == expected


def test_a_broken_contract_stands_beside_the_rest():
    found = critical(facts(**FULL), at(1010), data_soon=True, breaches=("VOL-001", "PATH-002"))
    assert found == {
        Condition.DISK_FULL: "journal not writable: disk_full",
        Condition.CONTRACT_BROKEN: "VOL-001, PATH-002",
    }


def told(notices):
    return [(notice.condition, notice.resolved) for notice in notices]


def test_a_condition_is_reported_once_and_taken_back_once():
    """After its patience, with the instant at which it began; the detail may change without a word."""
    board = Board({}, at(0))
    seen = {Condition.NOT_COLLECTING: "connecting"}
    assert board.observe(seen, at(100)) == []
    assert board.observe(seen, at(159)) == []
    (raised,) = board.observe({Condition.NOT_COLLECTING: "no data"}, at(160))
    assert (raised.resolved, raised.detail, raised.since_ns) == (False, "no data", 100 * 10**9)
    assert [board.observe(seen, at(second)) for second in range(161, 1000)] == [[]] * 839
    assert board.observe({}, at(1000)) == []
    assert board.observe({}, at(1058)) == []
    (over,) = board.observe({}, at(1059))
    assert (over.resolved, over.since_ns, over.at_ns) == (True, 100 * 10**9, 1059 * 10**9)
    assert board.observe({}, at(5000)) == []
    assert board.reported == []


def test_a_passing_fault_is_not_reported():
    board = Board({}, at(0))
    for second in range(0, 600, 30):
        found = {} if second % 60 else {Condition.NOT_COLLECTING: "connecting"}
        assert board.observe(found, at(second)) == []


def test_a_fault_that_returns_within_a_minute_is_the_same_one():
    board = Board({}, at(0))
    board.observe({Condition.DISK_FULL: "full"}, at(0))
    assert told(board.observe({Condition.DISK_FULL: "full"}, at(6))) == [(Condition.DISK_FULL, False)]
    assert board.observe({}, at(30)) == []
    assert board.observe({Condition.DISK_FULL: "full"}, at(50)) == []
    assert board.observe({}, at(105)) == []
    assert told(board.observe({}, at(110))) == [(Condition.DISK_FULL, True)]


def test_a_fault_hidden_by_another_one_is_not_over():
    """While the disk is full nobody knows whether the broker still refuses."""
    board = Board({}, at(0))
    board.observe({Condition.BROKER_REFUSES: "EGW00103"}, at(0))
    board.observe({Condition.BROKER_REFUSES: "EGW00103"}, at(30))
    board.observe({Condition.DISK_FULL: "full"}, at(40))
    assert told(board.observe({Condition.DISK_FULL: "full"}, at(200))) == [(Condition.DISK_FULL, False)]
    assert board.reported == [Condition.BROKER_REFUSES, Condition.DISK_FULL]
    assert told(board.observe({}, at(300))) == [(Condition.BROKER_REFUSES, True), (Condition.DISK_FULL, True)]


def test_a_contract_that_holds_again_is_over_although_data_are_away():
    board = Board({}, at(0))
    both = {Condition.CONTRACT_BROKEN: "VOL-001", Condition.DISK_FULL: "full"}
    assert told(board.observe(both, at(0))) == [(Condition.CONTRACT_BROKEN, False)]
    board.observe({Condition.DISK_FULL: "full"}, at(10))
    assert told(board.observe({Condition.DISK_FULL: "full"}, at(100))) == [(Condition.CONTRACT_BROKEN, True)]


def test_what_an_earlier_process_reported_is_neither_repeated_nor_forgotten():
    board = Board({Condition.DISK_FULL: (5 * 10**9, "full")}, at(100))
    assert board.observe({Condition.DISK_FULL: "full"}, at(101)) == []
    (over,) = board.observe({}, at(161))
    assert (over.condition, over.resolved, over.since_ns) == (Condition.DISK_FULL, True, 5 * 10**9)


def test_a_fast_virtual_minute_raises_nothing():
    """A minute of the market that lasted a tenth of a second is not long enough."""
    board = Board({}, Moment(0, 0))
    seen = {Condition.NOT_COLLECTING: "connecting"}
    board.observe(seen, Moment(0, 0))
    assert board.observe(seen, Moment(120 * 10**9, 100_000_000)) == []
