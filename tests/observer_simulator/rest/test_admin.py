"""The simulator's own pages: the truth of the tape, and breaking connections."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK

Start = Callable[..., Awaitable[Any]]
SAMSUNG = "005930"


async def tape(bench: Any, **query: str | int) -> dict[str, Any]:
    response = await bench.http.get(f"/admin/tape/{SAMSUNG}", params=query)
    assert response.status_code == 200
    return response.json()


async def test_a_stretch_is_what_the_records_of_it_say(start: Start) -> None:
    """The sums are taken from the records that a client received."""
    bench = await start(2026, 9, 15, 10, 0)
    socket = await bench.connect()
    await socket.send(bench.registration(await bench.approval(), "H0STCNT0", SAMSUNG))
    await socket.recv()
    await bench.move_to(2026, 9, 15, 10, 20)
    rows: list[list[str]] = []
    while len(rows) < bench.simulator.account.records_sent:
        values = (await socket.recv()).split("|", 3)[3].split("^")
        rows += [values[start : start + 47] for start in range(0, len(values), 47)]
    inside = [row for row in rows if "100500" <= row[1] < "101500"]
    found = await tape(bench, **{"from": "100500", "to": "101500"})
    assert found["trades"] == len(inside) > 20
    assert found["shares"] == sum(int(row[12]) for row in inside)
    assert found["value"] == sum(int(row[12]) * int(row[2]) for row in inside)
    assert found["buy_trades"] == sum(row[21] == "1" for row in inside)
    assert found["sell_trades"] == sum(row[21] == "5" for row in inside)
    assert found["buy_volume"] == sum(int(row[12]) for row in inside if row[21] == "1")
    assert found["sell_volume"] == sum(int(row[12]) for row in inside if row[21] == "5")
    assert found["cumulative_volume"] == int(inside[-1][13])
    assert found["cumulative_value"] == int(inside[-1][14])
    before = int(inside[0][13]) - int(inside[0][12])
    by_volume = await tape(bench, after_cumulative=before, until_cumulative=inside[-1][13])
    assert by_volume == found


async def test_instants_bound_a_stretch_after_the_first_and_up_to_the_second(start: Start) -> None:
    bench = await start(2026, 9, 15, 12, 0)
    market = bench.simulator.market.tape(SAMSUNG, date(2026, 9, 15))
    midnight = 1_789_398_000 * 10**9
    times = market.trade_times()
    first, last = int(times[100]), int(times[200])
    found = await tape(bench, after_ns=midnight + first, until_ns=midnight + last)
    assert found["trades"] == int(((times > first) & (times <= last)).sum()) > 0


async def test_the_future_is_not_told(start: Start) -> None:
    bench = await start(2026, 9, 15, 11, 0)
    whole, until_now = await tape(bench), await tape(bench, to="110000")
    assert whole == until_now
    assert (await tape(bench, day="2026-09-16"))["trades"] == 0
    yesterday = await tape(bench, day="2026-09-14")
    figures = bench.simulator.market.figures(SAMSUNG, date(2026, 9, 14))
    assert yesterday["shares"] == figures.volume


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("XXXXXX", {}),
        (SAMSUNG, {"from": "9:00"}),
        (SAMSUNG, {"day": "2026-09-19"}),
        (SAMSUNG, {"day": "2024-01-02"}),
    ],
)
async def test_what_has_no_tape_is_404(start: Start, path: str, query: dict[str, str]) -> None:
    bench = await start(2026, 9, 15, 11, 0)
    response = await bench.http.get(f"/admin/tape/{path}", params=query)
    assert response.status_code == 404
    assert path in response.json()["error"]


@pytest.mark.parametrize(
    ("kind", "ending"), [("close", ConnectionClosedOK), ("abort", ConnectionClosedError)]
)
async def test_connections_end_with_or_without_a_close_frame(
    start: Start, kind: str, ending: type[Exception]
) -> None:
    bench = await start(2026, 9, 15, 11, 0)
    socket = await bench.connect()
    await socket.send(bench.registration(await bench.approval(), "H0STCNT0", SAMSUNG))
    assert json.loads(await socket.recv())["body"]["rt_cd"] == "0"
    answer = (await bench.http.post("/admin/faults", json={"kind": kind})).json()
    assert answer == {"connections": 1}
    with pytest.raises(ending):
        await socket.recv()
    await bench.until(lambda: bench.simulator.account.connections[0].closed is not None)
    await bench.move_to(2026, 9, 15, 11, 30)
    assert bench.simulator.account.records_sent == 0


async def test_an_unknown_fault_is_refused(start: Start) -> None:
    bench = await start(2026, 9, 15, 11, 0)
    assert (await bench.http.post("/admin/faults", json={"kind": "earthquake"})).status_code == 400
