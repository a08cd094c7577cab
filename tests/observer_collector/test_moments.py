"""How long something lasted, whatever the clocks do."""

import pytest

from observer_collector.moments import Moment, Patience, latest
from observer_core.clock import RealClock, StepClock, kst_datetime

SECOND = 10**9
PATIENCE = Patience(60, 5)


@pytest.mark.parametrize(
    ("clock_seconds", "real_seconds", "over"),
    [
        (61, 61, True),
        (59, 61, False),
        (6_000, 4, False),  # a fast day: real time decides
        (-2_400, 59, False),  # set back by 40 minutes
        (-2_400, 61, True),
    ],
)
def test_a_wait_is_over_on_both_clocks_and_by_real_time_where_one_was_set_back(
    clock_seconds, real_seconds, over
):
    since = Moment(10_000 * SECOND, 500 * SECOND)
    now = Moment(since.clock_ns + clock_seconds * SECOND, since.real_ns + real_seconds * SECOND)
    assert PATIENCE.exhausted(since, now) is over


@pytest.mark.parametrize("clock_seconds", [-2_400, -1, 0, 30, 2_400])
def test_on_the_machines_clock_real_time_alone_decides(clock_seconds):
    """It may be set in both directions, and show the instant of the begin a second time."""
    since = Moment(10_000 * SECOND, 500 * SECOND, settable=True)
    for real_seconds, over in ((59, False), (61, True)):
        now = Moment(since.clock_ns + clock_seconds * SECOND, (500 + real_seconds) * SECOND, settable=True)
        assert PATIENCE.exhausted(since, now) is over


def test_the_machines_clock_may_be_set_and_a_virtual_one_not():
    assert Moment.now(RealClock()).settable
    assert not Moment.now(StepClock(kst_datetime(SECOND))).settable


def test_the_latest_moment_is_the_one_that_came_last():
    """Not the one at which the clock showed the latest hour."""
    before, after = Moment(9_000 * SECOND, 500 * SECOND), Moment(7_000 * SECOND, 501 * SECOND)
    assert latest(before, after) == latest(after, before) == after
