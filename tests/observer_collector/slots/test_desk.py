"""The figures of the watched symbols are looked at every ten seconds of the clock."""

import asyncio
from datetime import date, timedelta

import pytest
from set_back_clock import SetBackClock

from observer_collector.market_hours import MarketHours
from observer_collector.recording.unknown import Unknown
from observer_collector.slots.desk import SlotDesk
from observer_collector.slots.plan import Cause, Signal, SlotPlanner, SlotRules
from observer_collector.slots.triggers import TriggerRules, Triggers
from observer_core.clock import kst_datetime
from observer_core.journal import ControlKind
from observer_core.reference.instrument import Market
from observer_core.reference.universe import Universe, UniverseSymbol

DAY = date(2026, 9, 15)
UNIVERSE = Universe(
    DAY, DAY, "packaged-listing", 1, {}, {}, (UniverseSymbol("005930", "삼성", Market.KOSPI, 1000, 10),)
)


class Figures:
    """Stands for the accounting: remembers when it was asked."""

    def __init__(self, clock):
        self._clock = clock
        self.asked_ns = []

    def account(self, channel, symbol):
        self.asked_ns.append(self._clock.now_ns())

    def accounts(self):
        return ()

    def watch(self, symbol, *, watched):
        pass


class Recorder:
    """Stands for the recorder: remembers the control records."""

    def __init__(self):
        self.controls = []
        self.unknown = Unknown()

    def control(self, kind, payload):
        self.controls.append((kind, payload))

    def rejoins(self, pair, now_ns):
        pass


def desk_of(clock, figures, calendar, *, channels=("H0STCNT0",), price_move=0.05):
    return SlotDesk(
        SlotPlanner(SlotRules(registrations=9, channels=channels, signal_symbols=2)),
        Triggers(TriggerRules(volume_ratio=5.0, price_move=price_move, minimum_value=0)),
        Recorder(),
        figures,
        lambda pairs, outages: None,
        resumed_ns=0,
        hours=MarketHours(calendar),
        clock=clock,
    )


@pytest.fixture
def desk(calendar, at):
    clock = SetBackClock(kst_datetime(at("10:00:00")))
    return desk_of(clock, Figures(clock), calendar)


async def test_a_clock_that_is_set_back_does_not_end_the_looks(calendar, at):
    """After forty minutes back, the next look is at once and not in forty minutes."""
    clock = SetBackClock(kst_datetime(at("10:00:00")))
    figures = Figures(clock)
    desk = desk_of(clock, figures, calendar)
    desk.adopt(UNIVERSE)
    running = asyncio.ensure_future(desk.run())

    async def looked_at(instant_ns):
        async with asyncio.timeout(60):
            while instant_ns not in figures.asked_ns:
                await asyncio.sleep(0.001)

    await looked_at(at("10:00:00"))
    await clock.advance_to(clock.now() + timedelta(seconds=10))
    await looked_at(at("10:00:10"))
    clock.step_back(2_400)
    await looked_at(at("09:20:10"))
    await clock.advance_to(clock.now() + timedelta(seconds=10))
    await looked_at(at("09:20:20"))
    running.cancel()


def test_other_rules_bring_the_hours_of_their_channels(desk, at):
    """With a channel of NXT the day begins at 08:00, and without one at 08:30 again."""
    nxt = {"005930": ("H0STCNT0", "H0NXCNT0")}
    for rules, begun in (
        (SlotRules(9, ("H0STCNT0",), pinned=nxt), True),
        (SlotRules(9, ("H0STCNT0",)), False),
        (SlotRules(9, ("H0UNCNT0",)), True),
    ):
        desk.change_rules(rules, desk.triggers.rules)
        assert desk._hours.has_data(at("08:02:00")) is begun
        assert desk._hours.had_data(at("08:01:00"), at("08:05:00")) is begun
        assert f"{desk._hours.window(at('08:02:00'))[0]:%H:%M}" == ("08:00" if begun else "08:30")


def test_only_a_symbol_of_the_day_that_the_broker_names_may_become_a_registration(desk):
    """A ranking also names funds and notes, and whatever else has six characters."""
    desk.adopt(UNIVERSE)
    for symbol in ("005930", "069500", "ZZZZZZ"):
        desk.named(Signal(symbol, Cause.RANKING, 1.0, desk._clock.now_ns()))
    desk.look()
    assert {pair.symbol for pair in desk.pairs} == {"005930"}
    assert (desk.signals, desk.outside) == (1, 2)


NO_FIGURES = (None, "NaN", "", "-5", "1e9", "9" * 4000, ["1"], 5, "\ud800")


@pytest.mark.parametrize("field", ["inter_shrn_iscd", "inter2_prpr", "acml_vol"])
def test_a_row_of_a_sweep_with_an_odd_field_is_no_signal_and_ends_nothing(desk, at, field):
    """The price has doubled within each minute, which would be one."""
    desk.adopt(UNIVERSE)
    rows = [{"inter_shrn_iscd": "005930", "inter2_prpr": f"{70000 * factor}", "acml_vol": f"{1000 * factor}"}
            for factor in (1, 2)]  # fmt: skip
    for odd in (*NO_FIGURES, "A|B^"):
        desk.observe_rows([{**rows[0], field: odd}, {}], at("10:00:00"))
        desk.observe_rows([{**rows[1], field: odd}], at("10:01:00"))
    assert desk.signals == 0
    desk.observe_rows(rows[:1], at("10:02:00"))
    desk.observe_rows(rows[1:], at("10:03:00"))
    assert desk.signals == 1


def test_odd_rows_of_an_answer_are_counted_and_the_first_of_a_field_is_written_down(desk):
    for value in (None, "A|B^" * 100, "\ud800"):
        desk.strange("ranking", "vol_inrt", value)
    desk.strange("ranking", "mksc_shrn_iscd", "\ud800" * 100)
    assert desk._recorder.unknown.rows == {
        ("ranking", "vol_inrt"): 3, ("ranking", "mksc_shrn_iscd"): 1}  # fmt: skip
    (first, second) = [payload for kind, payload in desk._recorder.controls if kind is ControlKind.UNKNOWN]
    assert first == {"what": "row", "request": "ranking", "field": "vol_inrt", "value": "NoneType"}
    assert second["value"] == "'" + "\\ud800" * 32 + "'"


async def test_each_day_begins_with_those_who_stay(calendar, at):
    """A collector that runs for weeks: the journal of each day tells of itself who was watched."""
    clock = SetBackClock(kst_datetime(at("23:59:00")))
    desk = desk_of(clock, Figures(clock), calendar)
    desk.adopt(UNIVERSE)
    desk.look()
    told = [payload["action"] for kind, payload in desk._recorder.controls if kind is ControlKind.SLOT]
    assert told == ["enter"]
    await clock.advance_to(clock.now() + timedelta(minutes=2))
    desk.look()
    desk.look()
    slots = [payload for kind, payload in desk._recorder.controls if kind is ControlKind.SLOT]
    assert slots[1:] == [{"symbol": "005930", "action": "stay", "channels": ["H0STCNT0"]}]
