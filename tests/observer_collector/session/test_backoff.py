"""The pauses between two connections."""

from random import Random

import pytest

from observer_collector.moments import Moment
from observer_collector.session.backoff import Backoff
from observer_collector.session.commands import EndCause


@pytest.fixture
def backoff():
    return Backoff(Random(1))


def flow(backoff, *, seconds):
    """Lets data flow on one connection for a while."""
    for second in (0, seconds):
        backoff.data_flow(Moment(second * 10**9, second * 10**9))


def test_losses_double_up_to_a_minute_with_jitter(backoff):
    """A closed connection is followed by pauses that grow and never exceed a minute."""
    pauses = [backoff.after(EndCause.LOST) for _ in range(12)]
    for number, pause in enumerate(pauses):
        longest = min(2**number, 60)
        assert longest / 2 <= pause <= longest
    assert len(set(pauses)) == len(pauses)


def test_only_a_minute_of_data_brings_the_small_pauses_back(backoff):
    """A broker that accepts, sends a little and closes is not asked in a fast loop."""
    for _ in range(8):
        backoff.after(EndCause.SILENT)
        backoff.opened()
        flow(backoff, seconds=59)
    assert backoff.after(EndCause.LOST) >= 30
    backoff.opened()
    flow(backoff, seconds=61)
    assert backoff.after(EndCause.LOST) <= 1


@pytest.mark.parametrize("cause", [EndCause.IN_USE, EndCause.CREDENTIAL])
def test_a_refused_session_is_left_alone_for_minutes(backoff, cause):
    """60 to 90 seconds, growing to ten minutes."""
    pauses = [backoff.after(cause) for _ in range(12)]
    assert 60 <= pauses[0] <= 90
    assert pauses[1] > 60 * 1.5 - 1
    assert pauses[-1] == 600


def test_the_approval_key_is_renewed_once(backoff):
    """Until data have flowed again."""
    assert [backoff.may_renew(), backoff.may_renew()] == [True, False]
    flow(backoff, seconds=61)
    assert backoff.may_renew()
