"""Asking for a day's official figures: rows as section 4.7 of the broker reference prints them."""

from datetime import date, datetime

import pytest

from observer_core.brokers.kis.catalogue import Venue
from observer_core.brokers.kis.daily import DailyFigures
from observer_core.brokers.kis.transport import NotConnectedError
from observer_core.clock import KST, StepClock
from observer_core.errors import BrokerCredentialError, BrokerRetryableError
from observer_core.reference.daily_official import ask_official

DAY = date(2026, 9, 15)
ROW = {
    "stck_bsop_date": "20260915", "stck_clpr": "71900", "stck_oprc": "71000", "stck_hgpr": "72300",
    "stck_lwpr": "70600", "acml_vol": "8305218", "acml_tr_pbmn": "595404143150", "flng_cls_code": "00",
    "prtt_rate": "0.00", "mod_yn": "N", "prdy_vrss_sign": "2", "prdy_vrss": "1300", "revl_issu_reas": "",
}  # fmt: skip
FIGURES = DailyFigures(71000, 72300, 70600, 71900, 8305218, 595404143150)
PAIRS = [("005930", Venue.KRX), ("005930", Venue.NXT), ("000660", Venue.UNIFIED), ("069500", Venue.KRX)]


class Charts:
    """A broker that answers by a script."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    async def daily_chart(self, code, first, last, *, market):
        self.asked.append((code, first, last, market))
        answer = self.answers.pop(0) if self.answers else [ROW]
        if isinstance(answer, Exception):
            raise answer
        return answer


async def ask(charts):
    return await ask_official(charts, PAIRS, DAY, StepClock(datetime(2026, 9, 15, 20, 10, tzinfo=KST)))


async def test_each_symbol_is_asked_for_on_its_own_market():
    charts = Charts()
    rows = await ask(charts)
    assert charts.asked == [
        ("005930", DAY, DAY, "J"), ("005930", DAY, DAY, "NX"), ("000660", DAY, DAY, "UN"),
        ("069500", DAY, DAY, "J"),
    ]  # fmt: skip
    assert [row.figures for row in rows] == [FIGURES] * 4
    assert {row.asked_at.isoformat() for row in rows} == {"2026-09-15T20:10:00+09:00"}


async def test_a_day_that_the_broker_does_not_have_is_no_row_and_no_failure():
    rows = await ask(Charts([], [{**ROW, "stck_bsop_date": "20260914"}]))
    assert [row.answer.value for row in rows] == ["no_row", "no_row", "stated", "stated"]


@pytest.mark.parametrize("broken", [{"acml_tr_pbmn": None}, {"stck_clpr": "-"}, {"acml_vol": ""}])
async def test_a_row_that_lacks_a_figure_is_the_brokers_failure(broken):
    row = {name: value for name, value in {**ROW, **broken}.items() if value is not None}
    first, *others = await ask(Charts([row]))
    assert first.answer.value == "failed"
    assert "20" in first.error
    assert {one.answer.value for one in others} == {"stated"}


async def test_one_failure_is_no_reason_to_stop():
    charts = Charts([ROW], BrokerRetryableError("EGW00002", "server error"))
    assert [row.answer.value for row in await ask(charts)] == ["stated", "failed", "stated", "stated"]


@pytest.mark.parametrize(
    ("failures", "asked"),
    [
        ([BrokerRetryableError("EGW00002", "server error")] * 4, 3),
        ([BrokerCredentialError("EGW00103", "invalid app key")], 1),
        ([NotConnectedError("nobody is there")], 1),
    ],
    ids=["three in a row", "refused key", "nobody there"],
)
async def test_a_broker_that_has_no_answers_is_left_alone(failures, asked):
    charts = Charts(*failures)
    rows = await ask(charts)
    assert len(charts.asked) == asked
    assert {row.answer.value for row in rows} == {"failed"}
    assert rows[-1].error.startswith("not asked: ")
