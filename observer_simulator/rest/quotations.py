"""The quote endpoints (broker reference, 4.1, 4.7 to 4.9), for the KRX, NXT and both together.

Invariant: an answer is the tape at the instant of the request; the rows of a multi-price answer
enter the account once the answer was sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np
from aiohttp import web
from numpy.typing import NDArray

from observer_core.clock import Clock
from observer_core.market.ticks import tick_size
from observer_core.reference.instrument import ListedInstrument
from observer_simulator.account import MULTI_PRICE, Account
from observer_simulator.credentials import Refusal
from observer_simulator.market.market import Market
from observer_simulator.market.quote import Quote, day_time, quote
from observer_simulator.market.tape import Moment, Tape
from observer_simulator.market.venue import Venue, venue_of
from observer_simulator.rest.answers import envelope, quote_refusal
from observer_simulator.rest.figures import average_price, change, change_rate, change_sign, percent

PRICE, DAILY_PRICE, DAILY_CHART = "FHKST01010100", "FHKST01010400", "FHKST03010100"
_MULTI_PRICE_SYMBOLS = 30
_DAILY_ROWS = 30
_CHART_ROWS = 100

BAD_MARKET = Refusal(200, "OPSQ2001", "ERROR INVALID FID_COND_MRKT_DIV_CODE")
BAD_FIELD = Refusal(200, "OPSQ2002", "ERROR INVALID INPUT_FIELD_SIZE")

_HOUR_CLASS = {Moment.OPENING_AUCTION: "B", Moment.CLOSING_AUCTION: "A"}


class Quotations:
    """Answers quotes over HTTP.

    Args:
        market: The market.
        clock: The market's time.
        account: What was sent.
        daily_includes_after_market: Whether a day of the KRX has its after-market in it, which is not
            confirmed (broker reference, 4.7).
    """

    def __init__(
        self, market: Market, clock: Clock, account: Account, *, daily_includes_after_market: bool = True
    ) -> None:
        self._evening = daily_includes_after_market
        self._market = market
        self._clock = clock
        self._account = account

    async def price(self, request: web.Request) -> web.StreamResponse:
        """inquire-price: one symbol now."""
        query = upper_case(request.query)
        venue = venue_of(query.get("FID_COND_MRKT_DIV_CODE"))
        if venue is None:
            return quote_refusal(BAD_MARKET)
        instrument = self._listed(query.get("FID_INPUT_ISCD", ""), venue)
        if instrument is None:
            return envelope(PRICE, {"output": {"stck_prpr": "0"}})
        shown = quote(self._market, instrument.code, self._clock.now_ns(), venue)
        return envelope(PRICE, {"output": _price_block(instrument, shown)})

    async def multi_price(self, request: web.Request) -> web.StreamResponse:
        """intstock-multprice: up to thirty symbols now."""
        query = upper_case(request.query)
        wanted = []
        for number in range(1, _MULTI_PRICE_SYMBOLS + 1):
            code = query.get(f"FID_INPUT_ISCD_{number}", "")
            venue = venue_of(query.get(f"FID_COND_MRKT_DIV_CODE_{number}"))
            if code and venue is None:
                return quote_refusal(BAD_MARKET)
            if code and venue is not None:
                wanted.append((code, venue))
        if not wanted:
            return quote_refusal(BAD_FIELD)
        now_ns = self._clock.now_ns()
        rows = [self._row(code, venue, now_ns) for code, venue in wanted]
        response = envelope(MULTI_PRICE, {"output": rows})
        await response.prepare(request)
        await response.write_eof()
        self._account.sent_rows([code for code, _ in wanted])
        return response

    async def daily_price(self, request: web.Request) -> web.StreamResponse:
        """inquire-daily-price: the last thirty days, today's running row first."""
        query = upper_case(request.query)
        venue = venue_of(query.get("FID_COND_MRKT_DIV_CODE"))
        if venue is None:
            return quote_refusal(BAD_MARKET)
        if query.get("FID_PERIOD_DIV_CODE") != "D" or query.get("FID_ORG_ADJ_PRC") not in {"0", "1"}:
            return quote_refusal(BAD_FIELD)
        code = query.get("FID_INPUT_ISCD", "")
        if self._listed(code, venue) is None:
            return envelope(DAILY_PRICE, {"output": []})
        midnight, time_ns = day_time(self._clock.now_ns())
        today, calendar = midnight.date(), self._market.calendar
        last = today if calendar.is_trading_day(today) else calendar.previous_trading_day(today)
        days = self._market.days_before(last, _DAILY_ROWS)
        rows = [self._daily_row(code, venue, day, time_ns if day == today else None) for day in days]
        return envelope(DAILY_PRICE, {"output": rows})

    async def daily_chart(self, request: web.Request) -> web.StreamResponse:
        """inquire-daily-itemchartprice: the days from one date to another, the newest first."""
        query = upper_case(request.query)
        venue = venue_of(query.get("FID_COND_MRKT_DIV_CODE"))
        if venue is None:
            return quote_refusal(BAD_MARKET)
        first, last = _date(query.get("FID_INPUT_DATE_1")), _date(query.get("FID_INPUT_DATE_2"))
        known = query.get("FID_PERIOD_DIV_CODE") == "D" and query.get("FID_ORG_ADJ_PRC") in {"0", "1"}
        if first is None or last is None or not known:
            return quote_refusal(BAD_FIELD)
        code = query.get("FID_INPUT_ISCD", "")
        midnight, time_ns = day_time(self._clock.now_ns())
        today = midnight.date()
        if self._listed(code, venue) is None:
            return envelope(DAILY_CHART, {"output1": {"stck_prpr": "0"}, "output2": []})
        days = self._market.calendar.trading_days(first, min(last, today))[::-1][:_CHART_ROWS]
        rows = [self._chart_row(code, venue, day, time_ns if day == today else None) for day in days]
        summary = {"stck_shrn_iscd": code, "hts_kor_isnm": self._market.instruments[code].name}
        return envelope(DAILY_CHART, {"output1": summary, "output2": rows})

    def _chart_row(self, code: str, venue: Venue, day: date, time_ns: int | None) -> dict[str, str]:
        tape = self._market.tape(code, day, venue)
        count = self._counted(tape, venue, time_ns)
        row = self._daily_row(code, venue, day, time_ns)
        kept = ("stck_bsop_date", "stck_clpr", "stck_oprc", "stck_hgpr", "stck_lwpr", "acml_vol")
        return {
            **{name: row[name] for name in kept},
            "acml_tr_pbmn": str(tape.trades.cumulative_value[count - 1] if count else 0),
            "flng_cls_code": "00",
            "prtt_rate": "0.00",
            "mod_yn": "N" if count else "Y",
            "prdy_vrss_sign": row["prdy_vrss_sign"],
            "prdy_vrss": row["prdy_vrss"],
            "revl_issu_reas": "",
        }

    def _counted(self, tape: Tape, venue: Venue, time_ns: int | None) -> int:
        """Returns how many trades a day's figures are made of; until a time where the day still runs."""
        count = len(tape.trades) if time_ns is None else tape.trades_until(time_ns)
        if self._evening or venue is not Venue.KRX or not count:
            return count
        return int(before_evening(tape, count).sum())

    def _daily_row(self, code: str, venue: Venue, day: date, time_ns: int | None) -> dict[str, str]:
        """A day's row; with a time of the day it is that of the running day."""
        tape = self._market.tape(code, day, venue)
        count = self._counted(tape, venue, time_ns)
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

    def _listed(self, code: str, venue: Venue) -> ListedInstrument | None:
        """Returns a symbol that there is on a venue; on the last trading day where today is none."""
        instrument, today = self._market.instruments.get(code), self._clock.now().date()
        calendar = self._market.calendar
        day = today if calendar.is_trading_day(today) else calendar.previous_trading_day(today)
        return None if venue is Venue.NXT and not self._market.on_nxt(code, day) else instrument

    def _row(self, code: str, venue: Venue, now_ns: int) -> dict[str, str]:
        instrument = self._listed(code, venue)
        if instrument is None:
            # The result for an unknown symbol is not confirmed for this request; inquire-price gives 0.
            return {"inter_shrn_iscd": code, "inter2_prpr": "0", "acml_vol": "0"}
        return _multi_price_row(instrument, quote(self._market, code, now_ns, venue))


def upper_case(query: Mapping[str, str]) -> dict[str, str]:
    """Returns query parameters by upper-case name: the broker takes either case."""
    return {name.upper(): value for name, value in query.items()}


def _official_close(tape: Tape, count: int) -> int:
    """Returns the last price of the first `count` trades that is not of an after-market.

    A unified day has the close of the KRX, in whose session the closing auction is. Before there is one,
    the pre-market's last price stands there.
    """
    return int(tape.trades.price[:count][before_evening(tape, count)][-1])


def before_evening(tape: Tape, count: int) -> NDArray[np.bool_]:
    """Returns which of the first `count` trades are not of an after-market; all where they all are."""
    regular: NDArray[np.bool_] = tape.states.moment[tape.trades.state[:count]] != Moment.AFTER_MARKET
    return regular if regular.any() else ~regular


def _date(text: str | None) -> date | None:
    """Returns a date written YYYYMMDD; None where it is none."""
    if text is None or len(text) != 8 or not text.isdigit():
        return None
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None


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
