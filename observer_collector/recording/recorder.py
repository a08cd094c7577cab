"""From a received message to lines of the journal.

Invariant: every data frame leaves as many lines as it has records, or one line with the whole frame
where it cannot be split; nothing is judged and nothing dropped here. A hole follows the trade that
revealed it in the same segment. Secrets of the broker's control messages are in no line.

This is the hot path: it costs a few microseconds a record, awaits nothing and logs nothing. Nearly all
messages are one plain record of a registration that had one before: they go a short way (`_take_streams`),
which leaves what the long way (`message`) leaves, byte for byte; the tests hold one against the other.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from observer_collector.moments import Moment
from observer_collector.recording.flows import Flows
from observer_collector.recording.streams import PLAIN_VALUES, TRADE_CHANNELS, Streams
from observer_collector.recording.unknown import KNOWN, Unknown
from observer_collector.slots.registrations import Pair
from observer_collector.texts import LONGEST_KEY, compact_json, label
from observer_core.accounting import SPLITS, Finding, Hole, Reset, Severity, VolumeContinuity, hole_of
from observer_core.brokers.kis.catalogue import CHANNELS
from observer_core.brokers.kis.codes import LISTED_CODES
from observer_core.brokers.kis.frames import (
    Acknowledgement,
    DataFrame,
    KeepAlive,
    Refusal,
    parse_message,
    single_record,
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
    checked,
    is_plain_bytes,
)
from observer_core.journal.open_segment import OpenSegment
from observer_core.logs import HIDDEN, logger, redact

PROVIDER = "kis"

# The channel of a frame that does not even tell its channel.
UNREADABLE_CHANNEL = "_unreadable"
# All codes of refusals that no table lists; `Unknown` names the first of them.
UNLISTED_CODE = "other"

_RETRY_SECONDS = 1.0
# Records after which others have their turn, where messages hold many: about 10 ms of work.
_AT_ONCE = 1024

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


# What of the broker's messages is for the session.
ForSession = Acknowledgement | Refusal | KeepAlive


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
        self._rejoined: dict[Pair, int] = {}
        self._released: set[Pair] = set()
        self.unknown = Unknown()
        self.epoch = 0
        self.flows = Flows()
        self._streams = Streams(self._lines, self.flows, continuity)
        self.messages = 0
        self.last_wall_ns = 0
        self.last_data: Received | None = None
        self.records = 0
        self.whole_frames = 0
        self.hole_shares = 0
        self.hole_alarms = 0
        self.on_hole: Callable[[Hole], None] = lambda _: None
        self.holes_in: Counter[str] = Counter()
        self.controls: Counter[ControlKind] = Counter()
        self.refusals: Counter[str] = Counter()
        self.resets = 0

    @property
    def holes(self) -> int:
        """Holes of all phases of the market."""
        return self.holes_in.total()

    async def begin_epoch(self) -> None:
        """Begins the lines of a new connection; waits while the disk takes no new epoch."""
        self.epoch = await durable_epoch(self._epochs)
        self._frame = 0
        self.flows.clear()
        self._streams.clear()

    def take(self, messages: Iterable[bytes]) -> Iterator[tuple[ForSession, Moment] | None]:
        """Takes messages of the broker in their order; yields those that are for the session.

        Each is stamped before anything else is done with it. Whoever iterates may await in between: what
        comes before is handed to the journal by then. Where few messages make many lines, it yields None
        in between: then others should have their turn.
        """
        waiting, due = iter(messages), self.records + _AT_ONCE
        while (other := self._take_streams(waiting)) is not None:
            data, wall_ns, mono_ns = other
            message = self.message(data, wall_ns, mono_ns)
            if message is not None:
                yield message, Moment(wall_ns, mono_ns, not self._clock.is_virtual)
            elif self.records >= due:
                yield None
                due = self.records + _AT_ONCE

    def message(self, data: bytes, wall_ns: int, mono_ns: int) -> ForSession | None:
        """Takes a message of the broker, whatever it is; returns it where it is for the session.

        Args:
            data: The message as received.
            wall_ns: Receive time on the clock, taken before anything else.
            mono_ns: Receive time, monotonic.
        """
        self.messages += 1
        self.last_wall_ns = wall_ns
        self._frame += 1
        received = Received(self.epoch, self._frame, wall_ns, mono_ns)
        plain = is_plain_bytes(data)
        text = data.decode("ascii") if plain else data.decode("utf-8", "surrogateescape")
        single = single_record(text)
        if single is not None and single[0] in CHANNELS:
            channel, record = single
            segment = self._data(received, channel, [record], plain=plain)
            if plain:
                self._streams.add(segment, self.epoch, channel, record)
            return None
        channel = UNREADABLE_CHANNEL
        try:
            message = parse_message(text)
            if not isinstance(message, DataFrame):
                return message
            channel = message.channel
            if channel not in CHANNELS:
                channel = label(channel) or UNREADABLE_CHANNEL
            records = split_records(message)
        except FrameError:
            self._whole_frame(received, channel, text)
        else:
            self._data(received, channel, records, plain=plain)
        return None

    def control(self, kind: ControlKind, payload: Mapping[str, Any]) -> None:
        """Writes a control record."""
        if kind is ControlKind.REFUSE:
            # Who invents a code for each message must not fill the memory.
            code = str(payload["code"])
            self.refusals[code if code in LISTED_CODES else UNLISTED_CODE] += 1
        self._frame += 1
        received = Received(self.epoch, self._frame, self._clock.now_ns(), self._clock.monotonic_ns())
        if kind is ControlKind.ACKNOWLEDGE:
            self._acknowledged(payload, received.wall_ns)
        segment = self._writer.segment_for(received.wall_ns)
        self._control(segment, received, kind, payload)
        if kind is ControlKind.REFUSE:
            strange = self.unknown.code(str(payload["code"]), str(payload["message"]))
            if strange is not None:
                self._follow(segment, received, ControlKind.UNKNOWN, strange)

    def _acknowledged(self, payload: Mapping[str, Any], wall_ns: int) -> None:
        """Follows what the broker holds: between a release and the next registration nobody listens.

        A trade that was sent before the release may come after the slot was planned anew, so the plan's
        own instant (`rejoins`) can lie before the last trade.
        """
        pair = Pair(str(payload["channel"]), str(payload["symbol"]))
        if payload["action"] == "release":
            self._released.add(pair)
        elif pair in self._released:
            self._released.remove(pair)
            self.rejoins(pair, wall_ns)

    def rejoins(self, pair: Pair, now_ns: int) -> None:
        """States that a symbol is watched again: what it traded in between is no loss of ours."""
        if self._continuity.account(pair.channel, pair.symbol) is not None:
            self._rejoined[pair] = now_ns

    def rows(self, channel: str, symbol: str, rows: Sequence[str]) -> None:
        """Writes the rows of an answer by REST, as one more message of the present epoch.

        Args:
            channel: The request's `tr_id`.
            symbol: What was asked for.
            rows: Each as JSON text.
        """
        self._frame += 1
        received = Received(self.epoch, self._frame, self._clock.now_ns(), self._clock.monotonic_ns())
        segment = self._writer.segment_for(received.wall_ns)
        for index, row in enumerate(rows):
            segment.append(self._lines.any(received, index, channel, symbol, row), received, channel, symbol)
        self.records += len(rows)

    def hole(self, hole: Hole) -> None:
        """Writes a hole that was found earlier and whose control record was lost."""
        self._count(hole)
        self.control(ControlKind.HOLE, hole.to_json())

    def _take_streams(self, waiting: Iterator[bytes]) -> tuple[bytes, int, int] | None:
        """Takes messages of known streams, which nearly all are; returns the first other with its stamps.

        It does what `message` does for each of them. A message that needs anything more than its line, its
        counts and its place in an account is returned with nothing done, and so is one that does not belong
        to the open segment. What is the same for all of them is done once, at the end.
        """
        segment = self._writer.open_segment
        find = self._streams.of(segment).get
        (begins_ns, ends_ns), room = ((0, 0), 0) if segment is None else (segment.span_ns, segment.room)
        now_ns, monotonic_ns = self._clock.now_ns, self._clock.monotonic_ns
        lines: list[bytes] = []
        frame, size = self._frame, 0
        since_ns, last_wall_ns, last_mono_ns = monotonic_ns(), 0, 0
        try:
            for data in waiting:
                wall_ns, mono_ns = now_ns(), monotonic_ns()
                stream = find(data.partition(b"^")[0])
                if (
                    stream is None
                    or data.translate(None, PLAIN_VALUES) not in stream.separators
                    or not begins_ns <= wall_ns < ends_ns
                    or size >= room
                    or not (stream.continues is None or stream.continues(data.split(b"^", SPLITS), wall_ns))
                ):
                    return data, wall_ns, mono_ns
                frame += 1
                line = checked(stream.form % (frame, 0, wall_ns, mono_ns, data[stream.begins :]))
                lines.append(line)
                size += len(line)
                stream.counts[stream.key] += 1
                flow = stream.flow
                flow.records += 1
                flow.last_ns = last_wall_ns = wall_ns
                last_mono_ns = mono_ns
            return None
        finally:
            if segment is not None and lines:
                self._frame = frame
                self.messages += len(lines)
                self.records += len(lines)
                self.last_wall_ns = last_wall_ns
                self.last_data = Received(self.epoch, frame, last_wall_ns, last_mono_ns)
                segment.extend(lines, size, since_ns, self.last_data)

    def _data(self, received: Received, channel: str, records: list[str], *, plain: bool) -> OpenSegment:
        segment = self._writer.segment_for(received.wall_ns)
        build = self._lines.plain if plain else self._lines.any
        is_trade = channel in TRADE_CHANNELS
        width = records[0].count("^") + 1
        strange = None if (channel, width) in KNOWN else self.unknown.frame(channel, width)
        count, observe, wall_ns = self.flows.count, self._continuity.observe, received.wall_ns
        for index, record in enumerate(records):
            key = record.partition("^")[0]
            if not plain or len(key) > LONGEST_KEY:
                key = label(key)
            segment.append(build(received, index, channel, key, record), received, channel, key)
            count(channel, key, wall_ns)
            if is_trade and (finding := observe(channel, record, wall_ns)) is not None:
                self._report(segment, received, finding)
        if strange is not None:
            self._follow(segment, received, ControlKind.UNKNOWN, strange)
        self.records += len(records)
        self.last_data = received
        return segment

    def _whole_frame(self, received: Received, channel: str, text: str) -> None:
        # Whatever its form: a key may be echoed behind a blank or a byte order mark, or in plain words.
        text = redact(_SECRETS.sub(rf"\1{HIDDEN}", text))
        segment = self._writer.segment_for(received.wall_ns)
        segment.append(self._lines.any(received, WHOLE_FRAME, channel, "", text), received, channel, "")
        self.records += 1
        self.whole_frames += 1

    def _report(self, segment: OpenSegment, received: Received, finding: Finding) -> None:
        if isinstance(finding, Reset):
            self.resets += 1
            self._follow(segment, received, ControlKind.RESET, finding.to_json())
        hole = hole_of(finding)
        if hole is None:
            return
        if self._was_unwatched(hole):
            # Nobody listened, so nothing is at fault.
            self._continuity.excuse(hole.channel, hole.symbol, hole.shares)
            told = {**hole.to_json(), "severity": Severity.REPORT}
            self._follow(segment, received, ControlKind.UNWATCHED, told)
        else:
            self._count(hole)
            self._follow(segment, received, ControlKind.HOLE, hole.to_json())

    def _follow(
        self, segment: OpenSegment, received: Received, kind: ControlKind, payload: Mapping[str, Any]
    ) -> None:
        """Writes a control record behind the record that gave rise to it."""
        self._frame += 1
        self._control(segment, received._replace(frame=self._frame), kind, payload)

    def _was_unwatched(self, hole: Hole) -> bool:
        """Returns whether a break lies over the time in which its symbol held no slot."""
        rejoined_ns = self._rejoined.pop(Pair(hole.channel, hole.symbol), 0)
        return hole.last_good_ns < rejoined_ns <= hole.first_seen_ns

    def _count(self, hole: Hole) -> None:
        self.holes_in[hole.phase] += 1
        self.hole_alarms += hole.severity is Severity.ALARM
        self.on_hole(hole)
        self.hole_shares += hole.shares

    def _control(
        self, segment: OpenSegment, received: Received, kind: ControlKind, payload: Mapping[str, Any]
    ) -> None:
        self.controls[kind] += 1
        line = self._lines.any(received, 0, CONTROL_CHANNEL, kind.value, compact_json(payload))
        segment.append(line, received, CONTROL_CHANNEL, kind.value)
