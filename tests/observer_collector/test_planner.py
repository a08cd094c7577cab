"""Which universe is in force, on ordinary days and on bad ones."""

from datetime import date, datetime

import pytest

from observer_collector.market_hours import MarketHours
from observer_collector.planner import Planner
from observer_core.clock import KST, StepClock
from observer_core.settings import Paths, Settings

MONDAY, TUESDAY, FRIDAY = date(2026, 9, 14), date(2026, 9, 15), date(2026, 9, 18)


class Desk:
    """A planner on a clock that the test moves."""

    def __init__(self, mounts, calendar, universe_file):
        self.paths = Paths(Settings.load(mounts).paths)
        self.clock = StepClock(datetime(2026, 9, 15, 7, 20, tzinfo=KST))
        self.adopted = []
        self._write = universe_file
        self.planner = Planner(
            self.paths,
            MarketHours(calendar),
            self.clock,
            lambda universe: self.adopted.append(universe.day),
        )

    def write(self, day):
        self._write(self.paths, day, size=30)

    async def look(self, text):
        await self.clock.advance_to(datetime.fromisoformat(text).replace(tzinfo=KST))
        self.planner.look()


@pytest.fixture
def desk(mounts, calendar, universe_file):
    return Desk(mounts, calendar, universe_file)


async def test_the_days_universe_is_waited_for(desk):
    """Before the opening auction there is no hurry: yesterday's is not taken."""
    desk.write(MONDAY)
    await desk.look("2026-09-15T07:20:00")
    await desk.look("2026-09-15T08:29:59")
    assert desk.adopted == []
    assert desk.planner.waiting_for == TUESDAY
    desk.write(TUESDAY)
    desk.planner.look()
    assert desk.adopted == [TUESDAY]
    assert (desk.planner.fallback, desk.planner.waiting_for) == (False, None)


async def test_an_earlier_universe_takes_the_place_of_a_missing_one(desk):
    """From the opening auction on, visibly; and the day's own takes over as soon as it is there."""
    desk.write(MONDAY)
    await desk.look("2026-09-15T08:30:00")
    assert desk.adopted == [MONDAY]
    assert (desk.planner.fallback, desk.planner.waiting_for) == (True, TUESDAY)
    desk.planner.look()
    assert len(desk.adopted) == 1
    desk.write(TUESDAY)
    await desk.look("2026-09-15T09:30:00")
    assert desk.adopted[-1] == TUESDAY
    assert (desk.planner.fallback, desk.planner.waiting_for) == (False, None)


async def test_without_any_universe_the_planner_keeps_looking(desk):
    await desk.look("2026-09-15T10:00:00")
    assert desk.adopted == []
    assert desk.planner.waiting_for == TUESDAY
    desk.write(TUESDAY)
    desk.planner.look()
    assert desk.adopted == [TUESDAY]


async def test_a_damaged_universe_counts_as_a_missing_one(desk):
    desk.write(MONDAY)
    desk.paths.universe(TUESDAY).write_text("{")
    await desk.look("2026-09-15T08:00:00")
    assert desk.adopted == []
    await desk.look("2026-09-15T09:00:00")
    assert desk.adopted == [MONDAY]


async def test_day_follows_day_over_a_weekend(desk):
    """The universe of Friday stays in force until Monday's is there; nothing has to be restarted."""
    desk.write(FRIDAY)
    await desk.look("2026-09-18T07:40:00")
    await desk.look("2026-09-18T21:00:00")
    await desk.look("2026-09-20T12:00:00")
    assert desk.adopted == [FRIDAY]
    assert desk.planner.waiting_for == date(2026, 9, 21)
    assert desk.planner.universe.day == FRIDAY
    desk.write(date(2026, 9, 21))
    await desk.look("2026-09-21T07:35:00")
    assert desk.adopted[-1] == date(2026, 9, 21)
