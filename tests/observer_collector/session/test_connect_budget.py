"""How often the broker may be connected, over restarts."""

from datetime import datetime, timedelta

import pytest

from observer_collector.session.connect_budget import ConnectBudget
from observer_core.clock import KST, StepClock

START = datetime(2026, 9, 15, 9, tzinfo=KST)


@pytest.fixture
def clock():
    return StepClock(START)


async def test_an_hour_holds_no_more_attempts_than_its_budget(tmp_path, clock):
    """The next one is allowed when the first of them is an hour old."""
    budget = ConnectBudget(tmp_path / "connects.json", 3, clock)
    for _ in range(3):
        assert budget.free_at_ns() == 0
        budget.spend()
        await clock.advance_to(clock.now() + timedelta(minutes=5))
    assert budget.free_at_ns() == int((START + timedelta(hours=1)).timestamp()) * 10**9
    await clock.advance_to(START + timedelta(hours=1))
    assert budget.free_at_ns() == 0
    assert budget.used == 2


async def test_a_restart_remembers_the_attempts(tmp_path, clock):
    """A container that restarts in a loop is held back by what its predecessors have spent."""
    for _ in range(3):
        ConnectBudget(tmp_path / "connects.json", 3, clock).spend()
    assert ConnectBudget(tmp_path / "connects.json", 3, clock).free_at_ns() > 0


async def test_attempts_of_another_clock_do_not_count(tmp_path, clock):
    """A virtual day that lies ahead must not keep the real one from connecting."""
    later = StepClock(START + timedelta(days=300))
    for _ in range(3):
        ConnectBudget(tmp_path / "connects.json", 3, later).spend()
    assert ConnectBudget(tmp_path / "connects.json", 3, clock).free_at_ns() == 0


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'{"format": 9}', b'{"format": 1, "attempts_ns": [null]}']
)
async def test_an_unreadable_file_is_an_empty_budget(tmp_path, clock, content):
    path = tmp_path / "connects.json"
    path.write_bytes(content)
    budget = ConnectBudget(path, 1, clock)
    assert budget.free_at_ns() == 0
    budget.spend()
    assert ConnectBudget(path, 1, clock).free_at_ns() > 0


async def test_a_folder_that_takes_no_file_costs_the_memory_only(tmp_path, clock):
    """The attempts of this process still count."""
    (tmp_path / "file").write_bytes(b"")
    budget = ConnectBudget(tmp_path / "file" / "connects.json", 1, clock)
    budget.spend()
    assert budget.free_at_ns() > 0


@pytest.mark.parametrize("content", ["[" * 100_000, '{"format":1,"attempts_ns":[1e999]}'])
def test_a_hostile_file_begins_anew(tmp_path, clock, content):
    """It costs the memory, not the start."""
    (tmp_path / "connects.json").write_text(content)
    assert ConnectBudget(tmp_path / "connects.json", 3, clock).used == 0
