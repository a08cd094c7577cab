"""Who was watched when, from the control records of a day.

Invariant: a registration counts from the broker's confirmation to our release or the end of its connection,
whatever was planned. One that lasts over midnight is known by how its day goes on: a symbol whose first
record of the day is no confirmation was registered before, as was one that stays in the selection as the day
begins. A process that ended without a word was there up to the last line of its segment. A symbol is ours to
watch from when it enters the selection; what a shard selects as it starts the day too late was ours from the
day's begin. One that enters and is never confirmed was not registered.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from observer_core.accounting.compared import Watch
from observer_core.brokers.kis.catalogue import CHANNELS, Kind
from observer_core.journal.content import open_content
from observer_core.journal.envelope import CONTROL_CHANNEL, ControlKind, JournalLine, parse_line
from observer_core.journal.segment import SealedSegment
from observer_core.logs import logger

_CONTROL = f'"channel":"{CONTROL_CHANNEL}"'.encode()
_ALREADY_REGISTERED = "OPSP0002"
_ENDS = (ControlKind.DISCONNECT, ControlKind.STOP)
_TRADE_CHANNELS = frozenset(name for name, channel in CHANNELS.items() if channel.kind is Kind.TRADE)

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A time for which a shard had a symbol in its selection.

    Attributes:
        from_ns: When it entered; 0 where on an earlier day.
        to_ns: When it left; None where it did not.
        started_ns: When its shard began its day, where it entered with the first selection after that.
        channels: Its channels of trades.
    """

    from_ns: int
    to_ns: int | None
    started_ns: int | None
    channels: frozenset[str]

    def touches(self, from_ns: int, to_ns: int) -> bool:
        """Returns whether the symbol was selected at any time of an interval."""
        return self.from_ns < to_ns and (self.to_ns is None or self.to_ns > from_ns)


@dataclass(slots=True)
class DayWatches:
    """The watches and control records of a day that reconciliation needs.

    Attributes:
        unwatched: Payloads of what was traded without a slot.
    """

    unwatched: list[Mapping[str, object]] = field(default_factory=list)
    _closed: dict[tuple[str, str], list[Watch]] = field(default_factory=dict)
    _open: dict[str, dict[tuple[str, str], int]] = field(default_factory=dict)
    _ended_ns: dict[str, int] = field(default_factory=dict)
    _selecting: dict[str, int] = field(default_factory=dict)
    _stretches: dict[str, dict[str, list[_Stretch]]] = field(default_factory=dict)

    def selected(self, channel: str, *, opens_ns: int, ends_ns: int) -> list[str]:
        """Returns the symbols that were selected for a channel of trades at any time of an interval."""
        return sorted(
            symbol
            for symbol in self._stretches
            if any(
                channel in one.channels and one.touches(opens_ns, ends_ns) for one in self._selections(symbol)
            )
        )

    def undertaken_ns(self, symbol: str, *, opens_ns: int, due_ns: int) -> int:
        """Returns since when it was for us to watch a symbol; 0 where since an earlier day.

        Args:
            symbol: The symbol.
            opens_ns: When trading begins: a shard that starts later should have been there.
            due_ns: When a day's selection is due at the latest.
        """
        entered = next((s for s in self._selections(symbol) if s.to_ns is None or s.to_ns > opens_ns), None)
        if entered is None:
            return 0
        first = entered.started_ns is not None
        late = first and (entered.started_ns or 0) > opens_ns
        return 0 if late or (first and entered.from_ns > due_ns) else entered.from_ns

    def of(self, channel: str, symbol: str) -> list[Watch]:
        """Returns the watches of a symbol on a channel, in order, over all shards."""
        pair = (channel, symbol)
        found = list(self._closed.get(pair, ()))
        found += [Watch(held[pair]) for held in self._open.values() if pair in held]
        selections = self._stretches.get(symbol, {})
        since_before = [shard for shard, stretches in selections.items() if not stretches[0].from_ns]
        if not found and (since_before or not selections):
            # Nothing was said about it all day: it was registered before, while its connection lasted.
            ended = [at_ns for shard, at_ns in self._ended_ns.items() if shard in (since_before or [shard])]
            found = [Watch(0, max(ended, default=None))]
        return sorted(found, key=lambda watch: (watch.from_ns, watch.to_ns or 0))

    def take(self, line: JournalLine, *, last_ns: int) -> None:
        """Takes a control record.

        Args:
            line: It.
            last_ns: When its shard had its last line before.
        """
        held = self._open.setdefault(line.shard, {})
        if line.key == ControlKind.UNWATCHED:
            self.unwatched.append(json.loads(line.payload))
        elif line.key == ControlKind.SLOT:
            self._select(line)
        elif line.key == ControlKind.SUBSCRIBE:
            self._selecting.pop(line.shard, None)
        elif line.key == ControlKind.START:
            self._end_all(line.shard, last_ns or line.wall_ns)
            if not last_ns:
                self._selecting[line.shard] = line.wall_ns
        elif line.key in _ENDS:
            self._end_all(line.shard, line.wall_ns)
        elif line.key == ControlKind.ACKNOWLEDGE:
            told = json.loads(line.payload)
            pair = (str(told["channel"]), str(told["symbol"]))
            if told["action"] == "release":
                self._end(line.shard, pair, line.wall_ns, released=True)
            else:
                self._close_since_before(line.shard, pair)
                held.setdefault(pair, line.wall_ns)
        elif line.key == ControlKind.REFUSE:
            told = json.loads(line.payload)
            if told.get("code") == _ALREADY_REGISTERED:
                pair = (str(told["channel"]), str(told["symbol"]))
                # What is registered already was so before this day's first word about it.
                held.setdefault(pair, line.wall_ns if self._known(pair) else 0)

    def _selections(self, symbol: str) -> list[_Stretch]:
        """Returns when a symbol was selected, over all shards, in order."""
        found = [one for stretches in self._stretches.get(symbol, {}).values() for one in stretches]
        return sorted(found, key=lambda one: (one.from_ns, one.to_ns or 0))

    def _close_since_before(self, shard: str, pair: tuple[str, str]) -> None:
        """Enters the watch since an earlier day of a symbol whose connection has ended meanwhile."""
        stretches = self._stretches.get(pair[1], {}).get(shard)
        if stretches and not stretches[0].from_ns and shard in self._ended_ns and not self._known(pair):
            self._closed.setdefault(pair, []).append(Watch(0, self._ended_ns[shard]))

    def _select(self, line: JournalLine) -> None:
        told = json.loads(line.payload)
        action, symbol = told["action"], str(told["symbol"])
        if action not in ("enter", "stay", "leave"):
            return
        stretches = self._stretches.setdefault(symbol, {}).setdefault(line.shard, [])
        channels = _TRADE_CHANNELS.intersection(told.get("channels", ()))
        if action != "leave":
            if not stretches or stretches[-1].to_ns is not None:
                from_ns = line.wall_ns if action == "enter" else 0
                stretches.append(_Stretch(from_ns, None, self._selecting.get(line.shard), channels))
            return
        # Who leaves first of all was selected on an earlier day.
        last = stretches.pop() if stretches else _Stretch(0, None, None, channels)
        stretches.append(last if last.to_ns is not None else replace(last, to_ns=line.wall_ns))

    def _known(self, pair: tuple[str, str]) -> bool:
        return pair in self._closed or any(pair in held for held in self._open.values())

    def _end_all(self, shard: str, at_ns: int) -> None:
        for pair in list(self._open.get(shard, {})):
            self._end(shard, pair, at_ns, released=False)
        self._ended_ns.setdefault(shard, at_ns)

    def _end(self, shard: str, pair: tuple[str, str], at_ns: int, *, released: bool) -> None:
        since = self._open.get(shard, {}).pop(pair, 0 if not self._known(pair) else None)
        if since is not None:
            self._closed.setdefault(pair, []).append(Watch(since, at_ns, released))


def watches_of(segments: Iterable[SealedSegment]) -> DayWatches:
    """Returns the watches of a day.

    Args:
        segments: The sealed segments of the scalp track's day, by shard and order of writing.

    Raises:
        StorageError: A control line is damaged.
    """
    found = DayWatches()
    last: dict[str, int] = {}
    for sealed in segments:
        manifest = sealed.manifest
        for line in _control_lines(sealed):
            try:
                found.take(line, last_ns=last.get(line.shard, 0))
            except (KeyError, TypeError, ValueError, RecursionError):
                # Its checksum fits, so it is no damage: another version wrote other fields.
                _log.warning(
                    "A control line of another form counts for nothing.",
                    kind=line.key,
                    segment=manifest.segment,
                )
        last[manifest.shard] = manifest.last_wall_ns
    return found


def _control_lines(sealed: SealedSegment) -> Iterator[JournalLine]:
    """Yields the control records of a segment; the other lines are not parsed."""
    wanted: Sequence[str] = list(sealed.manifest.counts.get(CONTROL_CHANNEL, ()))
    if not wanted:
        return
    with open_content(sealed.path) as file:
        for line in file:
            if _CONTROL in line:
                parsed = parse_line(line)
                if parsed.is_control:
                    yield parsed
