"""Virtual time: shared by processes, driven by the conductor, never running away."""

import asyncio
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from observer_core.clock import KST, ClockFile, Conductor, RealClock, SharedClock, StepClock, open_clock
from observer_core.errors import ConfigurationError

START = datetime(2026, 9, 15, 8, 50, tzinfo=KST)
START_NS = int(START.timestamp()) * 10**9
SECOND = 10**9


@pytest.fixture
def conductor(tmp_path: Path) -> Conductor:
    return Conductor.create(tmp_path / "clock", start_ns=START_NS, speed=1000.0)


async def run_for(conductor: Conductor, seconds: float) -> None:
    task = asyncio.create_task(conductor.run())
    await asyncio.sleep(seconds)
    task.cancel()


async def test_time_stands_still_without_its_conductor(tmp_path: Path, conductor: Conductor) -> None:
    """A clock file alone shows its start."""
    clock = open_clock(f"shared:{tmp_path / 'clock'}")
    await asyncio.sleep(0.02)
    assert clock.now() == START


async def test_time_runs_at_most_at_its_speed(tmp_path: Path, conductor: Conductor) -> None:
    """Virtual progress never exceeds real time multiplied by the speed."""
    clock = open_clock(f"shared:{tmp_path / 'clock'}")
    before = clock.monotonic_ns()
    await run_for(conductor, 0.2)
    elapsed = clock.now_ns() - START_NS
    assert 0 < elapsed <= (clock.monotonic_ns() - before) * 1000


async def test_a_participant_that_lags_holds_time(tmp_path: Path, conductor: Conductor) -> None:
    """Time stops one lead ahead of the last promise and goes on after the next."""
    clock = open_clock(f"shared:{tmp_path / 'clock'}")
    participant = clock.participant("collector")
    participant.caught_up(START_NS)
    await run_for(conductor, 0.2)
    assert clock.now_ns() == START_NS + 25 * SECOND
    assert conductor.waiting_for() == ["collector"]
    participant.caught_up(START_NS + 3600 * SECOND)
    await run_for(conductor, 0.1)
    assert clock.now_ns() > START_NS + 25 * SECOND


async def test_work_under_way_freezes_the_promise(tmp_path: Path, conductor: Conductor) -> None:
    """A busy participant is behind, whatever it promised in between."""
    participant = open_clock(f"shared:{tmp_path / 'clock'}").participant("collector")
    with participant.busy(START_NS):
        participant.caught_up(START_NS + 1000 * SECOND)
        assert participant.progress_ns == START_NS
    assert participant.progress_ns == START_NS + 1000 * SECOND


async def test_a_hold_is_a_wall(tmp_path: Path, conductor: Conductor) -> None:
    """Nothing passes a hold until it is released."""
    clock = open_clock(f"shared:{tmp_path / 'clock'}")
    hold = conductor.hold(START_NS + 10 * SECOND, "the universe")
    await run_for(conductor, 0.1)
    assert clock.now_ns() == START_NS + 10 * SECOND
    assert conductor.waiting_for() == ["the universe"]
    hold.release()
    await run_for(conductor, 0.05)
    assert clock.now_ns() > START_NS + 10 * SECOND


async def test_time_does_not_leap_over_what_it_waited(tmp_path: Path, conductor: Conductor) -> None:
    """After a hold time goes on from where it stood."""
    clock = open_clock(f"shared:{tmp_path / 'clock'}")
    hold = conductor.hold(START_NS + SECOND, "a run")
    await run_for(conductor, 0.3)
    hold.release()
    conductor.step()
    assert clock.now_ns() < START_NS + 60 * SECOND


async def test_time_waits_for_required_participants(tmp_path: Path) -> None:
    """The market does not open before its recorder is there."""
    conductor = Conductor.create(
        tmp_path / "clock", start_ns=START_NS, speed=1000, required=frozenset({"collector"})
    )
    await run_for(conductor, 0.05)
    assert conductor.now_ns() == START_NS
    assert conductor.waiting_for() == ["collector to start"]
    open_clock(f"shared:{tmp_path / 'clock'}").participant("collector").caught_up(START_NS)
    await run_for(conductor, 0.05)
    assert conductor.now_ns() > START_NS


async def test_a_dead_participant_does_not_hold_time(tmp_path: Path, conductor: Conductor) -> None:
    """A killed process is not waited for."""
    code = (
        "import sys; from observer_core.clock import open_clock;"
        f"open_clock('shared:' + sys.argv[1]).participant('collector').caught_up({START_NS})"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "clock")], check=True)
    await run_for(conductor, 0.1)
    assert conductor.now_ns() > START_NS + 25 * SECOND


async def test_a_jump_goes_forward_only(conductor: Conductor) -> None:
    """A night is skipped; a jump into the past is ignored."""
    conductor.jump(START_NS + 3600 * SECOND)
    assert conductor.now_ns() == START_NS + 3600 * SECOND
    conductor.jump(START_NS)
    assert conductor.now_ns() == START_NS + 3600 * SECOND


async def test_sleep_until_waits_for_virtual_time(tmp_path: Path, conductor: Conductor) -> None:
    """A sleeper wakes at or after its instant."""
    clock = open_clock(f"shared:{tmp_path / 'clock'}")
    task = asyncio.create_task(conductor.run())
    await clock.sleep_until(START_NS + 60 * SECOND)
    assert clock.now_ns() >= START_NS + 60 * SECOND
    task.cancel()


def test_two_processes_of_one_name_share_a_slot(tmp_path: Path, conductor: Conductor) -> None:
    """A restarted participant takes its own place again."""
    clock = SharedClock(ClockFile(tmp_path / "clock"))
    clock.participant("collector").caught_up(START_NS + 1)
    clock.participant("collector").caught_up(START_NS + 2)
    assert [slot.progress_ns for slot in ClockFile(tmp_path / "clock").slots()] == [START_NS + 2]


def test_a_wrong_value_of_the_variable_is_named(tmp_path: Path) -> None:
    """OBSERVER_CLOCK has two forms; a missing or foreign file is an error of its own."""
    assert isinstance(open_clock("real"), RealClock)
    for value in ("virtual", "shared:", f"shared:{tmp_path / 'absent'}"):
        with pytest.raises(ConfigurationError, match="OBSERVER_CLOCK"):
            open_clock(value)
    (tmp_path / "foreign").write_bytes(bytes(4096))
    with pytest.raises(ConfigurationError, match="not a clock file"):
        open_clock(f"shared:{tmp_path / 'foreign'}")


async def test_the_step_clock_wakes_sleepers_in_order_at_their_instants() -> None:
    """Each sleeper sees the clock at exactly its own instant."""
    clock = StepClock(START)
    seen: list[tuple[str, datetime]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        seen.append((name, clock.now()))

    tasks = [asyncio.create_task(sleeper("late", 20)), asyncio.create_task(sleeper("early", 10))]
    await asyncio.sleep(0)
    await clock.advance_to(START + timedelta(minutes=1))
    await asyncio.gather(*tasks)
    assert seen == [("early", START + timedelta(seconds=10)), ("late", START + timedelta(seconds=20))]
    assert clock.now() == START + timedelta(minutes=1)
