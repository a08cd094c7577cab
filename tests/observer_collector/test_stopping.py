"""How long a stop may take, on a clock that a test moves by hand."""

import asyncio
import subprocess
import sys
from datetime import datetime, timedelta

import pytest

from observer_collector.stopping import Ending, Stage, unless_stopped
from observer_core.clock import KST, StepClock
from observer_core.errors import ConfigurationError
from observer_core.settings import CollectorSettings

START = datetime(2026, 9, 15, 9, 0, tzinfo=KST)


async def test_the_parts_of_a_stop_end_at_their_share_of_the_whole():
    """Ten seconds: whatever a part has used, the ones after it end when they had to anyway."""
    clock = StepClock(START)
    ending = Ending(10.0, clock)
    await clock.advance_to(START + timedelta(seconds=100))
    assert [ending.left(stage) for stage in Stage] == [2.0, 3.5, 8.0, 10.0]
    ending.begin()
    await clock.advance_to(START + timedelta(seconds=102.5))
    # Told again, by another part: the first word counts.
    ending.begin()
    assert [ending.left(stage) for stage in Stage] == [0.0, 1.0, 5.5, 7.5]
    await clock.advance_to(START + timedelta(seconds=130))
    assert [ending.left(stage) for stage in Stage] == [0.0, 0.0, 0.0, 0.0]


def test_the_whole_is_ten_seconds_and_shorter_than_the_pods_grace():
    """A pod gets 60 s (`deploy/base/collector/deployment.yaml`); more than 50 is refused."""
    assert CollectorSettings.load({}).stop_seconds == 10.0
    with pytest.raises(ConfigurationError, match="OBSERVER_STOP_SECONDS"):
        CollectorSettings.load({"OBSERVER_STOP_SECONDS": "55"})


HANGING = """
import asyncio, sys, threading
from observer_collector.stopping import Ending, LastResort
from observer_core.clock import RealClock
ending = Ending(1.0, RealClock())
ending.sealed = sys.argv[1] == "sealed"
LastResort(ending).begin()
async def main():
    asyncio.get_running_loop().run_in_executor(None, threading.Event().wait)
asyncio.run(main())
"""


@pytest.mark.parametrize(("state", "status"), [("sealed", 0), ("unsealed", 1)])
def test_a_thread_that_hangs_cannot_keep_the_process(state, status):
    """A resolver that never answers: the process ends by itself; its status says whether all is sealed."""
    ended = subprocess.run(
        [sys.executable, "-c", HANGING, state], capture_output=True, text=True, timeout=100, check=False
    )
    assert (ended.returncode, ended.stderr) == (status, "The stop took too long: the process is ended.\n")


async def test_a_stop_is_noticed_whatever_is_waited_for():
    stop, cancelled = asyncio.Event(), asyncio.Event()

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    waiting = asyncio.ensure_future(unless_stopped(stop, work()))
    await asyncio.sleep(0)
    stop.set()
    assert await waiting is None
    await asyncio.wait_for(cancelled.wait(), 60)
