"""The figures of the watched symbols are looked at every ten seconds of the clock."""

import asyncio
from datetime import date, timedelta

from set_back_clock import SetBackClock

from observer_collector.market_hours import MarketHours
from observer_collector.slots.desk import SlotDesk
from observer_collector.slots.plan import SlotPlanner, SlotRules
from observer_collector.slots.triggers import TriggerRules, Triggers
from observer_core.clock import kst_datetime
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
    """Stands for the recorder, which nobody asks here."""

    def control(self, kind, payload):
        pass

    def rejoins(self, pair, now_ns):
        pass


async def test_a_clock_that_is_set_back_does_not_end_the_looks(calendar, at):
    """After forty minutes back, the next look is at once and not in forty minutes."""
    clock = SetBackClock(kst_datetime(at("10:00:00")))
    figures = Figures(clock)
    rules = SlotRules(registrations=9, channels=("H0STCNT0",), signal_symbols=1)
    desk = SlotDesk(
        SlotPlanner(rules),
        Triggers(TriggerRules(volume_ratio=5.0, price_move=0.05, minimum_value=0)),
        Recorder(),
        figures,
        lambda pairs, outages: None,
        resumed_ns=0,
        hours=MarketHours(calendar),
        clock=clock,
    )
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
