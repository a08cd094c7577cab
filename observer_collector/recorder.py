"""From a received message to lines of the journal.

Invariant: every data frame leaves as many lines as it has records, or one line with the whole frame
where it cannot be split; nothing is judged and nothing dropped here. A hole follows the trade that
revealed it in the same segment. Secrets of the broker's control messages are in no line.

This is the hot path: it costs a few microseconds a record, awaits nothing and logs nothing.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from observer_collector.flows import Flows
from observer_collector.texts import LONGEST_KEY, compact_json, label
from observer_core.accounting import Finding, Hole, VolumeContinuity
from observer_core.brokers.kis.catalogue import CHANNELS, Kind
from observer_core.brokers.kis.frames import (
    Acknowledgement,
    DataFrame,
    KeepAlive,
    Refusal,
    parse_message,
    split_records,
)
from observer_core.clock import Clock
from observer_core.errors import FrameError
from observer_core.journal import (
    CONTROL_CHANNEL,
    WHOLE_FRAME,
    ControlKind,
    EpochStore,
    JournalWriter,
    LineBuilder,
    Received,
    is_plain,
)
from observer_core.journal.open_segment import OpenSegment
from observer_core.logs import HIDDEN, logger, redact

PROVIDER = "kis"
TRADE_CHANNELS = frozenset(name for name, channel in CHANNELS.items() if channel.kind is Kind.TRADE)

# The channel of a frame that does not even tell its channel.
UNREADABLE_CHANNEL = "_unreadable"

_RETRY_SECONDS = 1.0

_log = logger(__name__)

_SECRETS = re.compile(r'("(?:iv|key|approval_key|appkey|appsecret|secretkey)"\s*:\s*")[^"]*')


async def durable_epoch(epochs: EpochStore) -> int:
    """Returns a new epoch; waits while the disk takes none."""
    while True:
        try:
            return epochs.next()
        except OSError as error:
            _log.error("An epoch cannot be written; it is tried again.", error=str(error))
            await asyncio.sleep(_RETRY_SECONDS)


class Recorder:
    """The records of one shard's connections.

    Args:
        writer: The scalp track.
        epochs: Numbers of the connections.
        continuity: The volume accounting.
        clock: Receive times of control records.
        shard: The shard.
    """

    def __init__(
        self,
        writer: JournalWriter,
        epochs: EpochStore,
        continuity: VolumeContinuity,
        clock: Clock,
        *,
        shard: str,
    ) -> None:
        self._writer = writer
        self._epochs = epochs
        self._continuity = continuity
        self._clock = clock
        self._lines = LineBuilder(PROVIDER, shard)
        self._frame = 0
        self.epoch = 0
        self.flows = Flows()
        self.messages = 0
        self.last_wall_ns = 0
        self.last_data: Received | None = None
        self.records = 0
        self.whole_frames = 0
        self.holes = 0
        self.hole_shares = 0
        self.resets = 0

    async def begin_epoch(self) -> None:
        """Begins the lines of a new connection; waits while the disk takes no new epoch."""
        self.epoch = await durable_epoch(self._epochs)
        self._frame = 0
        self.flows.clear()

    def message(
        self, data: bytes, wall_ns: int, mono_ns: int
    ) -> Acknowledgement | Refusal | KeepAlive | None:
        """Takes a message of the broker; returns it where it is for the session.

        Args:
            data: The message as received.
            wall_ns: Receive time on the clock, taken before anything else.
            mono_ns: Receive time, monotonic.
        """
        self.messages += 1
        self.last_wall_ns = wall_ns
        self._frame += 1
        received = Received(self.epoch, self._frame, wall_ns, mono_ns)
        text = data.decode("utf-8", "surrogateescape")
        channel = UNREADABLE_CHANNEL
        try:
            message = parse_message(text)
            if not isinstance(message, DataFrame):
                return message
            channel = label(message.channel) or UNREADABLE_CHANNEL
            records = split_records(message)
        except FrameError:
            self._whole_frame(received, channel, text)
        else:
            self._data(received, channel, records, plain=is_plain(text))
        return None

    def control(self, kind: ControlKind, payload: Mapping[str, Any]) -> None:
        """Writes a control record."""
        self._frame += 1
        received = Received(self.epoch, self._frame, self._clock.now_ns(), self._clock.monotonic_ns())
        self._control(self._writer.segment_for(received.wall_ns), received, kind, payload)

    def hole(self, hole: Hole) -> None:
        """Writes a hole that was found earlier and whose control record was lost."""
        self._count(hole)
        self.control(ControlKind.HOLE, hole.to_json())

    def _data(self, received: Received, channel: str, records: list[str], *, plain: bool) -> None:
        segment = self._writer.segment_for(received.wall_ns)
        build = self._lines.plain if plain else self._lines.any
        is_trade = channel in TRADE_CHANNELS
        count, observe, wall_ns = self.flows.count, self._continuity.observe, received.wall_ns
        for index, record in enumerate(records):
            key = record.partition("^")[0]
            if not plain or len(key) > LONGEST_KEY:
                key = label(key)
            segment.append(build(received, index, channel, key, record), received, channel, key)
            count(channel, key, wall_ns)
            if is_trade and (finding := observe(channel, record, wall_ns)) is not None:
                self._report(segment, received, finding)
        self.records += len(records)
        self.last_data = received

    def _whole_frame(self, received: Received, channel: str, text: str) -> None:
        if text.startswith("{"):
            text = redact(_SECRETS.sub(rf"\1{HIDDEN}", text))
        segment = self._writer.segment_for(received.wall_ns)
        segment.append(self._lines.any(received, WHOLE_FRAME, channel, "", text), received, channel, "")
        self.records += 1
        self.whole_frames += 1

    def _report(self, segment: OpenSegment, received: Received, finding: Finding) -> None:
        if not isinstance(finding, Hole):
            self.resets += 1
            return
        self._count(finding)
        self._frame += 1
        own = received._replace(frame=self._frame)
        self._control(segment, own, ControlKind.HOLE, finding.to_json())

    def _count(self, hole: Hole) -> None:
        self.holes += 1
        self.hole_shares += hole.shares

    def _control(
        self, segment: OpenSegment, received: Received, kind: ControlKind, payload: Mapping[str, Any]
    ) -> None:
        line = self._lines.any(received, 0, CONTROL_CHANNEL, kind.value, compact_json(payload))
        segment.append(line, received, CONTROL_CHANNEL, kind.value)
