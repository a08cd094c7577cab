"""The lists by which a client fills its holes: executions and minute bars of today (reference, 4.4 and 4.5).

Invariant: the rows are those of the tape up to the instant of the request, so they reconcile with what the
websocket sent and with what it did not send; they enter the account once the answer was sent.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from aiohttp import web

from observer_core.clock import Clock
from observer_core.clock.base import NANOSECONDS
from observer_simulator.account import EXECUTIONS, MINUTE_BARS, Account
from observer_simulator.market.book import books
from observer_simulator.market.market import Market
from observer_simulator.market.quote import day_time
from observer_simulator.market.tape import Tape
from observer_simulator.market.venue import Venue, venue_of
from observer_simulator.rest.answers import envelope, quote_refusal
from observer_simulator.rest.figures import change, change_rate, change_sign, percent
from observer_simulator.rest.quotations import BAD_FIELD, BAD_MARKET, upper_case

_ROWS = 30
_MINUTE_NS = 60 * NANOSECONDS


class ExecutionPages:
    """Answers for one symbol's day so far.

    Args:
        market: The market.
        clock: The market's time.
        account: What was sent.
    """

    def __init__(self, market: Market, clock: Clock, account: Account) -> None:
        self._market = market
        self._clock = clock
        self._account = account

    async def executions(self, request: web.Request) -> web.StreamResponse:
        """inquire-time-itemconclusion: up to thirty trades up to a second, the newest first."""
        query = upper_case(request.query)
        code, until_ns = query.get("FID_INPUT_ISCD", ""), _second_ns(query.get("FID_INPUT_HOUR_1", ""))
        venue = venue_of(query.get("FID_COND_MRKT_DIV_CODE"))
        if venue is None:
            return quote_refusal(BAD_MARKET)
        if until_ns is None:
            return quote_refusal(BAD_FIELD)
        tape, traded = self._so_far(code, venue)
        rows: list[dict[str, str]] = []
        if tape is not None:
            end = min(traded, int(np.searchsorted(tape.trade_times(), until_ns + NANOSECONDS, "left")))
            rows = _execution_rows(tape, range(max(0, end - _ROWS), end))
        return await self._send(request, EXECUTIONS, code, _summary(tape, traded), rows)

    async def minute_bars(self, request: web.Request) -> web.StreamResponse:
        """inquire-time-itemchartprice: thirty minute bars up to a minute, the newest first."""
        query = upper_case(request.query)
        code, until_ns = query.get("FID_INPUT_ISCD", ""), _second_ns(query.get("FID_INPUT_HOUR_1", ""))
        venue = venue_of(query.get("FID_COND_MRKT_DIV_CODE"))
        if venue is None:
            return quote_refusal(BAD_MARKET)
        if until_ns is None:
            return quote_refusal(BAD_FIELD)
        tape, traded = self._so_far(code, venue)
        rows = [] if tape is None else _bar_rows(tape, traded, until_ns // _MINUTE_NS)
        return await self._send(request, MINUTE_BARS, code, _summary(tape, traded), rows)

    async def _send(
        self,
        request: web.Request,
        tr_id: str,
        code: str,
        summary: dict[str, str],
        rows: list[dict[str, str]],
    ) -> web.StreamResponse:
        response = envelope(tr_id, {"output1": summary, "output2": rows})
        await response.prepare(request)
        await response.write_eof()
        self._account.sent_rows([code] * len(rows), tr_id)
        return response

    def _so_far(self, code: str, venue: Venue) -> tuple[Tape | None, int]:
        """Returns today's tape and how many trades it has so far; none on a day without trading."""
        midnight, time_ns = day_time(self._clock.now_ns())
        if code not in self._market.instruments or not self._market.calendar.is_trading_day(midnight.date()):
            return None, 0
        tape = self._market.tape(code, midnight.date(), venue)
        return tape, tape.trades_until(time_ns)


def _execution_rows(tape: Tape, indices: Sequence[int]) -> list[dict[str, str]]:
    trades, times = tape.trades, tape.trade_times()
    book = books(tape, trades.state[indices[0] : indices[-1] + 1]) if indices else None
    rows = []
    for position, index in enumerate(indices):
        price = int(trades.price[index])
        sold, bought = int(trades.sell_volume[index]), int(trades.buy_volume[index])
        rows.append(
            {
                "stck_cntg_hour": _digits(int(times[index])),
                # The printed table says stck_pbpr; real answers have this key.
                "stck_prpr": str(price),
                "prdy_vrss": change(price, tape),
                "prdy_vrss_sign": change_sign(price, tape),
                "prdy_ctrt": change_rate(price, tape),
                "askp": str(book.ask_prices[position, 0] if book is not None else 0),
                "bidp": str(book.bid_prices[position, 0] if book is not None else 0),
                "tday_rltv": percent(bought, sold),
                "acml_vol": str(trades.cumulative_volume[index]),
                "cnqn": str(trades.volume[index]),
            }
        )
    return rows[::-1]


def _bar_rows(tape: Tape, traded: int, last_minute: int) -> list[dict[str, str]]:
    """Returns the bars of minutes with trades; whether others are sent is not confirmed (4.5)."""
    trades, minutes = tape.trades, tape.trade_times()[:traded] // _MINUTE_NS
    rows = []
    for minute in np.unique(minutes[minutes <= last_minute])[::-1][:_ROWS]:
        of_minute = np.flatnonzero(minutes == minute)
        prices, last = trades.price[of_minute], int(of_minute[-1])
        rows.append(
            {
                "stck_bsop_date": f"{tape.day:%Y%m%d}",
                "stck_cntg_hour": _digits(int(minute) * _MINUTE_NS),
                "stck_prpr": str(prices[-1]),
                "stck_oprc": str(prices[0]),
                "stck_hgpr": str(prices.max()),
                "stck_lwpr": str(prices.min()),
                "cntg_vol": str(trades.volume[of_minute].sum()),
                "acml_tr_pbmn": str(trades.cumulative_value[last]),
            }
        )
    return rows


def _summary(tape: Tape | None, traded: int) -> dict[str, str]:
    if tape is None or not traded:
        return {"stck_prpr": "0", "acml_vol": "0"}
    price = int(tape.trades.price[traded - 1])
    return {
        "stck_prpr": str(price),
        "prdy_vrss": change(price, tape),
        "prdy_vrss_sign": change_sign(price, tape),
        "prdy_ctrt": change_rate(price, tape),
        "acml_vol": str(tape.trades.cumulative_volume[traded - 1]),
        "prdy_vol": str(tape.previous_volume),
    }


def _second_ns(text: str) -> int | None:
    """Returns HHMMSS as nanoseconds since midnight, or None where it is none."""
    if len(text) != 6 or not text.isdigit():
        return None
    return (int(text[:2]) * 3600 + int(text[2:4]) * 60 + int(text[4:])) * NANOSECONDS


def _digits(time_ns: int) -> str:
    second = time_ns // NANOSECONDS
    return f"{second // 3600:02d}{second // 60 % 60:02d}{second % 60:02d}"
