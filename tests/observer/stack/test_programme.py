"""The day's programme, against the times of the architecture."""

from datetime import date, datetime

import pytest

from observer.stack.programme import DayProgramme, Job, Request
from observer_core.clock import KST
from observer_core.market.calendar import MarketCalendar

DAY = date(2026, 9, 15)


def at(hours: int, minutes: int = 0, seconds: int = 0) -> datetime:
    return datetime(2026, 9, 15, hours, minutes, seconds, tzinfo=KST)


@pytest.fixture
def programme() -> DayProgramme:
    return DayProgramme(MarketCalendar().session(DAY))


def finish_reference(programme: DayProgramme) -> None:
    programme.succeeded(Request(Job.REFRESH_REFERENCE, "2026-09-15"))
    programme.listening = True


def test_nothing_is_due_before_the_master_files_are_packed(programme: DayProgramme) -> None:
    """The broker packs the day's master files at 07:35 and 07:55."""
    assert programme.due(at(8, 4, 59)) is None
    assert programme.due(at(8, 5)) == Request(Job.REFRESH_REFERENCE, "2026-09-15")


def test_the_opening_auction_does_not_begin_without_the_universe(programme: DayProgramme) -> None:
    """08:30 is when the first data come."""
    assert programme.walls()[0].at == at(8, 30)
    finish_reference(programme)
    assert all(wall.at > at(8, 30) for wall in programme.walls())


def test_the_opening_auction_does_not_begin_before_the_collector_hears_it(programme: DayProgramme) -> None:
    """Registrations take seconds; a record that comes meanwhile would differ from run to run."""
    programme.succeeded(Request(Job.REFRESH_REFERENCE, "2026-09-15"))
    assert programme.walls()[0].at == at(8, 30)
    assert "registrations" in programme.walls()[0].reason
    programme.listening = True
    assert programme.walls()[0].at > at(8, 30)


def test_a_failed_refresh_does_not_keep_the_day_from_beginning(programme: DayProgramme) -> None:
    """The collector then takes an earlier universe, or waits; time does not."""
    programme.failed(Request(Job.REFRESH_REFERENCE, "2026-09-15"))
    assert all(wall.at > at(8, 30) for wall in programme.walls())


def test_who_begins_late_has_the_refresh_at_once(programme: DayProgramme) -> None:
    """`make up` begins at 08:50, behind the wall of 08:30, so that time stands from the start."""
    assert programme.due(at(8, 50)) == Request(Job.REFRESH_REFERENCE, "2026-09-15")
    assert programme.walls()[0].at < at(8, 50)


def test_an_hour_is_compacted_after_it_has_been_sealed(programme: DayProgramme) -> None:
    """The first hour with data is that of the opening auction, 08:30."""
    finish_reference(programme)
    assert programme.due(at(9, 0, 5)) is None
    assert programme.due(at(9, 1)) == Request(Job.COMPACT_HOURS, "2026-09-15", at(9))


def test_hours_that_have_piled_up_are_compacted_in_one_run(programme: DayProgramme) -> None:
    """A run takes in everything that was closed when it was asked for."""
    finish_reference(programme)
    request = programme.due(at(11, 30))
    assert request == Request(Job.COMPACT_HOURS, "2026-09-15", at(11))
    programme.succeeded(request)
    assert programme.due(at(11, 59)) is None
    assert programme.due(at(12, 1)) == Request(Job.COMPACT_HOURS, "2026-09-15", at(12))


def test_the_market_never_runs_more_than_two_hours_ahead_of_compaction(programme: DayProgramme) -> None:
    """The hour from 08:00 closes at 09:00; time waits at 11:00 until it is compacted."""
    finish_reference(programme)
    assert programme.walls()[0].at == at(11)
    programme.succeeded(Request(Job.COMPACT_HOURS, "2026-09-15", at(10)))
    assert programme.walls()[0].at == at(13)


def test_a_day_in_minutes_compacts_several_hours_in_a_run() -> None:
    """Three hours a run: due when the third is sealed, and time waits before a fifth is open."""
    programme = DayProgramme(MarketCalendar().session(DAY), has_reference=True, listening=True, batch=3)
    assert programme.due(at(10, 30)) is None
    assert programme.walls()[0].at == at(13)
    assert programme.due(at(11, 1)) == Request(Job.COMPACT_HOURS, "2026-09-15", at(11))


def test_the_day_is_closed_from_ten_past_eight_and_before_it_ends(programme: DayProgramme) -> None:
    """20:10 close, which takes in the last hour as well; time waits at 20:40."""
    finish_reference(programme)
    programme.succeeded(Request(Job.COMPACT_HOURS, "2026-09-15", at(19)))
    assert programme.due(at(20, 9, 59)) is None
    assert [wall.at for wall in programme.walls()] == [at(20, 40)]
    assert programme.due(at(20, 10)) == Request(Job.CLOSE_DAY, "2026-09-15")
    programme.succeeded(Request(Job.CLOSE_DAY, "2026-09-15"))
    assert programme.walls() == []
    assert programme.due(at(20, 39)) is None


def test_a_failed_compaction_is_tried_with_the_next_hour_and_holds_nobody_up(programme: DayProgramme) -> None:
    """`make up` shows a failed run and goes on."""
    finish_reference(programme)
    programme.failed(Request(Job.COMPACT_HOURS, "2026-09-15", at(9)))
    assert programme.due(at(9, 30)) is None
    assert [wall.at for wall in programme.walls()] == [at(20, 40)]
    assert programme.due(at(10, 1)) == Request(Job.COMPACT_HOURS, "2026-09-15", at(10))


@pytest.mark.parametrize("job", [Job.REFRESH_REFERENCE, Job.CLOSE_DAY])
def test_another_failed_run_is_given_up(programme: DayProgramme, job: Job) -> None:
    """It is not asked for again, and time does not wait for it."""
    if job is Job.CLOSE_DAY:
        finish_reference(programme)
        programme.succeeded(Request(Job.COMPACT_HOURS, "2026-09-15", at(19)))
    moment = at(20, 15)
    assert programme.due(moment) == Request(job, "2026-09-15")
    programme.failed(Request(job, "2026-09-15"))
    request = programme.due(moment)
    assert request is None or request.job is not job


def test_an_exam_day_begins_an_hour_later() -> None:
    """2026-11-19: the opening auction begins at 09:30, so the first hour with data is that from 09:00."""
    programme = DayProgramme(MarketCalendar().session(date(2026, 11, 19)))
    programme.succeeded(Request(Job.REFRESH_REFERENCE, "2026-11-19"))
    morning = datetime(2026, 11, 19, 9, 59, tzinfo=KST)
    assert programme.due(morning) is None
    assert programme.due(morning.replace(hour=10, minute=1)) is not None


def test_the_day_before_is_closed_once_more_in_the_morning() -> None:
    """Its last lines are sealed when the collector sees the next hour."""
    programme = DayProgramme(MarketCalendar().session(date(2026, 9, 16)), late_close="2026-09-15")
    morning = datetime(2026, 9, 16, 7, 21, tzinfo=KST)
    request = programme.due(morning)
    assert request == Request(Job.CLOSE_DAY, "2026-09-15")
    programme.succeeded(request)
    assert programme.due(morning) is None
    assert not programme.closed
