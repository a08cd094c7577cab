"""What counts as stuck; the test moves the clock and the run."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from observer.stack.standstill import standstill

CLOSE = datetime(2026, 9, 15, 11, 40, tzinfo=UTC)


class World:
    """A clock that moves, and a run that tells, for some time."""

    def __init__(self, moves: int, tells: int) -> None:
        self.moves, self.tells, self.moment, self.events = moves, tells, CLOSE, 0

    def now(self) -> datetime:
        if self.moves:
            self.moves -= 1
            self.moment += timedelta(seconds=1)
        return self.moment

    async def told(self) -> tuple[str, int]:
        if self.tells:
            self.tells -= 1
            self.events += 1
        return "close", self.events


async def stuck_at(world: World) -> datetime:
    return await standstill(world.now, world.told, seconds=0.0, poll_seconds=0.001)


async def test_time_that_stands_still_beside_a_silent_run_is_stuck() -> None:
    assert await asyncio.wait_for(stuck_at(World(moves=0, tells=0)), 60) == CLOSE


@pytest.mark.parametrize(("moves", "tells"), [(40, 0), (0, 40), (40, 40)])
async def test_what_moves_or_tells_of_itself_is_not_stuck_before_it_stops(moves: int, tells: int) -> None:
    world = World(moves, tells)
    await asyncio.wait_for(stuck_at(world), 60)
    assert (world.moves, world.tells) == (0, 0)
