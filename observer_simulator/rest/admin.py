"""The simulator's own pages: the account, the truth of the tape, and breaking connections.

Invariant: these pages tell what the market traded up to the present instant, never its future.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import date

import numpy as np
from aiohttp import web

from observer_core.clock.base import NANOSECONDS
from observer_core.errors import ConfigurationError
from observer_core.market.calendar import NotATradingDayError
from observer_simulator.broker import Broker
from observer_simulator.faults.model import FaultError, read_fault
from observer_simulator.market.interruptions import Interruption
from observer_simulator.market.quote import day_time, midnight_ns
from observer_simulator.market.tape import Tape, totals
from observer_simulator.market.venue import Venue
from observer_simulator.rest.answers import plain
from observer_simulator.websocket.server import WebsocketSide


class Admin:
    """Answers what a test or a person wants to know about the simulator.

    Args:
        broker: The parts behind it.
        websocket: The websocket side, for breaking connections.
    """

    def __init__(self, broker: Broker, websocket: WebsocketSide) -> None:
        self._market = broker.market
        self._clock = broker.clock
        self._account = broker.account
        self._faults = broker.faults
        self._interruptions = broker.interruptions
        self._websocket = websocket

    def routes(self) -> list[web.RouteDef]:
        """Returns the pages."""
        return [
            web.get("/admin/account", self.account),
            web.get("/admin/tape/{symbol}", self.tape),
            web.post("/admin/faults", self.faults),
            web.get("/admin/faults", self.fault_list),
            web.delete("/admin/faults", self.end_faults),
            web.post("/admin/interruptions", self.interrupt),
        ]

    async def account(self, _request: web.Request) -> web.Response:
        """The exact account of what was sent."""
        return plain(self._account.as_dict())

    async def tape(self, request: web.Request) -> web.Response:
        """What a symbol traded, whether or not anybody listened.

        Query, all optional: `day=YYYY-MM-DD` (the present day), `venue=J`, `NX` or `UN`, and one of
        `from=HHMMSS` and `to=HHMMSS`: trades at or after the first second and before the second;
        `after_ns` and `until_ns`: trades after the first instant, up to and including the second;
        `after_cumulative` and `until_cumulative`: trades after the first cumulative volume of the day,
        up to and including the second (not where the after-market restarts them).
        """
        symbol, query = request.match_info["symbol"], request.query
        try:
            day = date.fromisoformat(query["day"]) if "day" in query else self._clock.now().date()
            tape = self._market.tape(symbol, day, Venue(query.get("venue", Venue.KRX)))
            first, end = self._bounds(tape, dict(query))
        except (KeyError, ValueError, NotATradingDayError, ConfigurationError) as error:
            return plain({"error": f"No tape of {symbol}: {error}"}, status=404, outcome="404")
        found = asdict(totals(tape, first, end))
        return plain({"symbol": symbol, "day": day.isoformat(), **found})

    async def faults(self, request: web.Request) -> web.Response:
        """Takes a fault: `kind`, `at` (HH:MM:SS, else now), `seconds`, and the attributes of `Fault`."""
        try:
            content = await request.json()
            if not isinstance(content, dict):
                raise FaultError("A fault is a JSON object.")
            fault = read_fault(content, self._clock.now_ns())
        except ValueError as error:
            return plain({"error": str(error)}, status=400, outcome="400")
        connections = self._websocket.connections
        self._websocket.add_fault(fault)
        # The fault begins on its own task; one for now has begun when the answer is sent.
        await asyncio.sleep(0)
        return plain({"connections": connections})

    async def fault_list(self, _request: web.Request) -> web.Response:
        """All faults, and how often each has happened."""
        return plain({"faults": self._faults.as_list()})

    async def end_faults(self, _request: web.Request) -> web.Response:
        """Ends all faults."""
        self._faults.clear()
        return plain({"faults": []})

    async def interrupt(self, request: web.Request) -> web.Response:
        """Says that a symbol's volatility interruption has begun: `symbol`, and `seconds` if not 132."""
        content = await request.json()
        begun = Interruption.begin(
            str(content["symbol"]), self._clock.now_ns(), seconds=float(content.get("seconds", 132))
        )
        self._interruptions.append(begun)
        return plain({"symbol": begun.symbol})

    def _bounds(self, tape: Tape, query: dict[str, str]) -> tuple[int, int]:
        """Returns the first trade asked for, and one after the last."""
        start_ns, traded = self._traded_until_now(tape)
        times = tape.trade_times()[:traded]
        if "after_cumulative" in query or "until_cumulative" in query:
            volumes = tape.trades.cumulative_volume[:traded]
            bounds = (query.get("after_cumulative", "0"), query.get("until_cumulative"))
            found = [
                traded if text is None else int(np.searchsorted(volumes, int(text), "right"))
                for text in bounds
            ]
        elif "after_ns" in query or "until_ns" in query:
            instants = (query.get("after_ns", str(start_ns)), query.get("until_ns"))
            found = [
                traded if text is None else int(np.searchsorted(times, int(text) - start_ns, "right"))
                for text in instants
            ]
        else:
            moments = (query.get("from", "000000"), query.get("to", "240000"))
            found = [int(np.searchsorted(times, _second(text), "left")) for text in moments]
        return found[0], max(found)

    def _traded_until_now(self, tape: Tape) -> tuple[int, int]:
        midnight, time_ns = day_time(self._clock.now_ns())
        if tape.day < midnight.date():
            time_ns = 24 * 3600 * NANOSECONDS
        elif tape.day > midnight.date():
            time_ns = 0
        start = midnight.replace(year=tape.day.year, month=tape.day.month, day=tape.day.day)
        return midnight_ns(start), tape.trades_until(time_ns)


def _second(text: str) -> int:
    """Returns HHMMSS as nanoseconds since midnight."""
    if len(text) != 6 or not text.isdigit():
        raise ValueError(f"{text!r} is not HHMMSS")
    return (int(text[:2]) * 3600 + int(text[2:4]) * 60 + int(text[4:])) * NANOSECONDS
