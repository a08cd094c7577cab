"""H0STCNT0, H0NXCNT0 and H0UNCNT0: trade records, in one order (broker reference, 7.1, values 0 to 46)."""

from __future__ import annotations

import numpy as np

from observer_simulator.market.book import books
from observer_simulator.market.ladder import Integers
from observer_simulator.market.tape import Moment, Tape
from observer_simulator.records.common import MARKET_CLASS, base_signs, decimals, digits, rows, signs

# NEW_MKOP_CLS_CODE: 20 in session, 31 after close at the closing price. The value of the after-market
# is not published; 30 is "after close, normal" by its two digits, and 10 "before open, normal".
_OPERATION = {
    Moment.PRE_MARKET: 10,
    Moment.CONTINUOUS: 20,
    Moment.OFF_HOURS_CLOSE: 31,
    Moment.AFTER_MARKET: 30,
}


def trade_records(tape: Tape, first: int, end: int, *, yesterday: Tape | None, width: int) -> list[str]:
    """Returns the records of the trades from index `first` up to, not including, `end`.

    Args:
        tape: The symbol's day.
        first: First trade.
        end: One after the last trade.
        yesterday: The trading day before, for the volume at the same time; None where there is none.
        width: Values of a record.
    """
    return rows(_columns(tape, first, end, yesterday), width)


def _columns(tape: Tape, first: int, end: int, yesterday: Tape | None) -> list[list[object]]:
    trades, count = tape.trades, end - first
    state = trades.state[first:end]
    time = tape.states.time[state]
    moments = [Moment(value) for value in tape.states.moment[state].tolist()]
    price, done = trades.price[first:end], trades.cumulative_volume[first:end]
    change = price - tape.base_price
    buys, sells = trades.buys[first:end], trades.sells[first:end]
    bought, sold = trades.buy_volume[first:end], trades.sell_volume[first:end]
    open_price = trades.price[trades.open[first:end]]
    high_price, low_price = trades.price[trades.high[first:end]], trades.price[trades.low[first:end]]
    times = tape.trade_times()
    book = books(tape, state)
    before = _volume_at(yesterday, time)
    columns: list[list[object]] = [
        [tape.code] * count,  # 0 mksc_shrn_iscd
        [*digits(time)],  # 1 stck_cntg_hour
        price.tolist(),  # 2 stck_prpr
        base_signs(price, tape.base_price, tape.lower_limit, tape.upper_limit).tolist(),  # 3 prdy_vrss_sign
        change.tolist(),  # 4 prdy_vrss
        [*decimals(change, tape.base_price, 100)],  # 5 prdy_ctrt
        [*decimals(trades.cumulative_value[first:end], done)],  # 6 wghn_avrg_stck_prc
        open_price.tolist(),  # 7 stck_oprc
        high_price.tolist(),  # 8 stck_hgpr
        low_price.tolist(),  # 9 stck_lwpr
        book.ask_prices[:, 0].tolist(),  # 10 askp1
        book.bid_prices[:, 0].tolist(),  # 11 bidp1
        trades.volume[first:end].tolist(),  # 12 cntg_vol
        done.tolist(),  # 13 acml_vol
        trades.cumulative_value[first:end].tolist(),  # 14 acml_tr_pbmn
        sells.tolist(),  # 15 seln_cntg_csnu
        buys.tolist(),  # 16 shnu_cntg_csnu
        (buys - sells).tolist(),  # 17 ntby_cntg_csnu
        [*decimals(bought, sold, 100)],  # 18 cttr
        sold.tolist(),  # 19 seln_cntg_smtn
        bought.tolist(),  # 20 shnu_cntg_smtn
        trades.side[first:end].tolist(),  # 21 ccld_dvsn
        [*decimals(bought, done)],  # 22 shnu_rate
        [*decimals(done, tape.previous_volume, 100)],  # 23 prdy_vol_vrss_acml_vol_rate
        [*digits(times[trades.open[first:end]])],  # 24 oprc_hour
        signs(price - open_price).tolist(),  # 25 oprc_vrss_prpr_sign
        (price - open_price).tolist(),  # 26 oprc_vrss_prpr
        [*digits(times[trades.high[first:end]])],  # 27 hgpr_hour
        signs(price - high_price).tolist(),  # 28 hgpr_vrss_prpr_sign
        (price - high_price).tolist(),  # 29 hgpr_vrss_prpr
        [*digits(times[trades.low[first:end]])],  # 30 lwpr_hour
        signs(price - low_price).tolist(),  # 31 lwpr_vrss_prpr_sign
        (price - low_price).tolist(),  # 32 lwpr_vrss_prpr
        [f"{tape.day:%Y%m%d}"] * count,  # 33 bsop_date
        [_OPERATION[moment] for moment in moments],  # 34 new_mkop_cls_code
        ["N"] * count,  # 35 trht_yn
        book.ask_volumes[:, 0].tolist(),  # 36 askp_rsqn1
        book.bid_volumes[:, 0].tolist(),  # 37 bidp_rsqn1
        book.ask_totals.tolist(),  # 38 total_askp_rsqn
        book.bid_totals.tolist(),  # 39 total_bidp_rsqn
        [*decimals(done, tape.listed_shares, 100)],  # 40 vol_tnrt
        before.tolist(),  # 41 prdy_smns_hour_acml_vol
        [*decimals(done, before, 100)],  # 42 prdy_smns_hour_acml_vol_rate
        [0] * count,  # 43 hour_cls_code: a trade is never an expected one
        [""] * count,  # 44 mrkt_trtm_cls_code: empty in all captures
        open_price.tolist(),  # 45 vi_stnd_prc: the auction's price is the reference of the static VI
        [MARKET_CLASS[moment] for moment in moments],  # 46 market_cls_code
    ]
    return columns


def _volume_at(tape: Tape | None, time: Integers) -> Integers:
    """Returns the cumulative volume of a tape at times of its day."""
    if tape is None or not len(tape.trades):
        return np.zeros(len(time), dtype=np.int64)
    index = np.searchsorted(tape.trade_times(), time, side="right") - 1
    return np.where(index < 0, 0, tape.trades.cumulative_volume[index])
