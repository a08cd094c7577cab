"""The quote endpoints (broker reference, 4.1, 4.8 and 4.9).

Invariant: an answer is the tape at the instant of the request; the rows of a multi-price answer
enter the account once the answer was sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from aiohttp import web

from observer_core.clock import Clock
from observer_core.market.ticks import tick_size
from observer_core.reference.instrument import ListedInstrument
from observer_simulator.account import MULTI_PRICE, Account
from observer_simulator.credentials import Refusal
from observer_simulator.market.market import Market
from observer_simulator.market.quote import Quote, day_time, quote
from observer_simulator.market.tape import Moment, Tape
from observer_simulator.rest.answers import envelope, quote_refusal
from observer_simulator.rest.figures import average_price, change, change_rate, change_sign, percent

PRICE, DAILY_PRICE = "FHKST01010100", "FHKST01010400"
_MULTI_PRICE_SYMBOLS = 30
_DAILY_ROWS = 30
_KRX = "J"

BAD_MARKET = Refusal(200, "OPSQ2001", "ERROR INVALID FID_COND_MRKT_DIV_CODE")
BAD_FIELD = Refusal(200, "OPSQ2002", "ERROR INVALID INPUT_FIELD_SIZE")

_HOUR_CLASS = {Moment.OPENING_AUCTION: "B", Moment.CLOSING_AUCTION: "A"}


class Quotations:
    """Answers quotes over HTTP.

    Args:
        market: The market.
        clock: The market's time.
        account: What was sent.
    """

    def __init__(self, market: Market, clock: Clock, account: Account) -> None:
        self._market = market
        self._clock = clock
        self._account = account

    async def price(self, request: web.Request) -> web.StreamResponse:
        """inquire-price: one symbol now."""
        query = upper_case(request.query)
        if query.get("FID_COND_MRKT_DIV_CODE") != _KRX:
            return quote_refusal(BAD_MARKET)
        instrument = self._market.instruments.get(query.get("FID_INPUT_ISCD", ""))
        if instrument is None:
            return envelope(PRICE, {"output": {"stck_prpr": "0"}})
        shown = quote(self._market, instrument.code, self._clock.now_ns())
        return envelope(PRICE, {"output": _price_block(instrument, shown)})

    async def multi_price(self, request: web.Request) -> web.StreamResponse:
        """intstock-multprice: up to thirty symbols now."""
        query = upper_case(request.query)
        wanted = []
        for number in range(1, _MULTI_PRICE_SYMBOLS + 1):
            code = query.get(f"FID_INPUT_ISCD_{number}", "")
            if code and query.get(f"FID_COND_MRKT_DIV_CODE_{number}") != _KRX:
                return quote_refusal(BAD_MARKET)
            if code:
                wanted.append(code)
        if not wanted:
            return quote_refusal(BAD_FIELD)
        now_ns = self._clock.now_ns()
        rows = [self._row(code, now_ns) for code in wanted]
        response = envelope(MULTI_PRICE, {"output": rows})
        await response.prepare(request)
        await response.write_eof()
        self._account.sent_rows(wanted)
        return response

    async def daily_price(self, request: web.Request) -> web.StreamResponse:
        """inquire-daily-price: the last thirty days, today's running row first."""
        query = upper_case(request.query)
        if query.get("FID_COND_MRKT_DIV_CODE") != _KRX:
            return quote_refusal(BAD_MARKET)
        if query.get("FID_PERIOD_DIV_CODE") != "D" or query.get("FID_ORG_ADJ_PRC") not in {"0", "1"}:
            return quote_refusal(BAD_FIELD)
        code = query.get("FID_INPUT_ISCD", "")
        if code not in self._market.instruments:
            return envelope(DAILY_PRICE, {"output": []})
        midnight, time_ns = day_time(self._clock.now_ns())
        today, calendar = midnight.date(), self._market.calendar
        last = today if calendar.is_trading_day(today) else calendar.previous_trading_day(today)
        days = self._market.days_before(last, _DAILY_ROWS)
        rows = [self._daily_row(code, day, time_ns if day == today else None) for day in days]
        return envelope(DAILY_PRICE, {"output": rows})

    def _daily_row(self, code: str, day: date, time_ns: int | None) -> dict[str, str]:
        """A day's row; with a time of the day it is that of the running day."""
        tape = self._market.tape(code, day)
        count = len(tape.trades) if time_ns is None else tape.trades_until(time_ns)
        trades, last = tape.trades, count - 1
        close = _official_close(tape, count) if count else tape.base_price
        volume = int(trades.cumulative_volume[last]) if count else 0
        return {
            "stck_bsop_date": f"{day:%Y%m%d}",
            "stck_oprc": str(trades.price[trades.open[last]] if count else 0),
            "stck_hgpr": str(trades.price[trades.high[last]] if count else 0),
            "stck_lwpr": str(trades.price[trades.low[last]] if count else 0),
            "stck_clpr": str(close),
            "acml_vol": str(volume),
            "prdy_vrss_vol_rate": percent(volume - tape.previous_volume, tape.previous_volume),
            "prdy_vrss": change(close, tape),
            "prdy_vrss_sign": change_sign(close, tape),
            "prdy_ctrt": change_rate(close, tape),
            "hts_frgn_ehrt": "0.00",
            "frgn_ntby_qty": "0",
            "flng_cls_code": "00",
            "acml_prtt_rate": "0.00",
        }

    def _row(self, code: str, now_ns: int) -> dict[str, str]:
        instrument = self._market.instruments.get(code)
        if instrument is None:
            # The result for an unknown symbol is not confirmed for this request; inquire-price gives 0.
            return {"inter_shrn_iscd": code, "inter2_prpr": "0", "acml_vol": "0"}
        return _multi_price_row(instrument, quote(self._market, code, now_ns))


def upper_case(query: Mapping[str, str]) -> dict[str, str]:
    """Returns query parameters by upper-case name: the broker takes either case."""
    return {name.upper(): value for name, value in query.items()}


def _official_close(tape: Tape, count: int) -> int:
    """Returns the last price of the first `count` trades that is not of the after-market."""
    regular = tape.states.moment[tape.trades.state[:count]] != Moment.AFTER_MARKET
    return int(tape.trades.price[:count][regular][-1])


def _multi_price_row(instrument: ListedInstrument, shown: Quote) -> dict[str, str]:
    tape, expected = shown.tape, shown.expected_price
    return {
        "kospi_kosdaq_cls_name": instrument.market.value,
        "mrkt_trtm_cls_name": "",
        "hour_cls_code": _HOUR_CLASS.get(shown.moment, "0") if shown.moment is not None else "0",
        "inter_shrn_iscd": instrument.code,
        "inter_kor_isnm": instrument.name,
        "inter2_prpr": str(shown.last),
        "inter2_prdy_vrss": change(shown.last, tape),
        "prdy_vrss_sign": change_sign(shown.last, tape),
        "prdy_ctrt": change_rate(shown.last, tape),
        "acml_vol": str(shown.cumulative_volume),
        "inter2_oprc": str(shown.open),
        "inter2_hgpr": str(shown.high),
        "inter2_lwpr": str(shown.low),
        "inter2_llam": str(tape.lower_limit),
        "inter2_mxpr": str(tape.upper_limit),
        "inter2_askp": str(shown.ask),
        "inter2_bidp": str(shown.bid),
        "seln_rsqn": str(shown.ask_volume),
        "shnu_rsqn": str(shown.bid_volume),
        "total_askp_rsqn": str(shown.ask_total),
        "total_bidp_rsqn": str(shown.bid_total),
        "acml_tr_pbmn": str(shown.cumulative_value),
        "inter2_prdy_clpr": str(tape.base_price),
        "oprc_vrss_hgpr_rate": percent(shown.high - shown.open, shown.open),
        "intr_antc_cntg_vrss": change(expected, tape),
        "intr_antc_cntg_vrss_sign": change_sign(expected, tape),
        "intr_antc_cntg_prdy_ctrt": change_rate(expected, tape),
        "intr_antc_vol": str(shown.expected_volume),
        "inter2_sdpr": str(tape.base_price),
    }


def _price_block(instrument: ListedInstrument, shown: Quote) -> dict[str, str]:
    """The keys of 4.1 that follow from the market; real answers omit some of the table's, too."""
    tape = shown.tape
    return {
        "iscd_stat_cls_code": "58" if instrument.suspended else "55",
        "rprs_mrkt_kor_name": instrument.market.value,
        "temp_stop_yn": "Y" if instrument.suspended else "N",
        "stck_prpr": str(shown.last),
        "prdy_vrss": change(shown.last, tape),
        "prdy_vrss_sign": change_sign(shown.last, tape),
        "prdy_ctrt": change_rate(shown.last, tape),
        "acml_tr_pbmn": str(shown.cumulative_value),
        "acml_vol": str(shown.cumulative_volume),
        "prdy_vrss_vol_rate": percent(shown.cumulative_volume, tape.previous_volume),
        "stck_oprc": str(shown.open),
        "stck_hgpr": str(shown.high),
        "stck_lwpr": str(shown.low),
        "stck_mxpr": str(tape.upper_limit),
        "stck_llam": str(tape.lower_limit),
        "stck_sdpr": str(tape.base_price),
        "wghn_avrg_stck_prc": average_price(shown),
        "aspr_unit": str(tick_size(shown.last)),
        "hts_deal_qty_unit_val": "1",
        "lstn_stcn": str(instrument.listed_shares),
        "hts_avls": str(instrument.listed_shares * shown.last // 100_000_000),
        "vol_tnrt": percent(shown.cumulative_volume, instrument.listed_shares),
        "stck_shrn_iscd": instrument.code,
        "vi_cls_code": "N",
        "ovtm_vi_cls_code": "N",
        "sltr_yn": "Y" if instrument.liquidation else "N",
    }
