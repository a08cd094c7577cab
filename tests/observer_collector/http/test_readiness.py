"""Readiness speaks about data, and names whose fault it is."""

from datetime import date

import pytest
from readiness_facts import START, recording_facts

from observer_collector.http.readiness import Sweeps, judge
from observer_collector.moments import Moment
from observer_collector.session.watch import Delivery
from observer_core.journal import JournalState
from observer_core.market.calendar import Phase


def moment(seconds, real=None):
    return Moment(int(seconds * 1e9), int((seconds if real is None else real) * 1e9))


def facts(**changes):
    return recording_facts(moment(100), **changes)


IDLE = {"phase": Phase.CLOSED, "data_due": False, "confirmed": 0, "last_data": None, "delivery": Delivery()}
# Only indices and market operations are registered.
NO_SYMBOLS = {"delivery": Delivery()}


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
        # Indices come in any case: they do not hide that trades and books are silent.
        ({"delivery": Delivery(36, 36, 0, moment(40))}, False, "external: connected, but no data come"),
        ({"delivery": Delivery(36, 0, 0, None)}, False, "external: connected, but no data come"),
        ({"delivery": Delivery(36, 0, 0, None), "ready_since": moment(60)}, True, "recording"),
        ({"delivery": Delivery(36, 0, 0, None), "phase": Phase.CLOSING_AUCTION}, True, "connected"),
        ({"delivery": Delivery(36, 36, 3, moment(105))}, False, "too few registrations deliver: 3 of 36"),
        ({"delivery": Delivery(36, 36, 9, moment(105))}, True, "recording"),
        ({"delivery": Delivery(36, 4, 0, moment(105))}, True, "recording"),
        (NO_SYMBOLS | {"last_data": moment(40)}, False, "external: connected, but no data come"),
        (NO_SYMBOLS, True, "recording"),
        ({"confirmed": 1, "short_since": moment(60)}, False, "registrations are confirmed: 1 of 41"),
        ({"confirmed": 1, "short_since": moment(100)}, True, "recording"),
        ({"sweeps": Sweeps(START, moment(5), 20, "HTTP 500")}, False, "sweeps bring no rows: HTTP 500"),
        ({"sweeps": Sweeps(START, None, 20, None)}, False, "external: sweeps bring no rows"),
        ({"sweeps": Sweeps(moment(50), None, 20, None)}, True, "recording"),
        ({"sweeps": None}, True, "recording"),
    ],
)
def test_readiness_has_a_reason(changes, ready, reason):
    found = judge(facts(**changes), moment(110))
    assert found.ready is ready
    assert reason in found.reason


def test_a_fast_virtual_clock_is_no_outage():
    """A virtual minute that lasted a tenth of a second is not long enough to miss data."""
    last = moment(40, real=99.9)
    changes = {"delivery": Delivery(36, 36, 36, last), "sweeps": Sweeps(last, None, 1, None)}
    assert judge(facts(ready_since=moment(0, real=95), **changes), moment(110, real=100)).ready


def set_back(seconds, real):
    """Returns an instant of the machine's clock after it was set."""
    return moment(seconds, real)._replace(settable=True)


@pytest.mark.parametrize("back", [30, 59, 61, 2_400])
@pytest.mark.parametrize("silent", [61, 119, 2_430])
def test_a_clock_set_back_hides_no_silence(back, silent):
    """Neither at once nor when the clock shows the old instant again: a minute of silence is a minute."""
    last = moment(3_000)
    changes = {"delivery": Delivery(36, 36, 36, last), "sweeps": None}
    found = judge(facts(**changes), set_back(3_000 + silent - back, 3_000 + silent))
    assert found.reason == "external: connected, but no data come"


def test_what_came_after_a_clock_was_set_back_is_newer_than_what_came_before():
    """Data that flow since are no silence, though the connection was opened at a later hour of the clock."""
    opened, last = moment(3_000), moment(700, real=3_100)
    changes = {"delivery": Delivery(36, 36, 36, last), "sweeps": Sweeps(opened, last, 20, None)}
    assert judge(facts(ready_since=opened, **changes), set_back(705, 3_105)).reason == "recording"


def test_a_clock_set_forward_makes_no_silence():
    """Six seconds after the last record nobody has waited for a minute."""
    changes = {"delivery": Delivery(36, 36, 36, moment(100)), "sweeps": None}
    assert judge(facts(**changes), set_back(2_506, 106)).reason == "recording"
