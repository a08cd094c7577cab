"""The lists by which a collector fills its holes, against the tape behind them."""

from __future__ import annotations

from datetime import date

import pytest

BASE = "/uapi/domestic-stock/v1/quotations/"
EXECUTIONS, BARS = "FHPST01060000", "FHKST03010200"
SAMSUNG, DAY = "005930", date(2026, 9, 15)


async def ask(bench, name, tr_id, hour, *, code=SAMSUNG, market="J"):
    params = {"FID_COND_MRKT_DIV_CODE": market, "FID_INPUT_ISCD": code, "FID_INPUT_HOUR_1": hour}
    answer = await bench.http.get(BASE + name, params=params, headers=await bench.quote_headers(tr_id))
    return answer.json()


async def executions(bench, hour, **options):
    return await ask(bench, "inquire-time-itemconclusion", EXECUTIONS, hour, **options)


async def test_pages_backwards_give_the_tape(start):
    """Thirty rows a page, newest first; a page further back goes on at its oldest second."""
    bench = await start(2026, 9, 15, 9, 30)
    tape = bench.simulator.market.tape(SAMSUNG, DAY)
    traded = tape.trades_until(int(9.5 * 3600 * 10**9))
    body = await executions(bench, "093000")
    rows = body["output2"]
    assert len(rows) == 30
    assert list(rows[0]) == [
        "stck_cntg_hour", "stck_prpr", "prdy_vrss", "prdy_vrss_sign", "prdy_ctrt", "askp", "bidp",
        "tday_rltv", "acml_vol", "cnqn",
    ]  # fmt: skip
    assert [int(row["acml_vol"]) for row in rows] == tape.trades.cumulative_volume[:traded][-30:][
        ::-1
    ].tolist()
    assert [int(row["cnqn"]) for row in rows] == tape.trades.volume[:traded][-30:][::-1].tolist()
    assert body["output1"]["acml_vol"] == rows[0]["acml_vol"]
    older = (await executions(bench, rows[-1]["stck_cntg_hour"]))["output2"]
    assert older[0]["stck_cntg_hour"] <= rows[-1]["stck_cntg_hour"]
    assert bench.simulator.account.channels[EXECUTIONS] == {SAMSUNG: 60}


async def test_a_future_second_gives_what_there_is(start):
    """Never a trade of the future."""
    bench = await start(2026, 9, 15, 9, 1)
    rows = (await executions(bench, "153000"))["output2"]
    assert rows[0]["stck_cntg_hour"] <= "090100"


@pytest.mark.parametrize(("options", "code"), [({"market": "X"}, "OPSQ2001"), ({"hour": "9"}, "OPSQ2002")])
async def test_bad_parameters_are_refused(start, options, code):
    bench = await start(2026, 9, 15, 9, 1)
    body = await executions(bench, **{"hour": "090000", **options})
    assert (body["rt_cd"], body["msg_cd"]) == ("1", code)


async def test_an_unknown_symbol_and_a_closed_day_have_no_rows(start):
    bench = await start(2026, 9, 19, 12, 0)
    assert (await executions(bench, "120000"))["output2"] == []
    assert (await executions(bench, "120000", code="000001"))["output2"] == []


async def test_minute_bars_are_those_of_the_tape(start):
    """Up to thirty minutes with trades, newest first; their volumes are sums over the tape."""
    bench = await start(2026, 9, 15, 10, 5)
    tape = bench.simulator.market.tape(SAMSUNG, DAY)
    rows = (await ask(bench, "inquire-time-itemchartprice", BARS, "100000"))["output2"]
    assert (len(rows), rows[0]["stck_cntg_hour"]) == (30, "100000")
    minutes = tape.trade_times() // (60 * 10**9)
    for row in rows:
        minute = int(row["stck_cntg_hour"][:2]) * 60 + int(row["stck_cntg_hour"][2:4])
        prices = tape.trades.price[minutes == minute]
        assert int(row["cntg_vol"]) == tape.trades.volume[minutes == minute].sum()
        assert (int(row["stck_oprc"]), int(row["stck_prpr"])) == (prices[0], prices[-1])
        assert (int(row["stck_hgpr"]), int(row["stck_lwpr"])) == (prices.max(), prices.min())
