"""The master files, cut by the byte offsets of section 5 of the broker reference."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

import pytest

Start = Callable[..., Awaitable[Any]]

# name: (file, record bytes, market, offset of prdy_vol, sdpr, trht, sltr, lstn_stcn, prst, spac)
KOSPI = ("kospi_code.mst", 288, "KOSPI", 142, 102, 121, 122, 174, 219, 90)
KOSDAQ = ("kosdaq_code.mst", 282, "KOSDAQ", 137, 97, 116, 117, 169, 214, 85)


async def lines(bench: Any, member: str) -> list[bytes]:
    response = await bench.http.get(f"/common/master/{member}.zip")
    assert response.status_code == 200
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert archive.namelist() == [member]
        content = archive.read(member)
    assert content.endswith(b"\n")
    return content[:-1].split(b"\n")


@pytest.mark.parametrize("layout", [KOSPI, KOSDAQ], ids=["kospi", "kosdaq"])
async def test_every_record_says_what_the_market_knows(start: Start, layout: tuple[Any, ...]) -> None:
    member, width, name, volume_at, base_at, halted_at, liquidated_at, shares_at, class_at, spac_at = layout
    bench = await start(2026, 9, 15, 7, 30)
    market = bench.simulator.market
    listed = [one for one in market.instruments.values() if one.market == name]
    records = await lines(bench, member)
    assert len(records) == len(listed) > 1_000
    for record, one in zip(records, listed, strict=True):
        assert len(record) == width
        figures = market.figures(one.code, date(2026, 9, 15))
        assert record[0:9].decode("cp949").rstrip() == one.code
        assert record[9:21].decode("cp949").rstrip() == one.isin
        assert record[21:61].decode("cp949").rstrip() == one.name
        assert record[61:63].decode() == one.group
        assert int(record[base_at : base_at + 9]) == figures.base_price
        assert int(record[volume_at : volume_at + 12]) == figures.previous_volume
        assert record[halted_at : halted_at + 1] == (b"Y" if one.suspended else b"N")
        assert record[liquidated_at : liquidated_at + 1] == (b"Y" if one.liquidation else b"N")
        assert record[spac_at : spac_at + 1] == (b"Y" if one.spac else b"N")
        assert int(record[shares_at : shares_at + 15]) == one.listed_shares // 1000
        assert record[class_at : class_at + 1].decode() == one.preferred_class


async def test_the_base_price_is_the_close_of_the_trading_day_before(start: Start) -> None:
    bench = await start(2026, 9, 28, 7, 30)
    record = next(row for row in await lines(bench, "kospi_code.mst") if row.startswith(b"005930 "))
    before = bench.simulator.market.tape("005930", date(2026, 9, 23))
    assert int(record[102:111]) == bench.simulator.market.figures("005930", date(2026, 9, 23)).close_price
    assert int(record[142:154]) == before.trades.volume.sum()


async def test_the_file_of_the_next_day_is_another(start: Start) -> None:
    bench = await start(2026, 9, 15, 7, 30)
    first = (await bench.http.get("/common/master/kospi_code.mst.zip")).content
    again = (await bench.http.get("/common/master/kospi_code.mst.zip")).content
    await bench.move_to(2026, 9, 16, 7, 30)
    following = (await bench.http.get("/common/master/kospi_code.mst.zip")).content
    assert first == again != following


async def test_other_names_are_not_found(start: Start) -> None:
    bench = await start(2026, 9, 15, 7, 30)
    for name in ("konex_code.mst.zip", "kospi_code.mst", "../state.json"):
        assert (await bench.http.get(f"/common/master/{name}")).status_code == 404
