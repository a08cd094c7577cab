"""One websocket connection as the delivery sees it.

Invariant: a message is either handed to the socket as a whole, in order, or not at all, and the
caller knows which; so the account is exact.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import Event, State

# A client that takes nothing for so long in real time is gone; it would hold the market's time.
STUCK_SECONDS = 30.0


class BrokerConnection(ServerConnection):
    """A connection that writes many messages at once and notices pong frames."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.on_pong: Callable[[str], None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether the connection still takes messages."""
        return self.protocol.state is State.OPEN and not self.transport.is_closing()

    def hand_over(self, messages: Sequence[bytes]) -> bool:
        """Hands text messages to the socket with one write.

        Returns:
            False where the connection takes no more messages: then none of them was handed over.
        """
        if not self.is_open:
            return False
        for message in messages:
            self.protocol.send_text(message)
        self.transport.write(b"".join(self.protocol.data_to_send()))
        return True

    async def flow(self) -> None:
        """Returns once the socket takes more; the client's pace thereby becomes the market's.

        Raises:
            TimeoutError: The client took nothing for `STUCK_SECONDS` of real time.
            OSError: The connection broke.
        """
        if not self.paused:
            await asyncio.sleep(0)
            return
        async with asyncio.timeout(STUCK_SECONDS):
            await self.drain()

    def abort(self) -> None:
        """Breaks the connection without a close frame."""
        self.transport.abort()

    def process_event(self, event: Event) -> None:
        super().process_event(event)
        # Official samples answer PINGPONG with a pong frame that carries its text (reference, 6.3).
        if isinstance(event, Frame) and event.opcode is Opcode.PONG and self.on_pong is not None:
            self.on_pong(bytes(event.data).decode(errors="replace"))
