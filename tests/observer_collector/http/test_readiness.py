"""Readiness speaks about data, and names whose fault it is."""

from datetime import date

import pytest

from observer_collector.http.readiness import Facts, judge
from observer_collector.moments import Moment
from observer_core.journal import JournalState
from observer_core.market.calendar import Phase

WRITABLE = (JournalState.WRITABLE, JournalState.WRITABLE)
START = Moment(0, 0)


def moment(seconds, real=None):
    return Moment(int(seconds * 1e9), int((seconds if real is None else real) * 1e9))


def facts(**changes):
    """A writer that records in the session."""
    values = {
        "standby": False,
        "stopping": False,
        "recovering": False,
        "journal": WRITABLE,
        "phase": Phase.CONTINUOUS,
        "data_due": True,
        "universe_missing": None,
        "refusal": None,
        "problem": None,
        "confirmed": 40,
        "last_data": moment(100),
        "ready_since": START,
    }
    return Facts(**(values | changes))


IDLE = {"phase": Phase.CLOSED, "data_due": False, "confirmed": 0, "last_data": None}


@pytest.mark.parametrize(
    ("changes", "ready", "reason"),
    [
        ({}, True, "recording"),
        ({"standby": True, "recovering": True}, True, "standby"),
        ({"stopping": True, "standby": True}, False, "stopping"),
        ({"recovering": True}, False, "recovering"),
        ({"journal": (JournalState.WRITABLE, JournalState.DISK_FULL)}, False, "disk_full"),
        (IDLE, True, "idle"),
        (IDLE | {"problem": "the connection ended"}, True, "idle"),
        (IDLE | {"refusal": "EGW00103"}, False, "external: EGW00103"),
        (IDLE | {"journal": (JournalState.FAILING, JournalState.WRITABLE)}, False, "failing"),
        ({"universe_missing": date(2026, 9, 15), "confirmed": 0}, False, "no universe for 2026-09-15"),
        ({"confirmed": 0, "problem": "code 1006"}, False, "external: code 1006"),
        ({"confirmed": 0, "last_data": None}, False, "external: no registration is confirmed"),
        ({"confirmed": 0, "ready_since": moment(100)}, False, "connecting"),
        ({"last_data": moment(40)}, False, "external: connected, but no data come"),
        ({"last_data": None}, False, "external: connected, but no data come"),
        ({"last_data": None, "ready_since": moment(60)}, True, "recording"),
        ({"last_data": None, "phase": Phase.CLOSING_AUCTION}, True, "connected"),
    ],
)
def test_readiness_has_a_reason(changes, ready, reason):
    found = judge(facts(**changes), moment(110))
    assert found.ready is ready
    assert reason in found.reason


def test_a_fast_virtual_clock_is_no_outage():
    """A virtual minute that lasted a tenth of a second is not long enough to miss data."""
    last = moment(40, real=99.9)
    assert judge(facts(last_data=last, ready_since=moment(0, real=95)), moment(110, real=100)).ready
