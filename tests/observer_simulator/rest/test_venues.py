"""REST answers by market division code: J, NX, UN (broker reference, section 4)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

import pytest

from observer_simulator.market.venue import Venue

Start = Callable[..., Awaitable[Any]]
SAMSUNG, KODEX = "005930", "069500"
DAY = date(2026, 9, 15)
QUOTATIONS = "/uapi/domestic-stock/v1/quotations/"


async def ask(bench: Any, name: str, tr_id: str, **query: str) -> dict[str, Any]:
    headers = await bench.quote_headers(tr_id)
    return (await bench.http.get(QUOTATIONS + name, headers=headers, params=query)).json()


def query(venue: str, code: str = SAMSUNG, **more: str) -> dict[str, str]:
    return {"FID_COND_MRKT_DIV_CODE": venue, "FID_INPUT_ISCD": code, **more}


@pytest.mark.parametrize("venue", ["J", "NX", "UN"])
async def test_the_executions_are_those_of_the_exchange(start: Start, venue: str) -> None:
    bench = await start(2026, 9, 15, 18, 30)
    tape = bench.simulator.market.tape(SAMSUNG, DAY, Venue(venue))
    until = (18 * 3600 + 1800) * 10**9
    answer = await ask(
        bench, "inquire-time-itemconclusion", "FHPST01060000", **query(venue, FID_INPUT_HOUR_1="183000")
    )
    rows = answer["output2"]
    done = tape.trades_until(until)
    assert [int(row["acml_vol"]) for row in rows] == tape.trades.cumulative_volume[done - 30 : done][
        ::-1
    ].tolist()


async def test_prices_and_volumes_are_those_of_the_exchange(start: Start) -> None:
    bench = await start(2026, 9, 15, 8, 30)
    volumes = {}
    for venue in ("J", "NX", "UN"):
        found = await ask(bench, "inquire-price", "FHKST01010100", **query(venue))
        volumes[venue] = int(found["output"]["acml_vol"])
    assert volumes["J"] == 0 < volumes["NX"] == volumes["UN"], "only NXT trades at half past eight"
    mixed = {"FID_COND_MRKT_DIV_CODE_1": "NX", "FID_INPUT_ISCD_1": SAMSUNG}
    mixed |= {"FID_COND_MRKT_DIV_CODE_2": "NX", "FID_INPUT_ISCD_2": KODEX}
    rows = (await ask(bench, "intstock-multprice", "FHKST11300006", **mixed))["output"]
    assert [int(row["acml_vol"]) for row in rows] == [volumes["NX"], 0]
    assert rows[1]["inter2_prpr"] == "0", "NXT does not trade it"


async def test_an_unknown_exchange_is_refused(start: Start) -> None:
    bench = await start(2026, 9, 15, 10)
    answer = await ask(bench, "inquire-price", "FHKST01010100", **query("X"))
    assert (answer["rt_cd"], answer["msg_cd"]) == ("1", "OPSQ2001")


async def test_the_master_files_of_nxt_list_what_it_trades(start: Start) -> None:
    import io
    import zipfile

    bench = await start(2026, 9, 15, 8)
    content = (await bench.http.get("/common/master/nxt_kosdaq_code.mst.zip")).content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        lines = archive.read("nxt_kosdaq_code.mst").split(b"\n")[:-1]
    assert len(lines) == 273
    assert {len(line) for line in lines} == {282}
