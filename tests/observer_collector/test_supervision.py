"""What works beside the recording is kept at work."""

import asyncio
import json

import pytest
from structlog.testing import capture_logs

from observer_collector.supervision import Helpers
from observer_core.clock import RealClock
from observer_core.logs import hide


class HandClock(RealClock):
    """Stands still until it is set."""

    mono_ns = 0

    def monotonic_ns(self):
        return self.mono_ns


class Pauses:
    """Stands for the sleep between two beginnings; remembers how long each was to be."""

    def __init__(self, monkeypatch):
        self.seconds = []
        monkeypatch.setattr("observer_collector.supervision.asyncio.sleep", self)

    async def __call__(self, seconds):
        self.seconds.append(seconds)


@pytest.fixture
def pauses(monkeypatch):
    return Pauses(monkeypatch)


def failing(*errors, clock=None, works_ns=0):
    """A piece of work that fails with each error in turn, and then ends by itself."""
    waiting = iter(errors)

    async def work():
        if clock is not None:
            clock.mono_ns += works_ns
        error = next(waiting, None)
        if error is not None:
            raise error

    return work


async def test_a_failure_is_told_counted_and_begun_again(pauses):
    """Where it came from is told once, as long as the error stays the same; each failure has its line."""
    helpers = Helpers(HandClock())
    with capture_logs() as logs:
        await helpers.keep("backfill", failing(ValueError("odd"), ValueError("odd"), KeyError("other")))
    assert [(log["log_level"], log["helper"], log["error"]) for log in logs] == [
        ("error", "backfill", "ValueError: odd"),
        ("error", "backfill", "ValueError: odd"),
        ("error", "backfill", "KeyError: 'other'"),
    ]
    assert [isinstance(log["exc_info"], Exception) for log in logs] == [True, False, True]
    assert helpers.status() == {"backfill": {"failures": 3, "error": "KeyError: 'other'", "waiting": False}}
    assert pauses.seconds == [1.0, 2.0, 4.0]


async def test_the_pause_grows_to_a_minute_and_is_short_again_after_a_while_of_work(pauses):
    clock = HandClock()
    await Helpers(clock).keep("slots", failing(*[ValueError("odd")] * 8, clock=clock))
    assert pauses.seconds == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    pauses.seconds.clear()
    eleven_minutes = 660 * 10**9
    await Helpers(clock).keep(
        "slots", failing(*[ValueError("odd")] * 3, clock=clock, works_ns=eleven_minutes)
    )
    assert pauses.seconds == [1.0, 1.0, 1.0]


async def test_a_group_of_errors_tells_each_of_them_without_secrets_and_encodable(pauses):
    hide(["a-very-secret-key"])
    group = ExceptionGroup(
        "many", [ValueError("a-very-secret-key \udcff"), ExceptionGroup("inner", [KeyError("k")])]
    )
    helpers = Helpers(HandClock())
    await helpers.keep("sweeps", failing(group))
    error = helpers.status()["sweeps"]["error"]
    assert error == "ValueError: [hidden] \\udcff; KeyError: 'k'"
    assert json.dumps(error, ensure_ascii=False).encode()


async def test_a_cancellation_ends_a_helper_at_work_and_between_two_beginnings():
    helpers = Helpers(HandClock())
    working = asyncio.create_task(helpers.keep("slots", asyncio.Event().wait))
    pausing = asyncio.create_task(helpers.keep("token", failing(*[ValueError("odd")] * 9)))
    while not helpers.status():
        await asyncio.sleep(0)
    assert helpers.status()["token"]["waiting"]
    for task in (working, pausing):
        task.cancel()
    await asyncio.wait([working, pausing])
    assert working.cancelled()
    assert pausing.cancelled()
    assert list(helpers.status()) == ["token"]


async def test_every_helper_has_its_counter_from_the_start(pauses):
    """A counter that appears with its first failure would show no increase to an alert."""
    helpers = Helpers(HandClock())
    await helpers.keep("slots", failing())
    await helpers.keep("token", failing(ValueError("odd")))
    (metric,) = helpers.metrics()
    found = {(sample.name, sample.labels["helper"]): sample.value for sample in metric.samples}
    assert found == {
        ("observer_helper_failures_total", "slots"): 0,
        ("observer_helper_failures_total", "token"): 1,
    }
