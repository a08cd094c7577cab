"""Signals that the broker gives itself."""

import asyncio

import pytest
from set_back_clock import SetBackClock

from observer_collector import cadence
from observer_collector.market_hours import MarketHours
from observer_collector.slots.market_signals import (
    Look,
    MarketSignals,
    OddField,
    RankingReader,
    ViReader,
)
from observer_collector.slots.plan import Cause, Signal
from observer_core.clock import kst_datetime
from observer_core.errors import NetworkError

VI = {"mksc_shrn_iscd": "005930", "vi_cls_code": "Y", "cntg_vi_hour": "093012"}


def test_a_volatility_interruption_is_a_signal_when_it_begins():
    """Not while it lasts, not when it is over, and again when the next one begins."""
    reader = ViReader()
    assert [one.symbol for one in reader.read([VI], 1)] == ["005930"]
    assert list(reader.read([VI], 2)) == []
    assert list(reader.read([{**VI, "vi_cls_code": "N"}], 3)) == []
    (again,) = reader.read([{**VI, "vi_cls_code": "N"}, {**VI, "cntg_vi_hour": "101500"}], 4)
    assert (again.cause, again.at_ns) == (Cause.VI, 4)


def test_a_ranked_symbol_is_a_signal_above_the_threshold():
    """`vol_inrt` is in per cent; an empty one is none."""
    rows = [
        {"mksc_shrn_iscd": "005930", "vol_inrt": "500.00"},
        {"mksc_shrn_iscd": "000660", "vol_inrt": "499.99"},
        {"mksc_shrn_iscd": "035420", "vol_inrt": ""},
        {"mksc_shrn_iscd": "035720", "vol_inrt": "-12.50"},
    ]
    found = list(RankingReader(lambda: 5.0).read(rows, 9))
    assert [(one.symbol, one.cause, one.strength) for one in found] == [("005930", Cause.RANKING, 1.0)]


NO_TEXTS = (None, {}, [], ["x"], 5, 9e300, True)
ODD_SYMBOLS = (*NO_TEXTS, "", "A|B^", "5930", "005930 ", "X" * 100_000, "\ud800", "００５９３０", "005930\n")
ODD_INCREASES = (*NO_TEXTS, "NaN", "inf", "1e999999", "1e308", "9" * 5000, "500.", "５００", "600 ", "\ud800")


@pytest.mark.parametrize("symbol", ODD_SYMBOLS)
def test_a_symbol_without_the_form_of_a_stock_code_costs_its_row(symbol):
    """In both answers, whatever the broker's JSON can hold; the rows around it are read."""
    ranked = {"mksc_shrn_iscd": "000660", "vol_inrt": "900.00"}
    for reader, row in ((ViReader(), VI), (RankingReader(lambda: 5.0), ranked)):
        odd, signal = reader.read([{**row, "mksc_shrn_iscd": symbol}, row], 9)
        assert odd == OddField("mksc_shrn_iscd", symbol)
        assert signal.symbol == row["mksc_shrn_iscd"]


@pytest.mark.parametrize("increase", ODD_INCREASES)
def test_an_increase_that_is_no_number_costs_its_row(increase):
    rows = [{"mksc_shrn_iscd": "005930", "vol_inrt": increase}, {"mksc_shrn_iscd": "000660"},
            {"mksc_shrn_iscd": "0001A0", "vol_inrt": "500"}]  # fmt: skip
    odd, missing, signal = RankingReader(lambda: 5.0).read(rows, 9)
    assert (odd, missing) == (OddField("vol_inrt", increase), OddField("vol_inrt", None))
    assert signal == Signal("0001A0", Cause.RANKING, 1.0, 9)


@pytest.mark.parametrize("field", ["vi_cls_code", "cntg_vi_hour"])
def test_an_interruption_with_an_odd_field_begins_once_it_can_be_read(field):
    reader = ViReader()
    for value in (*NO_TEXTS, "y", "0930", "\ud800"):
        assert list(reader.read([{**VI, field: value}], 1)) == [OddField(field, value)]
    assert [one.symbol for one in reader.read([VI], 2)] == ["005930"]


class Desk:
    def __init__(self, calendar, start, seconds=10.0):
        self.clock = SetBackClock(kst_datetime(start))
        self.asked, self.signals, self.wanted, self.failure = [], [], True, None
        self.rows, self.odd = [VI], []
        look = Look("VI", seconds, self.ask, ViReader().read)
        self.watch = MarketSignals(
            look,
            self.signals.append,
            strange=self.strange,
            wanted=lambda: self.wanted,
            hours=MarketHours(calendar),
            clock=self.clock,
        )
        self.task = asyncio.ensure_future(self.watch.run())

    async def ask(self, day):
        self.asked.append((f"{self.clock.now():%H:%M:%S}", f"{day}"))
        if self.failure is not None:
            raise self.failure
        return self.rows

    def strange(self, *odd):
        self.odd.append(odd)

    async def until(self, text):
        hour, minute, second = map(int, text.split(":"))
        await asyncio.sleep(0)
        await self.clock.advance_to(self.clock.now().replace(hour=hour, minute=minute, second=second))


@pytest.fixture
async def desk(calendar, at):
    made = []

    def make(start, **options):
        made.append(Desk(calendar, at(start), **options))
        return made[-1]

    yield make
    for one in made:
        one.task.cancel()


async def test_it_is_asked_every_ten_seconds_while_shares_trade(desk):
    run = desk("08:59:45")
    await run.until("09:00:25")
    assert run.asked == [("09:00:00", "2026-09-15"), ("09:00:10", "2026-09-15"), ("09:00:20", "2026-09-15")]
    assert [one.symbol for one in run.signals] == ["005930"]


async def test_nothing_is_asked_in_an_auction_or_where_no_signal_may_take_a_slot(desk):
    run = desk("15:19:55")
    run.wanted = False
    await run.until("15:20:00")
    run.wanted = True
    await run.until("15:29:00")
    assert run.asked == []


async def test_a_failure_costs_one_look(desk):
    run = desk("09:00:01")
    run.failure = NetworkError("no answer")
    await run.until("09:00:25")
    run.failure = None
    await run.until("09:00:45")
    assert run.watch.look.failed == 3
    assert run.watch.look.asked == 2
    assert len(run.signals) == 1


async def test_an_odd_row_is_counted_and_told_and_ends_nothing(desk):
    run = desk("09:00:01")
    run.rows = [{**VI, "mksc_shrn_iscd": None}, {}, VI]
    await run.until("09:00:25")
    assert run.odd[:2] == [("VI", "mksc_shrn_iscd", None)] * 2
    assert run.watch.look.odd == len(run.odd) == 2 * run.watch.look.asked
    assert len(run.signals) == 1
    assert not run.task.done()


async def test_a_clock_set_back_does_not_end_the_questions(desk, monkeypatch):
    """Forty minutes back: it is asked at the tens of seconds that the clock shows now, not between them."""
    monkeypatch.setattr(cadence, "_LOOK_SECONDS", 0.01)
    run = desk("10:00:01")
    await run.until("10:00:15")
    run.clock.step_back(2_400)
    await run.clock.awaited_within(10)
    run.asked.clear()
    await run.until("09:20:35")
    assert [moment for moment, _ in run.asked] == ["09:20:20", "09:20:30"]
