"""What a segment without a manifest holds.

Invariant: the file is read once, from its beginning to its end; whole lines are counted and accounted as when
they were written, and every byte that belongs to none is named.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container
from pathlib import Path

from observer_core.accounting import Hole, VolumeContinuity, hole_of
from observer_core.errors import StorageError
from observer_core.journal.envelope import CONTROL_CHANNEL, ControlKind, JournalLine, Received, parse_line
from observer_core.journal.open_segment import SegmentTally
from observer_core.logs import logger

_log = logger(__name__)


class SegmentScan:
    """What a segment's file holds: whole lines, and spans of bytes that are none.

    Args:
        continuity: The accounting as it stood before the segment.
        trade_channels: Channels of trades.
    """

    def __init__(self, continuity: VolumeContinuity, trade_channels: Container[str]) -> None:
        self._continuity = continuity
        self._trade_channels = trade_channels
        self._holes: list[Hole] = []
        self._reported: set[tuple[str, str, int]] = set()
        self.tally = SegmentTally()
        self.digest = hashlib.sha256()
        self.size = 0
        self.torn: list[tuple[int, int]] = []

    def read(self, path: Path) -> None:
        """Reads the file once, from its beginning to its end."""
        with path.open("rb") as file:
            for line in file:
                self._take(line)
                self.size += len(line)

    def whole_spans(self) -> list[tuple[int, int]]:
        """Returns the spans between the torn ones."""
        edges = [0, *(edge for span in self.torn for edge in span), self.size]
        return list(zip(edges[::2], edges[1::2], strict=True))

    def unreported(self) -> list[Hole]:
        """Returns the holes without a control record."""
        return [hole for hole in self._holes if _identity(hole) not in self._reported]

    def _take(self, line: bytes) -> None:
        try:
            parsed = parse_line(line)
        except StorageError:
            self.torn.append((self.size, self.size + len(line)))
            return
        received = Received(parsed.epoch, parsed.frame, parsed.wall_ns, parsed.mono_ns)
        self.tally.add(len(line), received, parsed.channel, parsed.key)
        self.digest.update(line)
        self._account(parsed)

    def _account(self, line: JournalLine) -> None:
        if line.channel == CONTROL_CHANNEL:
            try:
                self._control(line.key, line.payload)
            except (KeyError, TypeError, ValueError, RecursionError):
                # Its checksum fits, so it is no torn line: another version wrote other fields.
                _log.warning("A control line of another form counts for nothing.", kind=line.key)
        elif line.channel in self._trade_channels and line.record >= 0:
            hole = hole_of(self._continuity.observe(line.channel, line.received_text, line.wall_ns))
            if hole is not None:
                self._holes.append(hole)

    def _control(self, kind: str, payload: str) -> None:
        if kind in (ControlKind.HOLE, ControlKind.UNWATCHED):
            told = json.loads(payload)
            identity = told["channel"], told["symbol"], told["first_seen_ns"]
            self._reported.add(identity)
            # The trade that revealed it may be what was torn off.
            if kind == ControlKind.UNWATCHED and any(_identity(hole) == identity for hole in self._holes):
                self._continuity.excuse(told["channel"], told["symbol"], told["shares"])
        elif kind == ControlKind.SLOT:
            told = json.loads(payload)
            if told["action"] in ("enter", "leave"):
                self._continuity.watch(told["symbol"], watched=told["action"] == "enter")


def _identity(hole: Hole) -> tuple[str, str, int]:
    return hole.channel, hole.symbol, hole.first_seen_ns
