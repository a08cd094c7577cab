"""The offset of two clocks, from whole seconds."""

from datetime import UTC, datetime
from email.utils import format_datetime
from random import Random

import httpx
import pytest

from observer_collector.recording.clock_offset import ClockComparison
from observer_core.clock import RealClock

NOON_NS = 1_789_430_400 * 10**9


def date_at(instant_ns):
    return format_datetime(datetime.fromtimestamp(instant_ns // 10**9, UTC), usegmt=True)


@pytest.mark.parametrize("offset_ms", [-3_700, -4, 0, 250, 61_000])
def test_the_true_offset_lies_in_a_narrow_interval(offset_ms):
    """Fifty answers at odd moments narrow whole seconds down to some hundredths."""
    random, comparison = Random(7), ClockComparison(RealClock())
    for number in range(50):
        sent = NOON_NS + number * 1_170_000_000 + random.randrange(10**8)
        stamped = sent + random.randrange(5 * 10**6, 2 * 10**7)
        comparison.add(
            date_at(stamped + offset_ms * 10**6), sent, stamped + random.randrange(5 * 10**6, 10**7)
        )
    found = comparison.take()
    assert (found.answers, found.consistent) == (50, True)
    assert found.at_least_ns <= offset_ms * 10**6 <= found.at_most_ns
    assert found.at_most_ns - found.at_least_ns < 10**8
    assert comparison.take() is None


def test_a_clock_that_was_set_is_told():
    """No single offset fits both answers: the last one counts, and the record says so."""
    comparison = ClockComparison(RealClock())
    comparison.add(date_at(NOON_NS), NOON_NS, NOON_NS + 10**7)
    comparison.add(date_at(NOON_NS + 30 * 10**9), NOON_NS + 10**9, NOON_NS + 10**9 + 10**7)
    found = comparison.take()
    assert not found.consistent
    assert found.at_least_ns <= 29 * 10**9 <= found.at_most_ns


@pytest.mark.parametrize("date", ["", "yesterday", "99 Foo 2026"])
def test_an_answer_without_a_date_says_nothing(date):
    comparison = ClockComparison(RealClock())
    comparison.add(date, NOON_NS, NOON_NS + 1)
    assert comparison.take() is None


async def test_every_answer_of_a_client_counts():
    """The hooks see requests of any kind, and leave them as they are."""
    comparison = ClockComparison(RealClock())

    def answer(request):
        return httpx.Response(200, headers={"Date": date_at(RealClock().now_ns())}, text="ok")

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://broker") as http:
        comparison.watch(http)
        assert (await http.get("/a")).text == (await http.post("/b")).text == "ok"
    told = comparison.take()
    assert told.answers == 2
    assert told.at_least_ns <= 0 <= told.at_most_ns
    assert told.payload()["source"] == "http-date"


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 01 Jan 99999999999 00:00:00 GMT"])
def test_a_header_that_is_no_date_says_nothing(date):
    comparison = ClockComparison(RealClock())
    comparison.add(date, NOON_NS, NOON_NS + 10**7)
    assert comparison.take() is None
