"""The quote endpoints over real HTTP, against the tape and the tables of section 4."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

import pytest

Start = Callable[..., Awaitable[Any]]
BASE = "/uapi/domestic-stock/v1/quotations/"
MULTI_PRICE = "FHKST11300006"
SAMSUNG, HYNIX = "005930", "000660"
DAY = date(2026, 9, 15)

# The 29 keys of section 4.9, in the order of the table.
MULTI_PRICE_KEYS = [
    "kospi_kosdaq_cls_name",
    "mrkt_trtm_cls_name",
    "hour_cls_code",
    "inter_shrn_iscd",
    "inter_kor_isnm",
    "inter2_prpr",
    "inter2_prdy_vrss",
    "prdy_vrss_sign",
    "prdy_ctrt",
    "acml_vol",
    "inter2_oprc",
    "inter2_hgpr",
    "inter2_lwpr",
    "inter2_llam",
    "inter2_mxpr",
    "inter2_askp",
    "inter2_bidp",
    "seln_rsqn",
    "shnu_rsqn",
    "total_askp_rsqn",
    "total_bidp_rsqn",
    "acml_tr_pbmn",
    "inter2_prdy_clpr",
    "oprc_vrss_hgpr_rate",
    "intr_antc_cntg_vrss",
    "intr_antc_cntg_vrss_sign",
    "intr_antc_cntg_prdy_ctrt",
    "intr_antc_vol",
    "inter2_sdpr",
]


def multi_query(*codes: str, market: str = "J") -> dict[str, str]:
    query = {}
    for number, code in enumerate(codes, 1):
        query[f"FID_COND_MRKT_DIV_CODE_{number}"] = market
        query[f"FID_INPUT_ISCD_{number}"] = code
    return query


async def multi_price(bench: Any, *codes: str, **options: str) -> Any:
    headers = await bench.quote_headers(MULTI_PRICE)
    return await bench.http.get(
        BASE + "intstock-multprice", params=multi_query(*codes, **options), headers=headers
    )


async def test_a_row_is_the_tape_at_that_instant(start: Start) -> None:
    bench = await start(2026, 9, 15, 11, 0)
    response = await multi_price(bench, SAMSUNG, HYNIX)
    answer = response.json()
    assert (answer["rt_cd"], answer["msg_cd"]) == ("0", "MCA00000")
    assert response.headers["tr_id"] == MULTI_PRICE
    assert [row["inter_shrn_iscd"] for row in answer["output"]] == [SAMSUNG, HYNIX]
    row = answer["output"][0]
    assert list(row) == MULTI_PRICE_KEYS
    assert all(isinstance(value, str) for value in row.values())
    tape = bench.simulator.market.tape(SAMSUNG, DAY)
    done = int((tape.trade_times() <= 11 * 3600 * 10**9).sum())
    prices, volumes = tape.trades.price[:done], tape.trades.volume[:done]
    assert row["inter_kor_isnm"] == "삼성전자"
    assert row["kospi_kosdaq_cls_name"] == "KOSPI"
    assert int(row["inter2_prpr"]) == prices[-1]
    assert int(row["inter2_oprc"]) == prices[0]
    assert int(row["inter2_hgpr"]) == prices.max()
    assert int(row["inter2_lwpr"]) == prices.min()
    assert int(row["acml_vol"]) == volumes.sum()
    assert int(row["acml_tr_pbmn"]) == (prices * volumes).sum()
    assert int(row["inter2_prdy_clpr"]) == int(row["inter2_sdpr"]) == tape.base_price
    assert int(row["inter2_prdy_vrss"]) == prices[-1] - tape.base_price
    assert int(row["inter2_bidp"]) < int(row["inter2_askp"])
    assert 0 < int(row["seln_rsqn"]) <= int(row["total_askp_rsqn"])
    assert int(row["inter2_llam"]) < tape.base_price < int(row["inter2_mxpr"])


async def test_rows_enter_the_account_when_they_were_sent(start: Start) -> None:
    bench = await start(2026, 9, 15, 11, 0)
    await multi_price(bench, SAMSUNG, HYNIX)
    await bench.move_to(2026, 9, 15, 11, 2)
    await multi_price(bench, SAMSUNG)
    account = (await bench.http.get("/admin/account")).json()
    assert account["records_sent"] == 3
    assert account["channels"] == {MULTI_PRICE: {SAMSUNG: 2, HYNIX: 1}}


async def test_before_the_auction_a_row_shows_the_base_price_and_no_volume(start: Start) -> None:
    bench = await start(2026, 9, 15, 8, 0)
    row = (await multi_price(bench, SAMSUNG)).json()["output"][0]
    base = str(bench.simulator.market.figures(SAMSUNG, DAY).base_price)
    assert (row["inter2_prpr"], row["acml_vol"], row["inter2_oprc"]) == (base, "0", "0")
    assert (row["inter2_prdy_vrss"], row["prdy_vrss_sign"], row["prdy_ctrt"]) == ("0", "3", "0.00")


async def test_in_the_opening_auction_a_row_shows_the_expected_price(start: Start) -> None:
    bench = await start(2026, 9, 15, 8, 55)
    row = (await multi_price(bench, SAMSUNG)).json()["output"][0]
    assert row["hour_cls_code"] == "B"
    assert int(row["intr_antc_vol"]) > 0
    assert row["acml_vol"] == "0"


async def test_on_a_weekend_the_last_trading_day_is_shown(start: Start) -> None:
    bench = await start(2026, 9, 19, 12, 0)
    row = (await multi_price(bench, SAMSUNG)).json()["output"][0]
    friday = bench.simulator.market.tape(SAMSUNG, date(2026, 9, 18))
    assert int(row["acml_vol"]) == int(friday.trades.volume.sum())


async def test_thirty_symbols_fit_and_parameter_names_work_in_lower_case(start: Start) -> None:
    bench = await start(2026, 9, 15, 10, 0)
    codes = [one.code for one in bench.simulator.market.instruments.values() if one.group == "ST"][:30]
    headers = await bench.quote_headers(MULTI_PRICE)
    query = {name.lower(): value for name, value in multi_query(*codes).items()}
    answer = (await bench.http.get(BASE + "intstock-multprice", params=query, headers=headers)).json()
    assert [row["inter_shrn_iscd"] for row in answer["output"]] == codes


async def test_another_market_is_refused_by_its_code(start: Start) -> None:
    bench = await start(2026, 9, 15, 10, 0)
    answer = (await multi_price(bench, SAMSUNG, market="XX")).json()
    assert (answer["rt_cd"], answer["msg_cd"]) == ("1", "OPSQ2001")


async def test_inquire_price_agrees_with_multi_price(start: Start) -> None:
    bench = await start(2026, 9, 15, 14, 0)
    row = (await multi_price(bench, SAMSUNG)).json()["output"][0]
    await bench.move_to(2026, 9, 15, 14, 1)
    later = (await multi_price(bench, SAMSUNG)).json()["output"][0]
    headers = await bench.quote_headers("FHKST01010100")
    query = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": SAMSUNG}
    price = (await bench.http.get(BASE + "inquire-price", params=query, headers=headers)).json()["output"]
    assert (price["stck_prpr"], price["acml_vol"]) == (later["inter2_prpr"], later["acml_vol"])
    assert int(later["acml_vol"]) > int(row["acml_vol"])
    assert price["stck_sdpr"] == later["inter2_sdpr"]


async def test_an_unknown_symbol_has_price_zero(start: Start) -> None:
    bench = await start(2026, 9, 15, 14, 0)
    headers = await bench.quote_headers("FHKST01010100")
    query = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": "999999"}
    answer = (await bench.http.get(BASE + "inquire-price", params=query, headers=headers)).json()
    assert (answer["rt_cd"], answer["output"]["stck_prpr"]) == ("0", "0")


async def test_daily_rows_go_back_thirty_trading_days_and_begin_with_today(start: Start) -> None:
    bench = await start(2026, 9, 15, 11, 0)
    headers = await bench.quote_headers("FHKST01010400")
    query = {
        "FID_COND_MRKT_DIV_CODE": "J",
        "FID_INPUT_ISCD": SAMSUNG,
        "FID_PERIOD_DIV_CODE": "D",
        "FID_ORG_ADJ_PRC": "1",
    }
    rows = (await bench.http.get(BASE + "inquire-daily-price", params=query, headers=headers)).json()[
        "output"
    ]
    assert [row["stck_bsop_date"] for row in rows[:3]] == ["20260915", "20260914", "20260911"]
    assert len(rows) == 30
    market = bench.simulator.market
    assert int(rows[0]["acml_vol"]) < market.figures(SAMSUNG, DAY).volume
    for row, day in zip(rows[1:3], (date(2026, 9, 14), date(2026, 9, 11)), strict=True):
        tape = market.tape(SAMSUNG, day)
        assert int(row["acml_vol"]) == tape.trades.volume.sum()
        assert int(row["stck_clpr"]) == market.figures(SAMSUNG, day).close_price
        assert int(row["stck_hgpr"]) == tape.trades.price.max()
        assert int(row["stck_lwpr"]) == tape.trades.price.min()
        assert int(row["stck_oprc"]) == tape.trades.price[0]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"authorization": "Bearer nonsense"}, 500, "EGW00121"),
        ({"authorization": "Basic nonsense"}, 500, "EGW00205"),
        ({"appsecret": "wrong"}, 500, "EGW00304"),
        ({"tr_id": "FHKST01010100"}, 200, "OPSQ9999"),
    ],
)
async def test_a_wrong_header_has_its_code(
    start: Start, change: dict[str, str], status: int, code: str
) -> None:
    bench = await start(2026, 9, 15, 11, 0)
    headers = await bench.quote_headers(MULTI_PRICE) | change
    response = await bench.http.get(BASE + "intstock-multprice", params=multi_query(SAMSUNG), headers=headers)
    answer = response.json()
    assert (response.status_code, answer["rt_cd"], answer["msg_cd"]) == (status, "1", code)
    assert bench.simulator.account.records_sent == 0


async def test_a_token_older_than_a_day_is_expired(start: Start) -> None:
    bench = await start(2026, 9, 15, 11, 0)
    headers = await bench.quote_headers(MULTI_PRICE)
    await bench.move_to(2026, 9, 16, 11, 0)
    response = await bench.http.get(BASE + "intstock-multprice", params=multi_query(SAMSUNG), headers=headers)
    assert (response.status_code, response.json()["msg_cd"]) == (500, "EGW00123")


@pytest.mark.parametrize(("environment", "passing"), [("real", 18), ("paper", 1)])
async def test_the_rate_is_that_of_the_environment(start: Start, environment: str, passing: int) -> None:
    bench = await start(2026, 9, 15, 11, 0, environment=environment)
    headers = await bench.quote_headers("FHKST01010100")
    query = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": SAMSUNG}

    async def ask() -> tuple[int, str]:
        response = await bench.http.get(BASE + "inquire-price", params=query, headers=headers)
        return response.status_code, response.json()["msg_cd"]

    answers = [await ask() for _ in range(passing + 2)]
    assert answers == [(200, "MCA00000")] * passing + [(500, "EGW00201")] * 2
    await bench.move_to(2026, 9, 15, 11, 0, 1)
    assert await ask() == (200, "MCA00000")


async def test_paper_refuses_requests_that_it_does_not_have(start: Start) -> None:
    bench = await start(2026, 9, 15, 11, 0, environment="paper")
    response = await multi_price(bench, SAMSUNG)
    assert (response.status_code, response.json()["msg_cd"]) == (500, "EGW00213")


async def test_holidays_come_in_pages_and_say_when_the_exchange_opens(start: Start) -> None:
    """Section 4.13: opnd_yn decides; 2026-09-24 to 26 is Chuseok, 2026-12-31 closed though banks open."""
    bench = await start(2026, 9, 15, 7, 0)
    headers = await bench.quote_headers("CTCA0903R")
    query = {"BASS_DT": "20260915", "CTX_AREA_NK": "", "CTX_AREA_FK": ""}
    response = await bench.http.get(BASE + "chk-holiday", params=query, headers=headers)
    answer = response.json()
    assert (answer["rt_cd"], answer["msg_cd"], response.headers["tr_cont"]) == ("0", "KIOK0500", "M")
    days = {row["bass_dt"]: row for row in answer["output"]}
    assert next(iter(days)) == "20260915"
    assert (days["20260915"]["wday_dvsn_cd"], days["20260920"]["wday_dvsn_cd"]) == ("03", "01")
    opened = {day: row["opnd_yn"] for day, row in days.items()}
    assert [opened[f"202609{day}"] for day in (15, 18, 19, 20, 24, 25, 28)] == list("YYNNNNY")
    assert days["20260920"]["tr_day_yn"] == "Y"
    assert len(answer["ctx_area_nk"]) == len(answer["ctx_area_fk"]) == 20
    query |= {"CTX_AREA_NK": answer["ctx_area_nk"], "CTX_AREA_FK": answer["ctx_area_fk"]}
    following = (await bench.http.get(BASE + "chk-holiday", params=query, headers=headers)).json()
    assert following["output"][0]["bass_dt"] == "20261009"
    query = {"BASS_DT": "20261230", "CTX_AREA_NK": "", "CTX_AREA_FK": ""}
    rows = (await bench.http.get(BASE + "chk-holiday", params=query, headers=headers)).json()["output"]
    assert [(row["bzdy_yn"], row["opnd_yn"]) for row in rows[:3]] == [("Y", "Y"), ("Y", "N"), ("N", "N")]


async def test_an_unknown_path_is_404(start: Start) -> None:
    bench = await start(2026, 9, 15, 7, 0)
    assert (await bench.http.get(BASE + "no-such-thing")).status_code == 404
