"""Puts slot plans into force, and writes down who was watched when.

Invariant: the plan is renewed at every look, and every symbol that enters or leaves is a control record
with its reason, as is every signal and every signal that found no place; each day begins with those who
stay. So "no data" of a symbol and minute can always be told from "not watched", from the day's journal alone.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import TypeGuard

from observer_collector.market_hours import MarketHours
from observer_collector.recording.recorder import Recorder
from observer_collector.recording.streams import TRADE_CHANNELS
from observer_collector.session.commands import Outage
from observer_collector.slots.plan import Change, Signal, SlotPlan, SlotPlanner, SlotRules
from observer_collector.slots.registrations import Pair
from observer_collector.slots.rules import records_nxt
from observer_collector.slots.triggers import TriggerRules, Triggers
from observer_core.accounting import VolumeContinuity
from observer_core.brokers.kis.catalogue import Key
from observer_core.clock import Clock
from observer_core.clock.base import kst_datetime
from observer_core.journal import ControlKind
from observer_core.logs import logger
from observer_core.reference.universe import Universe

_NANOSECONDS = 1_000_000_000
_SAMPLE_NS = 10 * _NANOSECONDS
_LOOK_SECONDS, _VIRTUAL_LOOK_SECONDS = 1.0, 0.05
# A longer figure is none of a share's, and no ratio can be made of it.
_SYMBOL, _FIGURE = Key.STOCK.pattern, re.compile(r"[0-9]{1,18}", re.ASCII)

_log = logger(__name__)

Replan = Callable[[Sequence[Pair], Mapping[Pair, Outage] | None], None]


class SlotDesk:
    """The slots of one app key.

    Args:
        planner: Decides.
        triggers: Sees signals in figures.
        recorder: Takes the control records.
        continuity: The last figures of the watched symbols.
        replan: Puts pairs into force.
        resumed_ns: Receive time of the journal's last line at the start; 0 where there is none.
        hours: In which phases figures are signals.
        clock: The process's clock.
    """

    def __init__(
        self,
        planner: SlotPlanner,
        triggers: Triggers,
        recorder: Recorder,
        continuity: VolumeContinuity,
        replan: Replan,
        *,
        resumed_ns: int,
        hours: MarketHours,
        clock: Clock,
    ) -> None:
        self._planner = planner
        self._triggers = triggers
        self._recorder = recorder
        self._continuity = continuity
        self._replan = replan
        self._resumed_ns = resumed_ns
        self._hours = hours
        self._clock = clock
        self._adopted = False
        self._sampled_ns = 0
        self._samples: dict[str, tuple[int, int]] = {}
        self._told: set[tuple[str, int]] = set()
        self._day: date | None = None
        self.pairs: tuple[Pair, ...] = ()
        self.overflow: tuple[Signal, ...] = ()
        self.signals = 0
        self.outside = 0
        self.changes = 0

    @property
    def planner(self) -> SlotPlanner:
        """Who is watched, since when and why."""
        return self._planner

    @property
    def triggers(self) -> Triggers:
        """What sees signals in figures."""
        return self._triggers

    def adopt(self, universe: Universe) -> None:
        """Takes a new universe and plans at once."""
        self._planner.adopt(universe)
        self._adopted = True
        self.look()

    def change_rules(self, slots: SlotRules, triggers: TriggerRules) -> None:
        """Takes other rules, in force with the next look; the hours of their channels are at once."""
        self._planner.rules, self._triggers.rules = slots, triggers
        self._hours.nxt = records_nxt(slots)

    async def run(self) -> None:
        """Renews the plan until cancelled."""
        pause = _VIRTUAL_LOOK_SECONDS if self._clock.is_virtual else _LOOK_SECONDS
        while True:
            self._sample()
            self.look()
            await asyncio.sleep(pause)

    def look(self) -> None:
        """Plans for the present instant and puts the plan into force."""
        if not self._adopted:
            return
        now_ns = self._clock.now_ns()
        self._begin_day(kst_datetime(now_ns).date())
        plan = self._planner.plan(now_ns)
        for change in plan.changes:
            self._tell(change, now_ns)
        self._tell_overflow(plan)
        if plan.pairs != self.pairs:
            if not self.pairs:
                self._leave_out(plan)
            outages = self._outages(plan) if not self.pairs else None
            self.pairs = plan.pairs
            self._replan(plan.pairs, outages)

    def observe_rows(self, rows: Sequence[Mapping[str, object]], at_ns: int) -> None:
        """Takes rows of a sweep."""
        if not self._counts(at_ns):
            return
        for row in rows:
            symbol, price, volume = row.get("inter_shrn_iscd"), row.get("inter2_prpr"), row.get("acml_vol")
            # The row is journaled as it came; compaction names what is wrong with it.
            if _is(symbol, _SYMBOL) and _is(price, _FIGURE) and _is(volume, _FIGURE):
                self._observe(symbol, at_ns, int(price), int(volume))

    def named(self, signal: Signal) -> None:
        """Takes a signal for a symbol that the broker names: only one of the day's universe gets a place."""
        if self._planner.knows(signal.symbol):
            self.signal(signal)
        else:
            self.outside += 1

    def strange(self, request: str, field: str, value: object) -> None:
        """Counts a row of an answer that cannot be read, and writes the first of its kind down."""
        if (told := self._recorder.unknown.row(request, field, value)) is not None:
            self._recorder.control(ControlKind.UNKNOWN, told)

    def signal(self, signal: Signal) -> None:
        """Takes a signal and writes it down."""
        self.signals += 1
        self._recorder.control(
            ControlKind.SIGNAL,
            {"symbol": signal.symbol, "cause": signal.cause.value, "strength": round(signal.strength, 3)},
        )
        self._planner.signal(signal)

    def _observe(self, symbol: str, at_ns: int, price: int, volume: int) -> None:
        for signal in self._triggers.observe(symbol, at_ns, price=price, volume=volume):
            self.signal(signal)

    def _sample(self) -> None:
        """Takes the figures of the watched symbols from the accounting, every ten seconds of the clock."""
        now_ns = self._clock.now_ns()
        if 0 <= now_ns - self._sampled_ns < _SAMPLE_NS or not self._counts(now_ns):
            return
        self._sampled_ns = now_ns
        for symbol in self._planner.holds:
            account = next(
                (a for c in TRADE_CHANNELS if (a := self._continuity.account(c, symbol)) is not None), None
            )
            if account is None:
                continue
            volume, value = self._samples.get(symbol, (account.volume, account.value))
            self._samples[symbol] = account.volume, account.value
            if account.volume > volume:
                price = (account.value - value) // (account.volume - volume)
                self._observe(symbol, now_ns, price, account.volume)

    def _counts(self, at_ns: int) -> bool:
        """Returns whether figures of this hour are signals: not in an auction, and with places for them."""
        return self._planner.rules.signal_symbols > 0 and self._hours.phase(at_ns).delivers_trades

    def _begin_day(self, day: date) -> None:
        """Writes into a day's journal who is watched since an earlier one."""
        stays = self._planner.holds if self._day not in (None, day) else ()
        self._day = day
        for symbol in stays:
            channels = list(self._planner.channels_of(symbol))
            self._recorder.control(
                ControlKind.SLOT, {"symbol": symbol, "action": "stay", "channels": channels}
            )

    def _tell(self, change: Change, now_ns: int) -> None:
        self.changes += 1
        channels = self._planner.channels_of(change.symbol)
        details: dict[str, object] = {
            "symbol": change.symbol,
            "action": "enter" if change.entered else "leave",
            "cause": change.cause.value,
            "score": round(change.score, 3),
            "channels": list(channels),
        }
        if not change.entered:
            details["held_seconds"] = change.held_ns // _NANOSECONDS
        for channel in TRADE_CHANNELS.intersection(channels):
            account = self._continuity.account(channel, change.symbol)
            # Only who left is back: a break over a restart or a lost line is a loss.
            if change.entered and account is not None and not account.watched:
                self._recorder.rejoins(Pair(channel, change.symbol), now_ns)
        self._continuity.watch(change.symbol, watched=change.entered)
        self._recorder.control(ControlKind.SLOT, details)
        _log.debug("A slot has changed.", **details)

    def _tell_overflow(self, plan: SlotPlan) -> None:
        self.overflow = plan.overflow
        waiting = {(signal.symbol, signal.at_ns) for signal in plan.overflow}
        for signal in plan.overflow:
            if (signal.symbol, signal.at_ns) not in self._told:
                self._recorder.control(
                    ControlKind.SLOT,
                    {"symbol": signal.symbol, "action": "overflow", "cause": signal.cause.value,
                     "strength": round(signal.strength, 3)},
                )  # fmt: skip
        self._told = waiting

    def _leave_out(self, plan: SlotPlan) -> None:
        """Notes whom an earlier process watched and this one does not."""
        planned = {pair.symbol for pair in plan.pairs}
        for symbol in {symbol for _, symbol, _ in self._continuity.accounts()} - planned:
            self._continuity.watch(symbol, watched=False)

    def _outages(self, plan: SlotPlan) -> Mapping[Pair, Outage] | None:
        """Returns what the time between the journal's last line and this start has left uncovered."""
        return dict.fromkeys(plan.pairs, Outage(self._resumed_ns, "restart")) if self._resumed_ns else None


def _is(value: object, form: re.Pattern[str]) -> TypeGuard[str]:
    """Returns whether a value of the broker's JSON is a text of a form."""
    return isinstance(value, str) and form.fullmatch(value) is not None
