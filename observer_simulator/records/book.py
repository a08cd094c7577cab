"""H0STASP0, H0NXASP0 and H0UNASP0: book records (broker reference, 7.1).

Invariant: values 0 to 58 are the same in all three; what follows is the channel's own.
"""

from __future__ import annotations

import numpy as np

from observer_simulator.market.book import books
from observer_simulator.market.ladder import PRICES, Integers
from observer_simulator.market.tape import Moment, Tape
from observer_simulator.records.common import MARKET_CLASS, base_signs, decimals, digits, rows

# HOUR_CLS_CODE: 0 in session, B expected before the open, A expected after the close.
_HOUR_CLASS = {Moment.OPENING_AUCTION: "B", Moment.CLOSING_AUCTION: "A"}


def book_records(tape: Tape, first: int, end: int, *, width: int) -> list[str]:
    """Returns the records of the states from number `first` up to, not including, `end`.

    Args:
        tape: The symbol's day.
        first: First state.
        end: One after the last state.
        width: Values of a record.
    """
    return rows(_columns(tape, first, end), width)


def nxt_book_records(tape: Tape, krx: Tape, first: int, end: int, *, width: int) -> list[str]:
    """Returns the records of NXT's states, as `book_records` does.

    Args:
        tape: The symbol's day on NXT.
        krx: Its day on the KRX, whose midpoint stands in the record too.
        first: First state.
        end: One after the last state.
        width: Values of a record.
    """
    return rows([*_common(tape, first, end), *_midpoints(tape, (krx, tape), first, end)], width)


def unified_book_records(tape: Tape, krx: Tape, nxt: Tape, first: int, end: int, *, width: int) -> list[str]:
    """Returns the records of both exchanges' states, as `book_records` does.

    Args:
        tape: The symbol's day on both.
        krx: Its day on the KRX.
        nxt: Its day on NXT.
        first: First state.
        end: One after the last state.
        width: Values of a record.
    """
    columns = [*_common(tape, first, end), *_midpoints(tape, (krx, nxt), first, end)]
    # 65 antc_exch_cls_code: NXT has no auctions, so an expected price is that of the KRX, 1.
    return rows([*columns, [1] * (end - first)], width)


def _midpoints(tape: Tape, exchanges: tuple[Tape, Tape], first: int, end: int) -> list[list[object]]:
    """Returns values 59 to 64: price, quantity and side at the midpoint of the KRX, then of NXT."""
    times, zeros = tape.states.time[first:end], [0] * (end - first)
    columns: list[list[object]] = []
    for exchange in exchanges:
        columns += [_midpoint(exchange, times).tolist(), [*zeros], [*zeros]]
    return columns


def _midpoint(tape: Tape, times: Integers) -> Integers:
    """Returns the midpoint of a tape at times of its day; 0 before its first state."""
    if not len(tape.states):
        return np.zeros(len(times), dtype=np.int64)
    last = np.searchsorted(tape.states.time, times, side="right") - 1
    middle = (PRICES[tape.states.ask[last]] + PRICES[tape.states.bid[last]]) // 2
    return np.where(last >= 0, middle, 0)


def _columns(tape: Tape, first: int, end: int) -> list[list[object]]:
    """Returns the 63 values of the KRX."""
    zeros = [0] * (end - first)
    middle = _midpoint(tape, tape.states.time[first:end])
    moments = [Moment(value) for value in tape.states.moment[first:end].tolist()]
    return [
        *_common(tape, first, end),
        middle.tolist(),  # 59 mid_prc
        [*zeros],  # 60 midp_total_rsqn
        [*zeros],  # 61 midp_cls_code
        [MARKET_CLASS[moment] for moment in moments],  # 62 market_cls_code
    ]


def _common(tape: Tape, first: int, end: int) -> list[list[object]]:
    """Returns values 0 to 58."""
    count = end - first
    # One state more at the front: a record carries the change since the book before.
    front = min(first, 1)
    book = books(tape, np.arange(first - front, end))
    asks, bids = book.ask_totals, book.bid_totals
    moments = [Moment(value) for value in tape.states.moment[first:end].tolist()]
    hours = [_HOUR_CLASS.get(moment, "0") for moment in moments]
    zeros: list[object] = [0] * count
    columns: list[list[object]] = [
        [tape.code] * count,  # 0 mksc_shrn_iscd
        [*digits(tape.states.time[first:end])],  # 1 bsop_hour
        [*hours],  # 2 hour_cls_code
        *book.ask_prices[front:].T.tolist(),  # 3-12 askp1 to askp10
        *book.bid_prices[front:].T.tolist(),  # 13-22 bidp1 to bidp10
        *book.ask_volumes[front:].T.tolist(),  # 23-32 askp_rsqn1 to askp_rsqn10
        *book.bid_volumes[front:].T.tolist(),  # 33-42 bidp_rsqn1 to bidp_rsqn10
        asks[front:].tolist(),  # 43 total_askp_rsqn
        bids[front:].tolist(),  # 44 total_bidp_rsqn
        zeros,  # 45 ovtm_total_askp_rsqn
        zeros,  # 46 ovtm_total_bidp_rsqn
        *_expected(tape, first, end),  # 47-52
        _volume_so_far(tape, first, end).tolist(),  # 53 acml_vol
        _changes(asks, front),  # 54 total_askp_rsqn_icdc
        _changes(bids, front),  # 55 total_bidp_rsqn_icdc
        zeros,  # 56 ovtm_total_askp_icdc
        zeros,  # 57 ovtm_total_bidp_icdc
        zeros,  # 58 stck_deal_cls_code: retired
    ]
    return columns


def _expected(tape: Tape, first: int, end: int) -> list[list[object]]:
    """Returns values 47 to 52: outside of auctions the price is 0 and its change minus the base."""
    price = tape.states.expected_price[first:end].astype(np.int64)
    volume = tape.states.expected_volume[first:end]
    change = price - tape.base_price
    sign = np.where(price > 0, base_signs(price, tape.base_price, tape.lower_limit, tape.upper_limit), 5)
    return [
        price.tolist(),  # 47 antc_cnpr
        np.where(price > 0, volume, 0).tolist(),  # 48 antc_cnqn
        volume.tolist(),  # 49 antc_vol: keeps the last auction's value
        change.tolist(),  # 50 antc_cntg_vrss
        sign.tolist(),  # 51 antc_cntg_vrss_sign
        [*decimals(change, tape.base_price, 100)],  # 52 antc_cntg_prdy_ctrt
    ]


def _volume_so_far(tape: Tape, first: int, end: int) -> Integers:
    done = tape.states.first_trade[first + 1 : end + 1].astype(np.int64)
    if not len(tape.trades):
        return np.zeros(len(done), dtype=np.int64)
    return np.where(done > 0, tape.trades.cumulative_volume[done - 1], 0)


def _changes(totals: Integers, front: int) -> list[object]:
    changes: list[object] = np.diff(totals, prepend=0)[front:].tolist()
    return changes
