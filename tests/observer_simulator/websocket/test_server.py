"""The websocket side over real sockets, on a clock that the test moves."""

from __future__ import annotations

import asyncio
import json
import socket as network
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, ConnectionClosedError

from observer_core.clock import KST
from observer_core.clock.base import NANOSECONDS

Start = Callable[..., Awaitable[Any]]
SAMSUNG, HYNIX = "005930", "000660"
DAY = date(2026, 9, 15)


async def register(bench: Any, socket: ClientConnection, *pairs: tuple[str, str]) -> str:
    approval = await bench.approval()
    for channel, key in pairs:
        await socket.send(bench.registration(approval, channel, key))
        assert json.loads(await socket.recv())["body"]["msg_cd"] == "OPSP0000"
    return approval


async def frames(socket: ClientConnection, count: int) -> list[str]:
    """The next data frames; control messages between them are answered."""
    found: list[str] = []
    while len(found) < count:
        message = await socket.recv()
        assert isinstance(message, str)
        if message.startswith("{"):
            await socket.send(message)
        else:
            found.append(message)
    return found


def record_count(frame: str) -> int:
    return int(frame.split("|", 3)[2])


async def test_a_day_arrives_in_order_and_the_account_is_exact(start: Start) -> None:
    bench = await start(2026, 9, 15, 7, 20)
    socket = await bench.connect()
    await register(bench, socket, ("H0STCNT0", HYNIX), ("H0STASP0", HYNIX), ("H0STCNT0", SAMSUNG))
    tapes = {key: bench.simulator.market.tape(key, DAY) for key in (SAMSUNG, HYNIX)}
    trades = {
        key: (tape.states.first_trade[1:] > tape.states.first_trade[:-1]).sum() for key, tape in tapes.items()
    }
    expected_frames = int(sum(trades.values())) + len(tapes[HYNIX].states)
    moving = asyncio.create_task(bench.move_to(2026, 9, 15, 20, 40))
    received = await frames(socket, expected_frames)
    await moving
    counts: Counter[tuple[str, str]] = Counter()
    times = []
    for frame in received:
        flag, channel, count, payload = frame.split("|", 3)
        values = payload.split("^")
        width = len(values) // int(count)
        assert flag == "0"
        assert width == {"H0STCNT0": 47, "H0STASP0": 63}[channel]
        assert len(values) == width * int(count)
        assert len(count) == 3
        counts[channel, values[0]] += int(count)
        times.append(values[1])
    assert times == sorted(times)
    assert counts == {
        ("H0STCNT0", SAMSUNG): len(tapes[SAMSUNG].trades),
        ("H0STCNT0", HYNIX): len(tapes[HYNIX].trades),
        ("H0STASP0", HYNIX): len(tapes[HYNIX].states),
    }
    account = bench.simulator.account.as_dict()
    assert account["records_sent"] == counts.total()
    assert account["channels"]["H0STCNT0"][SAMSUNG] == len(tapes[SAMSUNG].trades)
    assert account["connections"][0]["channels"] == account["channels"]


async def test_the_same_day_gives_the_same_bytes_to_another_client(start: Start) -> None:
    received = []
    for _ in range(2):
        bench = await start(2026, 9, 15, 8, 59)
        socket = await bench.connect()
        await register(bench, socket, ("H0STCNT0", SAMSUNG), ("H0STASP0", SAMSUNG))
        await bench.move_to(2026, 9, 15, 9, 30)
        received.append(await frames(socket, 300))
    assert received[0] == received[1]


async def test_a_registration_in_mid_session_starts_with_what_follows(start: Start) -> None:
    bench = await start(2026, 9, 15, 11, 0)
    socket = await bench.connect()
    await register(bench, socket, ("H0STCNT0", SAMSUNG))
    await bench.move_to(2026, 9, 15, 11, 30)
    first = (await frames(socket, 1))[0].split("|", 3)[3].split("^")
    tape = bench.simulator.market.tape(SAMSUNG, DAY)
    done = tape.trades_until(11 * 3600 * NANOSECONDS)
    assert int(first[13]) == int(tape.trades.cumulative_volume[done])
    assert first[1] >= "110000"


async def test_released_pairs_send_nothing_more(start: Start) -> None:
    bench = await start(2026, 9, 15, 9, 10)
    socket = await bench.connect()
    approval = await register(bench, socket, ("H0STCNT0", SAMSUNG), ("H0STCNT0", HYNIX))
    await bench.move_to(2026, 9, 15, 9, 11)
    await socket.send(bench.registration(approval, "H0STCNT0", SAMSUNG, kind="2"))
    while not (message := await socket.recv()).startswith("{"):
        pass
    assert json.loads(message)["body"]["msg_cd"] == "OPSP0001"
    before = bench.simulator.account.channels["H0STCNT0"]
    await bench.move_to(2026, 9, 15, 9, 40)
    await bench.until(lambda: bench.simulator.account.channels["H0STCNT0"][HYNIX] > before[HYNIX] + 20)
    assert bench.simulator.account.channels["H0STCNT0"][SAMSUNG] == before[SAMSUNG]


async def test_the_opening_burst_comes_in_one_frame(start: Start) -> None:
    bench = await start(2026, 9, 15, 8, 59, 50)
    socket = await bench.connect()
    await register(bench, socket, ("H0STCNT0", SAMSUNG))
    await bench.move_to(2026, 9, 15, 9, 1)
    first = (await frames(socket, 1))[0]
    values = first.split("|", 3)[3].split("^")
    assert 3 <= record_count(first) <= 12
    assert {values[47 * index + 2] for index in range(record_count(first))} == {values[7]}
    assert {values[47 * index + 21] for index in range(record_count(first))} == {"3"}


async def test_a_holiday_is_silent_and_registers_all_the_same(start: Start) -> None:
    """2026-09-24 is Chuseok; the next trading day is 2026-09-28."""
    bench = await start(2026, 9, 24, 8, 0)
    socket = await bench.connect()
    await register(bench, socket, ("H0STCNT0", SAMSUNG), ("H0STMKO0", SAMSUNG), ("H0STASP0", SAMSUNG))
    await bench.move_to(2026, 9, 28, 8, 29)
    assert bench.simulator.account.records_sent == 0
    await bench.move_to(2026, 9, 28, 8, 30, 30)
    values = (await frames(socket, 1))[0].split("|", 3)
    assert values[1] == "H0STMKO0"
    assert values[3].split("^")[:5] == [SAMSUNG, "N", "(null)", "110", "311"]


@pytest.mark.parametrize(("day", "opening"), [((2026, 1, 2), "1000"), ((2026, 11, 19), "1000")])
async def test_a_shifted_day_opens_an_hour_later(
    start: Start, day: tuple[int, int, int], opening: str
) -> None:
    bench = await start(*day, 8, 0)
    socket = await bench.connect()
    await register(bench, socket, ("H0STCNT0", SAMSUNG))
    await bench.move_to(*day, 10, 1)
    first = (await frames(socket, 1))[0].split("|", 3)[3].split("^")
    assert first[1].startswith(opening)
    assert len(first) % (47 if day == (2026, 11, 19) else 46) == 0


async def test_widths_follow_the_setting(start: Start) -> None:
    bench = await start(2026, 9, 15, 9, 10, trade_width=48, book_width=59)
    socket = await bench.connect()
    await register(bench, socket, ("H0STCNT0", SAMSUNG), ("H0STASP0", SAMSUNG))
    await bench.move_to(2026, 9, 15, 9, 12)
    for frame in await frames(socket, 20):
        _, channel, count, payload = frame.split("|", 3)
        assert len(payload.split("^")) == int(count) * (48 if channel == "H0STCNT0" else 59)


async def test_any_path_is_served(start: Start) -> None:
    bench = await start(2026, 9, 15, 8, 0)
    for path in ("/", "/tryitout", "/tryitout/H0STCNT0"):
        socket = await bench.connect(path)
        await register(bench, socket, ("H0STCNT0", SAMSUNG))
        await socket.close()
        await bench.move_to(2026, 9, 15, 8, 0, 5 + len(path))


async def test_the_second_session_is_refused_and_the_slot_is_free_after_a_clean_close(start: Start) -> None:
    bench = await start(2026, 9, 15, 8, 0, lingering_slot_seconds=60)
    first, second = await bench.connect(), await bench.connect()
    approval = await register(bench, first, ("H0STCNT0", SAMSUNG))
    await second.send(bench.registration(approval, "H0STCNT0", HYNIX))
    answer = json.loads(await second.recv())
    assert (answer["header"]["tr_id"], answer["body"]["rt_cd"]) == ("(null)", "9")
    assert answer["body"]["msg_cd"] == "OPSP8996"
    with pytest.raises(ConnectionClosed):
        await second.recv()
    await first.close()
    await bench.until(lambda: bench.simulator.account.connections[0].closed is not None)
    third = await bench.connect()
    await third.send(bench.registration(approval, "H0STCNT0", SAMSUNG))
    assert json.loads(await third.recv())["body"]["msg_cd"] == "OPSP0000"


async def test_the_slot_of_a_broken_connection_lingers(start: Start) -> None:
    bench = await start(2026, 9, 15, 8, 0, lingering_slot_seconds=60)
    first = await bench.connect()
    approval = await register(bench, first, ("H0STCNT0", SAMSUNG))
    first.transport.abort()
    await bench.until(lambda: bench.simulator.account.connections[0].closed is not None)
    codes = []
    for second in (59, 61):
        await bench.move_to(2026, 9, 15, 8, second // 60, second % 60)
        socket = await bench.connect()
        await socket.send(bench.registration(approval, "H0STCNT0", SAMSUNG))
        codes.append(json.loads(await socket.recv())["body"]["msg_cd"])
    assert codes == ["OPSP8996", "OPSP0000"]


async def test_pingpong_comes_every_110_seconds_and_an_echo_keeps_the_connection(start: Start) -> None:
    bench = await start(2026, 9, 15, 7, 0, keep_alive_seconds=110)
    socket = await bench.connect()
    for minute, second, shown in ((1, 50, "070150"), (3, 40, "070340"), (5, 30, "070530"), (7, 20, "070720")):
        await bench.move_to(2026, 9, 15, 7, minute, second)
        text = await socket.recv()
        assert json.loads(text) == {"header": {"tr_id": "PINGPONG", "datetime": f"20260915{shown}"}}
        await socket.send(text)
        await bench.move_to(2026, 9, 15, 7, minute, second + 1)


async def test_a_pong_frame_with_the_text_is_an_answer_too(start: Start) -> None:
    bench = await start(2026, 9, 15, 7, 0, keep_alive_seconds=110)
    socket = await bench.connect()
    for minute, second in ((1, 50), (3, 40), (5, 30), (7, 20)):
        await bench.move_to(2026, 9, 15, 7, minute, second)
        await socket.pong(await socket.recv())
        await bench.move_to(2026, 9, 15, 7, minute, second + 1)


async def test_a_client_that_does_not_answer_twice_is_disconnected(start: Start) -> None:
    bench = await start(2026, 9, 15, 7, 0, keep_alive_seconds=110)
    socket = await bench.connect()
    await bench.move_to(2026, 9, 15, 7, 3, 41)
    assert [json.loads(await socket.recv())["header"]["datetime"] for _ in range(2)] == [
        "20260915070150",
        "20260915070340",
    ]
    await bench.move_to(2026, 9, 15, 7, 5, 31)
    with pytest.raises(ConnectionClosedError):
        await socket.recv()


async def test_paper_serves_the_documented_channels_only(start: Start) -> None:
    bench = await start(2026, 9, 15, 8, 0, environment="paper")
    socket = await bench.connect()
    approval = await bench.approval()
    codes = {}
    for channel in ("H0STCNT0", "H0STASP0", "H0STMKO0"):
        await socket.send(bench.registration(approval, channel, SAMSUNG))
        codes[channel] = json.loads(await socket.recv())["body"]["msg_cd"]
    assert codes == {"H0STCNT0": "OPSP0000", "H0STASP0": "OPSP0000", "H0STMKO0": "OPSP8991"}


async def narrow_socket(bench: Any) -> network.socket:
    """A connected socket that holds little of what its owner does not read."""
    narrow = network.socket()
    narrow.setsockopt(network.SOL_SOCKET, network.SO_RCVBUF, 16 * 1024)
    narrow.setblocking(False)
    host, port = bench.simulator.websocket_url.removeprefix("ws://").split(":")
    await asyncio.get_running_loop().sock_connect(narrow, (host, int(port)))
    return narrow


async def stop_reading(bench: Any, socket: ClientConnection) -> asyncio.Task[None]:
    """Lets the day pass before a client that does not read, until the server feels it."""
    socket.transport.pause_reading()
    moving = asyncio.create_task(bench.move_to(2026, 9, 15, 20, 40))
    serving = bench.simulator.websocket._delivery.clients[0].connection
    await bench.until(lambda: serving.paused)
    return moving


async def test_a_client_that_does_not_read_holds_the_promise(start: Start) -> None:
    """Back-pressure: what does not fit the socket is not sent, not counted, and not promised."""
    bench = await start(2026, 9, 15, 7, 20)
    socket = await bench.connect(sock=await narrow_socket(bench))
    pairs = [(channel, code) for code in (SAMSUNG, HYNIX) for channel in ("H0STCNT0", "H0STASP0")]
    await register(bench, socket, *pairs)
    moving = await stop_reading(bench, socket)
    account = bench.simulator.account
    total = sum(
        len(tape.trades) if channel == "H0STCNT0" else len(tape.states)
        for channel, code in pairs
        for tape in [bench.simulator.market.tape(code, DAY)]
    )
    stuck_at = account.records_sent
    assert 0 < stuck_at < total
    await asyncio.sleep(0.05)
    assert account.records_sent == stuck_at
    assert bench.clock.promise.progress_ns < bench.clock.now_ns()
    socket.transport.resume_reading()
    received = 0
    while received < total:
        message = await socket.recv()
        if message.startswith("{"):
            await socket.send(message)
        else:
            received += record_count(message)
    await moving
    await bench.until(lambda: bench.clock.promise.progress_ns == bench.clock.now_ns())
    assert received == total == account.records_sent


@pytest.mark.parametrize("patience", [30.0, 0.05], ids=["it breaks", "it is given up"])
async def test_a_slow_client_that_is_gone_holds_nobody(
    start: Start, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    monkeypatch.setattr("observer_simulator.websocket.connection.STUCK_SECONDS", patience)
    bench = await start(2026, 9, 15, 7, 20)
    slow = await bench.connect(sock=await narrow_socket(bench))
    await register(bench, slow, ("H0STCNT0", SAMSUNG), ("H0STASP0", SAMSUNG))
    moving = await stop_reading(bench, slow)
    if patience == 30.0:
        slow.transport.abort()
    await moving
    await bench.until(lambda: bench.simulator.account.connections[0].closed is not None)
    await bench.until(lambda: bench.clock.promise.progress_ns == bench.clock.now_ns())
    await bench.move_to(2026, 9, 16, 9, 0)
    other = await bench.connect()
    await register(bench, other, ("H0STCNT0", SAMSUNG))
    await bench.move_to(2026, 9, 16, 9, 10)
    assert (await frames(other, 1))[0].startswith("0|H0STCNT0|")


async def test_the_promise_never_passes_an_event_that_was_not_sent(start: Start) -> None:
    bench = await start(2026, 9, 15, 9, 10)
    socket = await bench.connect()
    await register(bench, socket, ("H0STCNT0", SAMSUNG))
    tape = bench.simulator.market.tape(SAMSUNG, DAY)
    midnight = int(bench.clock.now().replace(hour=0, minute=0, tzinfo=KST).timestamp()) * NANOSECONDS
    times = tape.trade_times()
    for second in range(0, 60, 10):
        await bench.move_to(2026, 9, 15, 9, 11, second)
        sent = bench.simulator.account.records_sent
        promised = bench.clock.promise.progress_ns - midnight
        begun = tape.trades_until((9 * 3600 + 10 * 60) * NANOSECONDS)
        assert int((times <= promised).sum()) - begun <= sent


async def test_a_simulator_started_in_mid_session_continues_the_same_tape(start: Start) -> None:
    continued = []
    for begin in ((11, 30), (12, 0)):
        bench = await start(2026, 9, 15, *begin)
        socket = await bench.connect()
        await register(bench, socket, ("H0STCNT0", SAMSUNG), ("H0STASP0", SAMSUNG))
        await bench.move_to(2026, 9, 15, 13, 0)
        received: list[str] = []
        while len(received) < 100:
            frame = (await frames(socket, 1))[0]
            if frame.split("^")[1] >= "120000":
                received.append(frame)
        continued.append(received)
    assert continued[0] == continued[1]
