"""The line to the broker's websocket: passes everything on, unless a test says otherwise."""

import asyncio
from typing import Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed


class BrokerLine:
    """A proxy in front of a websocket; an asynchronous context manager.

    Args:
        address: Where the broker listens.

    Attributes:
        muted: While set, data frames are lost; the conversation about registrations goes on.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._server: Server | None = None
        self._clients: set[ServerConnection] = set()
        self.muted = False

    async def __aenter__(self) -> Self:
        self._server = await serve(self._pass, "127.0.0.1", 0, ping_interval=None, compression=None)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self.cut()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        """Ends every connection, and lets none come about any more."""
        assert self._server is not None
        self._server.close()

    async def inject(self, message: str) -> None:
        """Sends a message to every client as if the broker had."""
        for client in self._clients:
            await client.send(message)

    async def _pass(self, client: ServerConnection) -> None:
        async with connect(self._address, ping_interval=None, compression=None) as broker:
            self._clients.add(client)
            upward = asyncio.ensure_future(self._upward(client, broker))
            try:
                async for message in broker:
                    text = message if isinstance(message, str) else message.decode()
                    if not (self.muted and text[:2] in ("0|", "1|")):
                        await client.send(text)
            except ConnectionClosed:
                pass
            finally:
                self._clients.discard(client)
                upward.cancel()

    @staticmethod
    async def _upward(client: ServerConnection, broker: ClientConnection) -> None:
        try:
            async for message in client:
                await broker.send(message)
        except ConnectionClosed:
            pass
        finally:
            await broker.close()
