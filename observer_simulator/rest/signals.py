"""What the broker tells about the whole market: interruptions and rankings (reference, 4.10 and 4.16).

Invariant: the ranking is that of the tapes at the instant of the request, over the most active symbols;
interruptions are those that were asked for on the admin page, because the simulated market has none of
its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from observer_core.clock import Clock, kst_datetime
from observer_simulator.market.interruptions import Interruption
from observer_simulator.market.market import Market
from observer_simulator.market.quote import Quote, quote
from observer_simulator.market.venue import Venue, venue_of
from observer_simulator.rest.answers import envelope, quote_refusal
from observer_simulator.rest.figures import change, change_rate, change_sign, percent
from observer_simulator.rest.quotations import BAD_FIELD, BAD_MARKET, upper_case

INTERRUPTIONS, RANKING = "FHPST01390000", "FHPST01710000"
_ROWS = 30
# Quoting all of the listing at every request would cost more than the rest of the simulation.
_CANDIDATES = 200


class MarketPages:
    """Answers for the whole market.

    Args:
        market: The market.
        clock: The market's time.
        interruptions: Those that were asked for; shared with the admin page.
    """

    def __init__(self, market: Market, clock: Clock, interruptions: Sequence[Interruption]) -> None:
        self._market = market
        self._clock = clock
        self._interruptions = interruptions
        active = sorted(
            market.instruments.values(), key=lambda one: (-one.previous_volume * one.base_price, one.code)
        )
        self._candidates = [one.code for one in active[:_CANDIDATES]]

    async def interruptions(self, request: web.Request) -> web.StreamResponse:
        """inquire-vi-status: the interruptions of the day so far, the newest first."""
        query = upper_case(request.query)
        now_ns = self._clock.now_ns()
        today = f"{kst_datetime(now_ns):%Y%m%d}"
        if query.get("FID_COND_SCR_DIV_CODE") != "20139":
            return quote_refusal(BAD_FIELD)
        begun = [one for one in self._interruptions if one.from_ns <= now_ns]
        begun = [one for one in begun if f"{kst_datetime(one.from_ns):%Y%m%d}" == today]
        begun.sort(key=lambda one: (-one.from_ns, one.symbol))
        rows = [self._interruption(one, now_ns) for one in begun[:_ROWS]]
        return envelope(INTERRUPTIONS, {"output": rows})

    async def ranking(self, request: web.Request) -> web.StreamResponse:
        """volume-rank: by value, or by volume relative to the day before."""
        query = upper_case(request.query)
        venue = venue_of(query.get("FID_COND_MRKT_DIV_CODE"))
        if venue is None or venue is Venue.UNIFIED:
            # Newer samples have the unified one, too; the table does not.
            return quote_refusal(BAD_MARKET)
        if query.get("FID_COND_SCR_DIV_CODE") != "20171" or query.get("FID_BLNG_CLS_CODE") not in {"1", "3"}:
            return quote_refusal(BAD_FIELD)
        now_ns = self._clock.now_ns()
        quotes = {code: quote(self._market, code, now_ns, venue) for code in self._candidates}
        by_value = query["FID_BLNG_CLS_CODE"] == "3"

        def rank(code: str) -> tuple[float, str]:
            shown = quotes[code]
            previous = shown.tape.previous_volume or 1
            return -(shown.cumulative_value if by_value else shown.cumulative_volume / previous), code

        ranked = sorted(quotes, key=rank)[:_ROWS]
        rows = [self._row(number, code, quotes[code]) for number, code in enumerate(ranked, start=1)]
        return envelope(RANKING, {"output": rows})

    def _row(self, rank: int, code: str, shown: Quote) -> dict[str, str]:
        instrument, tape = self._market.instruments[code], shown.tape
        return {
            "hts_kor_isnm": instrument.name,
            "mksc_shrn_iscd": code,
            "data_rank": str(rank),
            "stck_prpr": str(shown.last),
            "prdy_vrss_sign": change_sign(shown.last, tape),
            "prdy_vrss": change(shown.last, tape),
            "prdy_ctrt": change_rate(shown.last, tape),
            "acml_vol": str(shown.cumulative_volume),
            "prdy_vol": str(tape.previous_volume),
            "lstn_stcn": str(instrument.listed_shares),
            "vol_inrt": percent(shown.cumulative_volume - tape.previous_volume, tape.previous_volume),
            "vol_tnrt": percent(shown.cumulative_volume, instrument.listed_shares),
            "acml_tr_pbmn": str(shown.cumulative_value),
        }

    def _interruption(self, one: Interruption, now_ns: int) -> dict[str, str]:
        instrument = self._market.instruments.get(one.symbol)
        shown = quote(self._market, one.symbol, one.from_ns) if instrument is not None else None
        over = now_ns >= one.to_ns
        return {
            "hts_kor_isnm": "" if instrument is None else instrument.name,
            "mksc_shrn_iscd": one.symbol,
            "vi_cls_code": "N" if over else "Y",
            "bsop_date": f"{kst_datetime(one.from_ns):%Y%m%d}",
            "cntg_vi_hour": f"{kst_datetime(one.from_ns):%H%M%S}",
            "vi_cncl_hour": f"{kst_datetime(one.to_ns):%H%M%S}" if over else "",
            "vi_kind_code": "1",
            "vi_prc": "0" if shown is None else str(shown.last),
            "vi_stnd_prc": "0" if shown is None else str(shown.open),
            "vi_count": "1",
        }
