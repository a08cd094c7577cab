"""How long something lasted, whatever the clocks do."""

import pytest

from observer_collector.moments import Moment, Patience

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
