"""The broker's websocket against servers that send what a client rarely sees."""

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close, CloseCode, Frame, Opcode

from observer_collector.session.broker_socket import open_socket
from observer_core.errors import NetworkError

MIB = 1024 * 1024
PATIENCE = 60


def text(data, *, fin=True):
    return Frame(Opcode.TEXT, data, fin)


def further(data, *, fin=False):
    return Frame(Opcode.CONT, data, fin)


def close():
    return Frame(Opcode.CLOSE, Close(CloseCode.GOING_AWAY, "maintenance").serialize())


def write(peer, *frames):
    """Sends frames as one piece."""
    peer.transport.write(b"".join(frame.serialize(mask=False) for frame in frames))


@asynccontextmanager
async def talk(handler):
    """A server whose side is `handler`; gives the client's socket."""

    async def serving(peer):
        with suppress(ConnectionClosed):
            await handler(peer)

    async with serve(serving, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        socket = await open_socket(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        try:
            async with asyncio.timeout(PATIENCE):
                yield socket
        finally:
            socket.transport.abort()


async def everything(socket):
    """Takes messages until the connection has ended."""
    found = []
    while messages := await socket.messages():
        found += messages
    return found


async def test_every_message_before_a_close_is_taken_in_order_and_as_it_was_sent():
    sent = [b"0|H0STCNT0|001|a", b"", b"\xff\xfe|\x00", "한국".encode(), b"binary", b"last"]

    async def server(peer):
        frames = [text(data) for data in sent]
        frames[4] = Frame(Opcode.BINARY, sent[4])
        write(peer, *frames, close(), text(b"after the close"))
        await peer.wait_closed()

    async with talk(server) as socket:
        assert await everything(socket) == sent
        assert (socket.close_code, socket.close_reason) == (1001, "maintenance")
        assert await socket.messages() == []


async def test_a_message_in_pieces_is_joined_and_control_frames_may_lie_between():
    pongs = []

    async def server(peer):
        write(peer, text(b"", fin=False), further("한".encode()[:2]), Frame(Opcode.PING, b"are you there"))
        write(peer, *[further(b"")] * 5000, further("한".encode()[2:]), further(b"!", fin=True))
        write(peer, text(b"whole"))
        pongs.append(await (await peer.ping(b"mine")))
        write(peer, close())
        await peer.wait_closed()

    async with talk(server) as socket:
        assert await everything(socket) == ["한!".encode(), b"whole"]
    assert pongs


@pytest.mark.parametrize("first", [text(b"x" * (4 * MIB + 1)), text(b"x" * 3 * MIB, fin=False)])
async def test_a_message_above_the_limit_ends_the_connection_behind_those_before_it(first):
    codes = []

    async def server(peer):
        write(peer, text(b"before"), first, further(b"y" * 2 * MIB, fin=True), text(b"never"))
        await peer.wait_closed()
        codes.append(peer.close_code)

    async with talk(server) as socket:
        assert await everything(socket) == [b"before"]
        assert socket.close_code == CloseCode.ABNORMAL_CLOSURE
    assert codes == [CloseCode.MESSAGE_TOO_BIG]


async def test_a_message_of_the_largest_size_is_taken():
    async def server(peer):
        write(peer, text(b"x" * 4 * MIB), close())
        await peer.wait_closed()

    async with talk(server) as socket:
        assert [len(data) for data in await everything(socket)] == [4 * MIB]


async def test_a_cut_line_loses_only_what_had_not_come_whole():
    cut = asyncio.Event()

    async def server(peer):
        write(peer, text(b"one"), text(b"two"), text(b"begun", fin=False))
        await cut.wait()
        peer.transport.abort()

    async with talk(server) as socket:
        assert await socket.messages() == [b"one", b"two"]
        cut.set()
        assert await everything(socket) == []
        assert socket.close_code == 1006


async def test_what_nobody_takes_waits_in_the_socket_and_nothing_is_lost():
    count, sent = 60_000, 0

    async def server(peer):
        nonlocal sent
        for sent in range(1, count + 1):
            await peer.send(b"%06d" % sent * 100)

    async with talk(server) as socket:
        while socket.transport.is_reading():
            await asyncio.sleep(0.01)
        assert sent < count
        found = []
        while messages := await socket.messages():
            found.append(messages)
        taken = [message for messages in found for message in messages]
        assert taken == [b"%06d" % number * 100 for number in range(1, count + 1)]
        assert max(map(len, found)) <= 1024


async def test_tiny_messages_count_with_what_they_cost():
    sending = asyncio.Event()

    async def server(peer):
        block = text(b"x").serialize(mask=False) * 10_000
        while not sending.is_set():
            peer.transport.write(block)
            await asyncio.sleep(0)
            await peer.drain()

    async with talk(server) as socket:
        while socket.transport.is_reading():
            await asyncio.sleep(0.01)
        sending.set()
        # 8 MiB, and one read of 256 KiB beyond it.
        assert len(socket._waiting) * 65 < 8 * MIB + 256 * 1024 // 3 * 65


async def test_while_a_backlog_is_worked_off_others_have_their_turn():
    async def server(peer):
        write(peer, *[text(b"message")] * 10_000, close())
        await peer.wait_closed()

    async with talk(server) as socket:
        await socket.wait_closed()
        turns = 0

        async def beat():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        beating = asyncio.create_task(beat())
        assert len(await everything(socket)) == 10_000
        beating.cancel()
        assert turns >= 9


async def test_messages_come_by_their_bytes_and_each_comes_however_large():
    """Else a backlog of long frames is worked off in turns of a second."""
    sizes = [100_000] * 5 + [3 * MIB, 1, 256 * 1024, 0, 256 * 1024 + 1] + [250] * 3000

    async def server(peer):
        write(peer, *[text(b"x" * size) for size in sizes], close())
        await peer.wait_closed()

    async with talk(server) as socket:
        await socket.wait_closed()
        found = []
        while messages := await socket.messages():
            found.append([len(data) for data in messages])
        assert [size for chunk in found for size in chunk] == sizes
        assert found[:7] == [[100_000] * 2, [100_000] * 2, [100_000], [3 * MIB], [1], [256 * 1024, 0],
                             [256 * 1024 + 1]]  # fmt: skip
        assert all(len(chunk) == 1 or sum(chunk) <= 256 * 1024 for chunk in found)
        assert socket._waiting_bytes == 0


async def test_a_broker_that_sends_and_does_not_read_holds_nobody():
    """It gets the echoes that the line takes, whole, and no more."""
    count, ready, done = 20_000, asyncio.Event(), asyncio.Event()
    found = []

    async def server(peer):
        peer.transport.pause_reading()
        ready.set()
        await done.wait()
        peer.transport.resume_reading()
        found.extend([message async for message in peer])

    async with talk(server) as socket:
        await ready.wait()
        for number in range(count):
            await socket.echo(f"{number:05d}" * 400)
        assert 0 < socket.transport.get_write_buffer_size() <= 8 * 1024
        await socket.echo("x" * MIB)
        done.set()
        while socket.transport.get_write_buffer_size():
            await asyncio.sleep(0.01)
        await socket.echo("last")
        await socket.close()
    assert 0 < len(found) < count
    assert found == [f"{number:05d}" * 400 for number in range(len(found) - 1)] + ["last"]


async def test_our_own_close_leaves_what_came_before_it():
    async def server(peer):
        write(peer, *[text(b"%d" % number) for number in range(3000)])
        await peer.wait_closed()

    async with talk(server) as socket:
        first = await socket.messages()
        await socket.close(reason="stopping")
        assert first + await everything(socket) == [b"%d" % number for number in range(3000)]
        assert socket.close_code == 1000


async def test_a_held_socket_closes_in_time_and_gives_what_it_has():
    """Nobody takes, so the broker's close cannot be read: the line is cut after the time to close."""

    async def server(peer):
        while True:
            await peer.send(b"x" * 100_000)

    async with talk(server) as socket:
        while socket.transport.is_reading():
            await asyncio.sleep(0.01)
        await socket.close()
        assert sum(map(len, await everything(socket))) > 8 * MIB


async def test_an_abandoned_wait_loses_nothing():
    go = asyncio.Event()

    async def server(peer):
        await go.wait()
        write(peer, text(b"one"), close())
        await peer.wait_closed()

    async with talk(server) as socket:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(socket.messages(), 0.01)
        go.set()
        assert await everything(socket) == [b"one"]


async def test_a_refused_handshake_is_told():
    async with serve(
        lambda peer: peer.wait_closed(),
        "127.0.0.1",
        0,
        process_request=lambda peer, _: peer.respond(503, "maintenance"),
    ) as server:
        with pytest.raises(NetworkError, match="InvalidStatus"):
            await open_socket(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
