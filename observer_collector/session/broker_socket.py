"""The broker's websocket, which hands messages over by the chunk that they came in.

Invariant: every message that came whole is handed over once, in order and byte for byte, also those
before a close; what waits in memory is bounded, and then waits in the socket. A socket that is
returned takes messages of any size the broker sends and pings nobody.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from itertools import accumulate
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.frames import Frame, Opcode
from websockets.protocol import Event

from observer_core.errors import NetworkError

# Frames exceed 8 KB at busy times; with a smaller limit the client closes with 1009 (6.5).
_LARGEST_MESSAGE = 4 * 1024 * 1024
# What may wait in memory, with what Python adds to each message: ten seconds of the busiest feed.
_MOST_WAITING, _OVERHEAD = 8 * 1024 * 1024, 64
# Messages and bytes handed over at once: about 10 ms of work, so that the rest of the process has its turn.
_AT_ONCE, _BYTES_AT_ONCE = 1024, 256 * 1024
# With less before it, what is sent never has to wait: the library holds up writers from 32 KiB on, until a
# quarter of that is left.
_MOST_UNREAD = 8 * 1024
_CONTINUATION, _TEXT, _BINARY = Opcode.CONT, Opcode.TEXT, Opcode.BINARY
_OPEN_SECONDS, _CLOSE_SECONDS = 10.0, 2.0


class BrokerSocket(ClientConnection):
    """A client connection whose messages are taken with `messages`; its own `recv` gets none.

    The library's queue has three coroutines for each message, which cost half as much as reading it.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._fragments = bytearray()
        self._news = asyncio.Event()
        self._held = self._ended = False

    async def messages(self) -> list[bytes]:
        """Waits for messages and returns the oldest, at least one; none once the connection has ended."""
        if self._waiting:
            # Whoever called is busy with messages; the others have their turn in between.
            await asyncio.sleep(0)
        else:
            await self._news.wait()
        taken = self._oldest()
        if not (self._waiting or self._ended):
            self._news.clear()
        if self._held and self._waiting_bytes <= _MOST_WAITING // 2:
            self._held = False
            self.transport.resume_reading()
        return taken

    async def echo(self, text: str) -> None:
        """Sends a keep-alive back, unless the broker has not read the earlier ones.

        Who receives sends it, and must not wait for a broker that sends and does not read.
        """
        if self.transport.get_write_buffer_size() + len(text.encode()) < _MOST_UNREAD:
            await self.send(text)

    def process_event(self, event: Event) -> None:
        """Takes the frames of messages; the handshake and all other frames are the library's."""
        if type(event) is not Frame:
            super().process_event(event)
        elif event.fin and (event.opcode is _TEXT or event.opcode is _BINARY):
            self._waiting.append(bytes(event.data))
            self._waiting_bytes += len(event.data) + _OVERHEAD
        elif event.opcode in (_TEXT, _BINARY, _CONTINUATION):
            self._fragment(event)
        else:
            super().process_event(event)

    def data_received(self, data: bytes) -> None:
        """Takes what was read from the line, which may hold hundreds of messages."""
        super().data_received(data)
        if not self._waiting:
            return
        self._news.set()
        if self._waiting_bytes > _MOST_WAITING and not self._held:
            self._held = True
            self.transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wakes whoever waits for messages: there will be no more."""
        super().connection_lost(exc)
        self._ended = True
        self._news.set()

    def _oldest(self) -> list[bytes]:
        """Takes as many of the oldest messages as may be worked off in one turn of the event loop."""
        taken = self._waiting[:_AT_ONCE]
        size = self._waiting_bytes
        if size > _BYTES_AT_ONCE or len(self._waiting) > _AT_ONCE:
            sizes = list(accumulate(map(len, taken)))
            number = bisect_right(sizes, _BYTES_AT_ONCE) or 1
            del taken[number:]
            size = sizes[len(taken) - 1] + _OVERHEAD * len(taken)
        self._waiting = self._waiting[len(taken) :]
        self._waiting_bytes -= size
        return taken

    def _fragment(self, frame: Frame) -> None:
        """Joins a message that comes in pieces, whose order and size the library has checked."""
        self._fragments += frame.data
        if frame.fin:
            self._waiting.append(bytes(self._fragments))
            self._waiting_bytes += len(self._fragments) + _OVERHEAD
            self._fragments = bytearray()


async def open_socket(url: str) -> BrokerSocket:
    """Returns an open connection.

    Raises:
        NetworkError: It did not come about.
    """
    try:
        socket = await connect(
            url,
            # The broker has its own keep-alive and drops clients that ping (6.3).
            ping_interval=None,
            compression=None,
            max_size=_LARGEST_MESSAGE,
            open_timeout=_OPEN_SECONDS,
            close_timeout=_CLOSE_SECONDS,
            proxy=None,
            create_connection=BrokerSocket,
        )
    except (OSError, TimeoutError, WebSocketException) as error:
        raise NetworkError(
            f"{url} cannot be connected: {type(error).__name__} {error}".rstrip(),
            remedy="Check KIS_WEBSOCKET_URL, the network and the egress rules, or wait.",
        ) from error
    assert isinstance(socket, BrokerSocket)
    return socket
