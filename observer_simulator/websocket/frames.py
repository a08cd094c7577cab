"""Data frames of one channel and symbol, day after day.

Invariant: a stream yields each event of its symbol once, in the order of time, beginning after the
instant of the registration; it depends on the market only. Encoding is done a block ahead, because
one call for many records is much cheaper than many calls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise

import numpy as np

from observer_core.clock import KST
from observer_simulator.market.history import NoMarketError
from observer_simulator.market.indices import INDICES, index_day
from observer_simulator.market.market import Market
from observer_simulator.market.quote import day_time, midnight_ns
from observer_simulator.market.tape import Tape, time_of_day_ns
from observer_simulator.market.venue import Venue
from observer_simulator.records.book import book_records, nxt_book_records, unified_book_records
from observer_simulator.records.common import book_width, nxt_book_width, trade_width, unified_book_width
from observer_simulator.records.index import index_records
from observer_simulator.records.operation import operation_events, operation_record
from observer_simulator.records.trade import trade_records

_BLOCK = 128


class Channel(StrEnum):
    """The channels that the simulator serves."""

    OPERATION = "H0STMKO0"
    NXT_OPERATION = "H0NXMKO0"
    UNIFIED_OPERATION = "H0UNMKO0"
    INDICES = "H0UPCNT0"
    TRADES = "H0STCNT0"
    NXT_TRADES = "H0NXCNT0"
    UNIFIED_TRADES = "H0UNCNT0"
    BOOKS = "H0STASP0"
    NXT_BOOKS = "H0NXASP0"
    UNIFIED_BOOKS = "H0UNASP0"

    @property
    def venue(self) -> Venue:
        """Whose market it shows."""
        return _VENUES.get(self.value[:4], Venue.KRX)

    @property
    def rank(self) -> int:
        """Order of frames that share an instant: a book follows the trades that made it."""
        return tuple(Channel).index(self)


_VENUES = {"H0NX": Venue.NXT, "H0UN": Venue.UNIFIED}
_OPERATIONS = frozenset({Channel.OPERATION, Channel.NXT_OPERATION, Channel.UNIFIED_OPERATION})
_BOOKS = frozenset({Channel.BOOKS, Channel.NXT_BOOKS, Channel.UNIFIED_BOOKS})

# The broker documents these two for its paper environment (broker reference, 7.0).
PAPER_CHANNELS = frozenset({Channel.TRADES, Channel.BOOKS})


@dataclass(frozen=True, slots=True)
class Pair:
    """What one registration asks for."""

    channel: Channel
    key: str


@dataclass(frozen=True, slots=True)
class Frame:
    """One websocket message with records.

    Attributes:
        instant_ns: When the market made it, nanoseconds since the Unix epoch.
        pair: Its channel and symbol.
        records: Number of records.
        message: The text, UTF-8.
        sent_as: Channel in the message, where it is another one (a fault).
        whole: Whether its records can no longer be told apart (a fault).
    """

    instant_ns: int
    pair: Pair
    records: int
    message: bytes
    sent_as: str = ""
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Widths:
    """Values of a record; 0 for as many as on the simulated day. Those of a book are the KRX's only."""

    trade: int = 0
    book: int = 0


@dataclass(frozen=True, slots=True)
class _Day:
    """A day's frames of one pair: their times of the day, and how to write a block of them."""

    midnight_ns: int
    times: Sequence[int]
    write: Callable[[int, int], list[list[str]]]


class PairStream:
    """The frames of one registered pair.

    Args:
        market: The market.
        pair: Channel and symbol; a symbol that is not listed yields nothing.
        widths: Values of the records.
        after_ns: The instant after which the frames begin.
    """

    def __init__(self, market: Market, pair: Pair, widths: Widths, *, after_ns: int) -> None:
        self._market = market
        self._pair = pair
        self._widths = widths
        midnight, time_ns = day_time(after_ns)
        self._midnight = midnight
        self._day = self._open(midnight)
        self._position = int(np.searchsorted(np.asarray(self._day.times), time_ns, side="right"))
        self._block: list[list[str]] = []
        self._block_start = self._position

    @property
    def pair(self) -> Pair:
        return self._pair

    @property
    def next_ns(self) -> int:
        """The instant of the next frame; between two days that of the next midnight."""
        if self._position < len(self._day.times):
            return self._day.midnight_ns + self._day.times[self._position]
        return midnight_ns(self._midnight + timedelta(days=1))

    def take(self) -> Frame | None:
        """Returns the next frame, or None where a new day begins instead."""
        if self._position >= len(self._day.times):
            self._turn_to(self._midnight + timedelta(days=1))
            return None
        offset = self._position - self._block_start
        if offset >= len(self._block):
            self._block_start, offset = self._position, 0
            self._block = self._day.write(self._position, min(self._position + _BLOCK, len(self._day.times)))
        records, instant_ns = self._block[offset], self.next_ns
        self._position += 1
        text = f"0|{self._pair.channel}|{len(records):03d}|{'^'.join(records)}"
        return Frame(instant_ns, self._pair, len(records), text.encode())

    def _turn_to(self, midnight: datetime) -> None:
        self._midnight = midnight
        self._day = self._open(midnight)
        self._position = self._block_start = 0
        self._block = []

    def _open(self, midnight: datetime) -> _Day:
        day, start_ns = midnight.astimezone(KST).date(), midnight_ns(midnight)
        if self._pair.channel is Channel.INDICES:
            return self._indices(day, start_ns)
        if self._pair.key not in self._market.instruments or not self._market.calendar.is_trading_day(day):
            return _Day(start_ns, (), _nothing)
        if self._pair.channel in _OPERATIONS:
            return self._operations(midnight)
        tape = self._market.tape(self._pair.key, day, self._pair.channel.venue)
        if self._pair.channel in _BOOKS:
            write = self._books(tape)
            return _Day(start_ns, tape.states.time.tolist(), lambda a, b: [[row] for row in write(a, b)])
        return self._trades(tape, start_ns)

    def _books(self, tape: Tape) -> Callable[[int, int], list[str]]:
        """Returns what writes the books of a tape from one state to another."""
        code, day = tape.code, tape.day
        krx, nxt = self._market.tape(code, day), self._market.tape(code, day, Venue.NXT)
        if self._pair.channel is Channel.NXT_BOOKS:
            return lambda a, b: nxt_book_records(tape, krx, a, b, width=nxt_book_width(day))
        if self._pair.channel is Channel.UNIFIED_BOOKS:
            return lambda a, b: unified_book_records(tape, krx, nxt, a, b, width=unified_book_width(day))
        width = self._widths.book or book_width(day)
        return lambda a, b: book_records(tape, a, b, width=width)

    def _indices(self, day: date, start_ns: int) -> _Day:
        code = self._pair.key
        if code not in INDICES or not self._market.calendar.is_trading_day(day):
            return _Day(start_ns, (), _nothing)
        found = index_day(self._market, code, day)
        return _Day(
            start_ns, found.times.tolist(), lambda a, b: [[row] for row in index_records(code, found, a, b)]
        )

    def _trades(self, tape: Tape, start_ns: int) -> _Day:
        width = self._widths.trade or trade_width(tape.day)
        bounds = tape.states.first_trade
        trading = np.flatnonzero(np.diff(bounds) > 0)
        yesterday = self._yesterday(tape)

        def write(first: int, end: int) -> list[list[str]]:
            cuts = [*bounds[trading[first:end]].tolist(), int(bounds[trading[end - 1] + 1])]
            records = trade_records(tape, cuts[0], cuts[-1], yesterday=yesterday, width=width)
            return [records[start - cuts[0] : stop - cuts[0]] for start, stop in pairwise(cuts)]

        return _Day(start_ns, tape.states.time[trading].tolist(), write)

    def _yesterday(self, tape: Tape) -> Tape | None:
        try:
            before = self._market.calendar.previous_trading_day(tape.day)
            return self._market.tape(tape.code, before, self._pair.channel.venue)
        except NoMarketError:
            return None

    def _operations(self, midnight: datetime) -> _Day:
        venue, day = self._pair.channel.venue, midnight.date()
        if venue is Venue.NXT and not self._market.on_nxt(self._pair.key, day):
            return _Day(midnight_ns(midnight), (), _nothing)
        events = operation_events(self._market.calendar.session(day), venue)
        instrument = self._market.instruments[self._pair.key]
        rows = [
            operation_record(instrument.code, operation, expected, halted=instrument.suspended)
            for _, operation, expected in events
        ]
        return _Day(
            midnight_ns(midnight),
            [time_of_day_ns(moment) for moment, _, _ in events],
            lambda a, b: [[row] for row in rows[a:b]],
        )


def _nothing(_first: int, _end: int) -> list[list[str]]:
    return []
