"""The frames of one session: its registered pairs merged into one order of time.

Invariant: frames come out in the order of their instants; at one instant phase changes come first,
then trades, then books, each by symbol. Only frames of registered pairs come out.
"""

from __future__ import annotations

import heapq

from observer_simulator.market.market import Market
from observer_simulator.websocket.frames import Frame, Pair, PairStream, Widths


class Feed:
    """The registered pairs of one session.

    Args:
        market: The market.
        widths: Values of the records.
    """

    def __init__(self, market: Market, widths: Widths) -> None:
        self._market = market
        self._widths = widths
        self._streams: dict[Pair, PairStream] = {}
        # An entry whose stream is no longer registered is skipped when it comes up.
        self._queue: list[tuple[int, int, str, int, PairStream]] = []
        self._registered = 0

    def add(self, pair: Pair, *, after_ns: int) -> None:
        """Begins the frames of a pair with those after an instant."""
        self._registered += 1
        stream = self._streams[pair] = PairStream(self._market, pair, self._widths, after_ns=after_ns)
        self._push(stream, self._registered)

    def remove(self, pair: Pair) -> None:
        """Ends the frames of a pair."""
        del self._streams[pair]

    @property
    def next_ns(self) -> int | None:
        """The instant at which there may be something to send; None without pairs."""
        while self._queue and self._streams.get(self._queue[0][4].pair) is not self._queue[0][4]:
            heapq.heappop(self._queue)
        return self._queue[0][0] if self._queue else None

    def take(self, until_ns: int, *, limit: int) -> list[Frame]:
        """Returns the next frames that are due at an instant, no more than `limit`."""
        frames: list[Frame] = []
        while len(frames) < limit:
            next_ns = self.next_ns
            if next_ns is None or next_ns > until_ns:
                break
            _, _, _, number, stream = heapq.heappop(self._queue)
            frame = stream.take()
            if frame is not None:
                frames.append(frame)
            self._push(stream, number)
        return frames

    def _push(self, stream: PairStream, number: int) -> None:
        pair = stream.pair
        heapq.heappush(self._queue, (stream.next_ns, pair.channel.rank, pair.key, number, stream))
