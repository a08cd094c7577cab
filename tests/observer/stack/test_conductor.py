"""Where a stack continues."""

import json
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from observer.stack.collector_status import CollectorStatus
from observer.stack.conductor import DayConductor, instant_ns, read_saved
from observer.stack.dagster_client import DagsterClient
from observer.stack.programme import DayProgramme, Job, Request
from observer_core.clock import KST, Conductor
from observer_core.errors import StorageError
from observer_core.market.calendar import MarketCalendar

MOMENT = datetime(2026, 9, 15, 9, 2, 27, 969567, tzinfo=KST)


def test_an_instant_is_exact_to_the_microsecond() -> None:
    """A rounded instant would let the clock go back between two starts."""
    assert instant_ns(MOMENT) == 1789430547_969567_000


async def test_clock_and_programme_come_back_as_they_were_saved(tmp_path: Path) -> None:
    """To the nanosecond, with what has been compacted and closed."""

    start_ns = instant_ns(MOMENT) + 123
    clock = Conductor.create(tmp_path / "clock", start_ns=start_ns, speed=20)
    programme = DayProgramme(MarketCalendar().session(MOMENT.date()), late_close="2026-09-14")
    programme.succeeded(Request(Job.REFRESH_REFERENCE, "2026-09-15"))
    nine = MOMENT.replace(minute=0, second=0, microsecond=0)
    programme.succeeded(Request(Job.COMPACT_HOURS, "2026-09-15", nine))
    async with httpx.AsyncClient() as client:
        conductor = DayConductor(
            clock,
            DagsterClient("http://127.0.0.1:1", client),
            CollectorStatus("http://127.0.0.1:1", client),
            programme,
            saved=tmp_path / "clock.json",
            strict=False,
            single_day=False,
        )
        conductor.save()
    found = read_saved(tmp_path / "clock.json", tmp_path / "clock")
    assert found is not None
    now_ns, again = found
    assert now_ns == start_ns
    assert (again.partition, again.has_reference, again.compacted_to) == ("2026-09-15", True, nine)
    assert (again.closed, again.late_close) == (False, "2026-09-14")


def test_a_killed_stack_continues_after_the_last_instant_that_anybody_has_seen(tmp_path: Path) -> None:
    """It saved a second ago; its processes have seen more of the clock since."""
    Conductor.create(tmp_path / "clock", start_ns=instant_ns(MOMENT) + 5_000_000_000, speed=20)
    state = {
        "now_ns": instant_ns(MOMENT), "day": "2026-09-15", "has_reference": True, "compacted_to": None,
        "closed": False, "late_close": "",
    }  # fmt: skip
    (tmp_path / "clock.json").write_text(json.dumps(state))
    found = read_saved(tmp_path / "clock.json", tmp_path / "clock")
    assert found is not None
    assert found[0] == instant_ns(MOMENT) + 5_000_000_000


@pytest.mark.parametrize("content", ["", "{}", '{"day": "2026-09-13"}', "[]"])
def test_a_damaged_file_names_the_way_out(tmp_path: Path, content: str) -> None:
    """Nothing is guessed; `--reset` begins anew."""
    (tmp_path / "clock.json").write_text(content)
    with pytest.raises(StorageError, match="damaged") as raised:
        read_saved(tmp_path / "clock.json", tmp_path / "clock")
    assert "--reset" in raised.value.remedy


def test_without_an_earlier_stack_there_is_nothing_to_continue(tmp_path: Path) -> None:
    """The first start begins where the settings say."""
    assert read_saved(tmp_path / "clock.json", tmp_path / "clock") is None
