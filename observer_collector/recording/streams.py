"""What is known beforehand about the next record of a registration.

Invariant: a stream belongs to one connection and one open segment, and is forgotten with either of them. It
changes nothing about what is done with a record, only how often the same questions are asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from observer_collector.recording.flows import Flow, Flows
from observer_collector.recording.unknown import KNOWN
from observer_collector.texts import LONGEST_KEY
from observer_core.accounting import VolumeContinuity
from observer_core.brokers.kis.catalogue import CHANNELS, Kind
from observer_core.journal import PLAIN_BYTES, LineBuilder
from observer_core.journal.open_segment import OpenSegment

TRADE_CHANNELS = frozenset(name for name, channel in CHANNELS.items() if channel.kind is Kind.TRADE)

# Taken away from a message, they leave its separators, and whatever is not plain. So one look at what is
# left tells both that the message is plain and how many values it has.
PLAIN_VALUES = PLAIN_BYTES.replace(b"^", b"")


def _separators(channel: str) -> frozenset[bytes]:
    """Returns what `PLAIN_VALUES` leaves of a record of a known width."""
    return frozenset(b"^" * (values - 1) for name, values in KNOWN if name == channel)


_SEPARATORS = {channel: _separators(channel) for channel in CHANNELS}


@dataclass(slots=True, eq=False)
class Stream:
    """The messages with one plain record of a known width, of one channel and key.

    Attributes:
        begins: Where the record begins in the message.
        separators: What is left of a message without its plain values.
        continues: Enters a trade into its account (`Ledger.continues`); None where there is no accounting.
        form: Their line (`LineBuilder.form`).
        flow: Where they are counted for the connection.
        counts: Where they are counted for the segment, by key.
        key: The key.
    """

    begins: int
    separators: frozenset[bytes]
    continues: Callable[[list[bytes], int], bool] | None
    form: bytes
    flow: Flow
    counts: dict[str, int]
    key: str


class Streams:
    """The streams of the present connection and segment, by the message's bytes before its first separator.

    Args:
        lines: Makes the lines.
        flows: The records of the connection.
        continuity: The volume accounting.
    """

    def __init__(self, lines: LineBuilder, flows: Flows, continuity: VolumeContinuity) -> None:
        self._lines = lines
        self._flows = flows
        self._continuity = continuity
        self._segment: OpenSegment | None = None
        self._streams: dict[bytes, Stream] = {}

    def clear(self) -> None:
        """Begins a new connection."""
        self._streams.clear()

    def of(self, segment: OpenSegment | None) -> dict[bytes, Stream]:
        """Returns the streams whose lines go to a segment; none for another segment than before."""
        if segment is not self._segment:
            self._segment = segment
            self._streams.clear()
        return self._streams

    def add(self, segment: OpenSegment, epoch: int, channel: str, record: str) -> None:
        """Makes the stream of a record whose line is in the segment, where such a one can have a stream.

        Args:
            segment: The open segment.
            epoch: The connection.
            channel: A channel of the catalogue.
            record: The record, plain.
        """
        key, separator, _ = record.partition("^")
        if not separator or not 0 < len(key) <= LONGEST_KEY:
            return
        header = f"0|{channel}|001|"
        streams, head = self.of(segment), f"{header}{key}".encode("ascii")
        if head in streams or (channel, record.count("^") + 1) not in KNOWN:
            return
        continues = None
        if channel in TRADE_CHANNELS:
            ledger = self._continuity.ledger(channel, key)
            if ledger is None:
                # Not one trade of it could be read.
                return
            continues = ledger.continues
        streams[head] = Stream(
            len(header),
            _SEPARATORS[channel],
            continues,
            self._lines.form(epoch, channel, key),
            self._flows.flow(channel, key),
            segment.tally.counts[channel],
            key,
        )
