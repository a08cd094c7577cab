"""chk-holiday: the broker's calendar (broker reference, 4.13)."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from aiohttp import web

from observer_core.market.calendar import MarketCalendar
from observer_simulator.rest.answers import envelope, quote_refusal
from observer_simulator.rest.quotations import BAD_FIELD, upper_case

HOLIDAYS = "CTCA0903R"
_DAYS_OF_A_PAGE = 24
_MORE, _MORE_TEXT = "KIOK0500", "조회가 계속됩니다..다음버튼을 Click 하십시오."
_PADDED = 20
_YEAR_END = (12, 31)


class Holidays:
    """Answers which days the exchange opens.

    Args:
        calendar: The market's calendar.
    """

    def __init__(self, calendar: MarketCalendar) -> None:
        self._calendar = calendar

    async def page(self, request: web.Request) -> web.StreamResponse:
        """One page of days that begins at BASS_DT, or after the page that CTX_AREA_NK ends."""
        query = upper_case(request.query)
        try:
            first = datetime.strptime(query.get("BASS_DT", ""), "%Y%m%d").date()  # noqa: DTZ007 a date
            before = query.get("CTX_AREA_NK", "").strip()
            if before:
                first = datetime.strptime(before, "%Y%m%d").date() + timedelta(days=1)  # noqa: DTZ007 a date
        except ValueError:
            return quote_refusal(BAD_FIELD)
        days = [first + timedelta(days=offset) for offset in range(_DAYS_OF_A_PAGE)]
        return envelope(
            HOLIDAYS,
            {
                "ctx_area_nk": f"{days[-1]:%Y%m%d}".ljust(_PADDED),
                "ctx_area_fk": f"{days[0]:%Y%m%d}".ljust(_PADDED),
                "output": [self._row(day) for day in days],
            },
            code=_MORE,
            text=_MORE_TEXT,
            more="M",
        )

    def _row(self, day: date) -> dict[str, str]:
        opens = self._calendar.is_trading_day(day)
        # Banks open on the last day of the year, the exchange does not.
        banks = opens or (day.weekday() < 5 and (day.month, day.day) == _YEAR_END)
        return {
            "bass_dt": f"{day:%Y%m%d}",
            "wday_dvsn_cd": f"{day.isoweekday() % 7 + 1:02d}",
            "bzdy_yn": "Y" if banks else "N",
            "tr_day_yn": "Y",
            "opnd_yn": "Y" if opens else "N",
            "sttl_day_yn": "Y" if opens else "N",
        }
