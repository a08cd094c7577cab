"""Opens the broker's websocket.

Invariant: a socket that is returned takes frames of any size the broker sends and pings nobody.
"""

from __future__ import annotations

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from observer_core.errors import NetworkError

# Frames exceed 8 KB at busy times; with a smaller limit the client closes with 1009 (6.5).
_LARGEST_MESSAGE = 4 * 1024 * 1024
# Messages that may wait in memory: several seconds of the busiest feed.
_QUEUE = 16_384
_OPEN_SECONDS, _CLOSE_SECONDS = 10.0, 2.0


async def open_socket(url: str) -> ClientConnection:
    """Returns an open connection.

    Raises:
        NetworkError: It did not come about.
    """
    try:
        return await connect(
            url,
            # The broker has its own keep-alive and drops clients that ping (6.3).
            ping_interval=None,
            compression=None,
            max_size=_LARGEST_MESSAGE,
            max_queue=_QUEUE,
            open_timeout=_OPEN_SECONDS,
            close_timeout=_CLOSE_SECONDS,
            proxy=None,
        )
    except (OSError, TimeoutError, WebSocketException) as error:
        raise NetworkError(
            f"{url} cannot be connected: {type(error).__name__} {error}".rstrip(),
            remedy="Check KIS_WEBSOCKET_URL, the network and the egress rules, or wait.",
        ) from error
