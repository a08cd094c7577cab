"""Official figures in the lake, and what the lake holds of a day."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from observer_core.accounting.compared import Span
from observer_core.brokers.kis.catalogue import Venue
from observer_core.brokers.kis.daily import DailyFigures
from observer_core.lake.captured import captured_days
from observer_core.lake.official import Answer, OfficialRow, read_official, write_official

DAY = date(2026, 9, 15)
MORNING = datetime(2026, 9, 15, 0, 0, tzinfo=UTC)
FIGURES = DailyFigures(95, 110, 90, 100, 1_000, 100_000)


def row(symbol="005930", *, venue=Venue.KRX, answer=Answer.STATED, figures=FIGURES, minute=0, error=""):
    asked = MORNING + timedelta(hours=11, minutes=minute)
    return OfficialRow(symbol, venue, answer, asked, figures, error)


def test_a_day_is_read_back_as_it_was_written(paths):
    rows = [row(), row(venue=Venue.NXT, answer=Answer.NO_ROW, figures=None), row("000660")]
    write_official(paths, DAY, rows)
    assert sorted(read_official(paths, DAY), key=lambda one: (one.symbol, one.venue)) == sorted(
        rows, key=lambda one: (one.symbol, one.venue)
    )
    assert read_official(paths, date(2026, 9, 16)) == []
    assert [path.name for path in paths.lake_table("daily_official").iterdir()] == ["date=2026-09-15"]


def test_an_answer_stays_until_another_one_says_more(paths):
    """A failure does not take figures away; other figures do, and the same ones change nothing."""
    failed = row(answer=Answer.FAILED, figures=None, error="no answer")
    write_official(paths, DAY, [failed])
    write_official(paths, DAY, [row(minute=5)])
    write_official(paths, DAY, [row(answer=Answer.FAILED, figures=None, minute=10), row("000660")])
    write_official(paths, DAY, [row(minute=15)])
    found = {one.symbol: one for one in read_official(paths, DAY)}
    assert found["005930"] == row(minute=5)
    other = DailyFigures(95, 110, 90, 101, 1_000, 100_000)
    write_official(paths, DAY, [row(figures=other, minute=20)])
    assert {one.symbol: one.figures for one in read_official(paths, DAY)}["005930"] == other


@pytest.fixture
def tape(monkeypatch):
    """Lets the lake hold some trades: second, session, price, volume, cumulative volume."""

    def hold(*trades, venue="KRX"):
        rows = [
            {
                "trading_day": DAY, "symbol": "005930", "venue": venue, "session": session,
                "time": MORNING + timedelta(seconds=second), "price": price, "volume": volume,
                "cumulative_volume": cumulative, "received_at": MORNING, "source": "live",
            }
            for second, session, price, volume, cumulative in trades
        ]  # fmt: skip
        frame = pl.DataFrame(rows)
        monkeypatch.setattr("observer_core.lake.captured.scan_merged_trades", lambda _, __: frame.lazy())
        (found,) = captured_days(None, DAY)
        return found

    return hold


def test_a_whole_day_has_nothing_missing(tape):
    day = tape((0, "regular", 95, 10, 10), (1, "regular", 110, 5, 15), (2, "after_market", 104, 5, 20))
    assert (day.captured, day.total, day.before_evening) == (20, 20, 15)
    assert (day.first, day.breaks, day.overlapping) == (None, [], 0)
    assert (day.open_price, day.close_price, day.last_price) == (95, 110, 104)
    assert (day.high_before_evening, day.high_price, day.low_price) == (110, 110, 95)
    assert day.value == 95 * 10 + 110 * 5 + 104 * 5


def test_what_is_missing_is_found_at_the_begin_and_between(tape):
    day = tape((5, "regular", 95, 10, 40), (6, "regular", 95, 10, 70))
    assert day.first == Span(0, 30)
    assert day.breaks == [Span(40, 60)]
    assert day.total == 70


def test_a_trade_that_was_sent_twice_counts_once(tape):
    day = tape((0, "regular", 95, 10, 10), (0, "regular", 95, 10, 10), (1, "regular", 95, 5, 15))
    assert (day.captured, day.breaks, day.overlapping) == (15, [], 0)


def test_figures_that_begin_anew_with_a_session_go_on_from_zero(tape):
    """8.1: whether the after-market restarts the cumulative volume is not known; here it does."""
    day = tape(
        (0, "regular", 95, 10, 10), (1, "regular", 95, 20, 30),
        (2, "after_market", 96, 4, 4), (3, "after_market", 96, 4, 12),
    )  # fmt: skip
    assert day.total == 42
    assert day.breaks == [Span(4, 8)]
    assert day.overlapping == 0


def test_figures_that_fall_within_a_session_are_a_contradiction(tape):
    day = tape((0, "regular", 95, 10, 10), (1, "regular", 95, 10, 15))
    assert day.overlapping == 5


def test_the_pre_market_is_not_the_regular_open(tape):
    day = tape((0, "pre_market", 94, 1, 1), (9, "regular", 95, 1, 2), venue="NXT")
    assert (day.open_price, day.regular_open) == (94, 95)
