"""Which app key is used, and when."""

import pytest

from observer_collector.lock import WriterLock
from observer_collector.service import run
from observer_collector.session.commands import EndCause
from observer_collector.session.keys import AppKey, AppKeys
from observer_core.clock import RealClock
from observer_core.errors import ConfigurationError
from observer_core.settings import PodSettings, Settings

KEYS = {"KIS_APP_KEY": "PSFIRST", "KIS_APP_SECRET": "secret-of-the-test"}


def two(lock=None):
    return AppKeys(AppKey("first", None, None), AppKey("reserve", None, None, lock=lock))


def test_the_reserve_follows_a_session_in_use_and_nothing_else():
    keys = two()
    for cause in EndCause:
        if cause is not EndCause.IN_USE:
            assert not keys.ended(cause)
            assert keys.current.name == "first"
    assert keys.ended(EndCause.IN_USE)
    assert keys.current.name == "reserve"


@pytest.mark.parametrize("cause", list(EndCause))
def test_after_the_reserve_comes_the_first_key_again(cause):
    """Also where both sessions are in use: then the long pause follows, and no third attempt at once."""
    keys = two()
    keys.ended(EndCause.IN_USE)
    assert not keys.ended(cause)
    assert keys.current.name == "first"


def test_without_a_reserve_there_is_one_key():
    keys = AppKeys(AppKey("first", None, None))
    assert not keys.ended(EndCause.IN_USE)
    assert keys.current.name == "first"


def test_a_reserve_that_another_process_uses_stays_its_own(tmp_path):
    """It is the first key of another shard, say: its lock tells, and it is given back after use."""
    paths = (tmp_path / "locks" / "collector-x.lock",)
    other = WriterLock(paths, PodSettings.load({}), RealClock())
    assert other.try_acquire()
    keys = two(WriterLock(paths, PodSettings.load({}), RealClock()))
    assert not keys.ended(EndCause.IN_USE)
    other.release()
    assert keys.ended(EndCause.IN_USE)
    assert not other.try_acquire()
    keys.ended(EndCause.LOST)
    assert other.try_acquire()
    other.release()


@pytest.mark.parametrize(
    ("reserve", "message"),
    [
        ({"KIS_RESERVE_APP_KEY": "PSRESERVE"}, "Only one of KIS_RESERVE_APP_KEY"),
        ({"KIS_RESERVE_APP_SECRET": "secret"}, "Only one of KIS_RESERVE_APP_KEY"),
        (
            {"KIS_RESERVE_APP_KEY": " PSFIRST\n", "KIS_RESERVE_APP_SECRET": "s"},
            "KIS_RESERVE_APP_KEY is KIS_APP_KEY",
        ),
    ],
)
def test_half_a_reserve_and_the_same_key_twice_are_refused(mounts, reserve, message):
    with pytest.raises(ConfigurationError, match=message):
        run(Settings.load(mounts | KEYS | reserve))
