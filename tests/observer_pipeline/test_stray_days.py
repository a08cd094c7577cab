"""What the collector receives on a day without a session is named, and stays."""

import asyncio
from datetime import date, timedelta

import dagster as dg
import pytest

from observer_core.backup.inventory import take_inventory
from observer_core.clock.base import RealClock
from observer_core.journal import JournalWriter, LineBuilder, WriterSettings
from observer_core.journal.envelope import Received
from observer_core.retention.departures import Departures
from observer_core.retention.facts import Node, look
from observer_core.retention.holdings import Subject
from observer_core.settings import RetentionSettings
from observer_core.settings.paths import Track

HOLIDAY = date(2026, 9, 25)
SUNDAY = date(2026, 9, 20)


async def receive(deployment, day, records):
    """Writes and seals so many records, and a note of the collector's own, on a day."""
    settings = WriterSettings(deployment.paths.journal(Track.SCALP), Track.SCALP, "kis", "0", 0.01, 1 << 26)
    writer = JournalWriter(settings, RealClock())
    task = asyncio.create_task(writer.run())
    first = int(deployment.at(10, day=day).timestamp()) * 10**9
    lines = [("_control", "connect", "{}"), *[("H0STCNT0", "005930", "005930^1")] * records]
    for number, (channel, key, payload) in enumerate(lines, start=1):
        received = Received(1, number, first + number, number)
        line = LineBuilder("kis", "0").any(received, 0, channel, key, payload)
        writer.segment_for(received.wall_ns).append(line, received, channel, key)
    writer.close()
    await task


@pytest.fixture
def received(mounts):
    """Three records of a holiday, and a start of the collector on a Sunday."""
    asyncio.run(receive(mounts, HOLIDAY, 3))
    asyncio.run(receive(mounts, SUNDAY, 0))
    return mounts


def watched(deployment, name) -> dg.AssetCheckEvaluation:
    result = deployment.defs.resolve_job_def("watch_freshness").execute_in_process(
        instance=deployment.instance, raise_on_error=False
    )
    [found] = [one for one in result.get_asset_check_evaluations() if one.check_name == name]
    return found


def test_records_of_a_holiday_are_named_by_the_next_watch(received):
    """The collector's own notes of starts and stops are no records, and nobody misses them."""
    received.set_clock(received.at(8, 35, day=date(2026, 9, 28)))
    found = watched(received, "received_on_trading_days")
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.description.startswith("3 records were received on days without a session: 2026-09-25 (")
    assert [record.data["day"] for record in found.metadata["offenders"].records] == ["2026-09-25"]


def test_a_journal_of_trading_days_is_as_it_should_be(mounts):
    asyncio.run(receive(mounts, date(2026, 9, 15), 3))
    mounts.set_clock(mounts.at(8, 35, day=date(2026, 9, 16)))
    assert watched(mounts, "received_on_trading_days").passed
    assert watched(mounts, "calendar_reaches_ahead").passed


def test_retention_keeps_them(received):
    """Long after every limit: no close has verified the day."""
    asyncio.run(receive(received, date(2026, 9, 28), 1))
    node = Node(
        paths=received.paths,
        policy=RetentionSettings.load({}),
        departures=Departures(None, None, take_inventory(received.paths)),
        engine=None,
        today=HOLIDAY + timedelta(days=700),
    )
    plan, _ = look(node)
    [holiday] = [
        one for one in plan.decisions
        if one.holding.subject is Subject.JOURNAL and one.holding.name == HOLIDAY.isoformat()
    ]  # fmt: skip
    assert not holiday.goes
    assert holiday.reasons
