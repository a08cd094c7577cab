"""The short way for known streams leaves exactly what the long way leaves, whatever comes."""

import asyncio
import json
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observer_collector.recording.recorder import Recorder
from observer_collector.recording.streams import TRADE_CHANNELS
from observer_core.accounting import VolumeContinuity
from observer_core.brokers.kis.frames import KeepAlive
from observer_core.clock import RealClock
from observer_core.journal import (
    EpochStore,
    JournalWriter,
    WriterSettings,
    read_lines,
    sealed_segments,
)
from observer_core.journal.recovery import JournalRecovery
from observer_core.journal.storage import SegmentStorage
from observer_core.settings.paths import Track

SECOND, HOUR = 10**9, 3600 * 10**9
START = 1_789_434_001 * SECOND
KEEP_ALIVE = b'{"header":{"tr_id":"PINGPONG","datetime":"20230502221924"}}'
SMALL_SEGMENT = 6_000


class HandClock(RealClock):
    """Stands still until it is set."""

    wall_ns = START

    def now_ns(self):
        return self.wall_ns

    def monotonic_ns(self):
        return 7


class NoDisk(SegmentStorage):
    """Syncs nothing: these tests cut no power."""

    def sync(self, descriptor):
        pass


class Desk:
    """A recorder with its journal; `short` says whether messages are taken as lists or one by one."""

    def __init__(self, root, *, short):
        self.root, self.short, self.clock = root, short, HandClock()
        settings = WriterSettings(root, Track.SCALP, "kis", "0", 0.01, SMALL_SEGMENT)
        self.phase_at = lambda _: "continuous"
        self.continuity = VolumeContinuity(self.phase_at)
        self.writer = JournalWriter(settings, self.clock, continuity=self.continuity.state, storage=NoDisk())
        self.recorder = Recorder(
            self.writer, EpochStore(root / "epochs"), self.continuity, self.clock, shard="0"
        )
        self.told, self.long_way = [], 0
        self._message = self.recorder.message
        self.recorder.message = self._counted

    def _counted(self, *message):
        self.long_way += 1
        return self._message(*message)

    def takes(self, chunk):
        """Takes messages, each with the nanoseconds after the one before at which it comes."""
        if self.short:
            taken = self.recorder.take(self._arriving(chunk))
            self.told += [one[0] for one in taken if one is not None]
            return
        for data in self._arriving(chunk):
            message = self.recorder.message(data, self.clock.now_ns(), self.clock.monotonic_ns())
            self.told += [] if message is None else [message]

    def _arriving(self, chunk):
        for data, after_ns in chunk:
            self.clock.wall_ns += after_ns
            yield data

    async def left(self):
        """Everything that it leaves: files, counts, and accounts."""
        recorder = self.recorder
        counted = [
            recorder.epoch, recorder._frame, recorder.messages, recorder.records, recorder.last_wall_ns,
            recorder.last_data, recorder.whole_frames, recorder.holes_in, recorder.hole_shares,
            recorder.resets, recorder.controls, recorder.unknown.channels, recorder.unknown.widths,
            self.continuity.unreadable,
            {name: (flow.records, flow.last_ns) for name, flow in recorder.flows._flows.items()},
        ]  # fmt: skip
        self.writer.close()
        await self.writer.run()
        files = {path.name: path.read_bytes() for path in self.root.rglob("*.json*")}
        return counted, self.told, self.continuity.state(), files


class Market:
    """Trades of some symbols as messages, continuous unless told otherwise."""

    def __init__(self):
        self.figures = {}

    def trade(self, symbol, shares, *, price="71900", side="5", lost=0, off=(), width=47, head="001"):
        volume, value, sold, bought, sell, buy = self.figures.get(symbol, (100, 7_190_000, 3, 4, 40, 60))
        volume, value = volume + shares + lost, value + int(float(price) * shares)
        if side == "5":
            sold, sell = sold + 1, sell + shares
        elif side == "1":
            bought, buy = bought + 1, buy + shares
        self.figures[symbol] = (volume, value, sold, bought, sell, buy)
        values = ["0"] * max(width, 47)
        values[0], values[1], values[2] = symbol, "093000", price
        values[12:17] = map(str, (shares, volume, value, sold, bought))
        values[19:22] = str(sell), str(buy), side
        values[33] = "20260915"
        for position, text in off:
            if position < len(values):
                values[position] = text
        return f"0|H0STCNT0|{head}|{'^'.join(values[:width])}".encode("utf-8", "surrogateescape")


symbols = st.sampled_from(["005930", "000660", "Q50%d", "a|b", "0" * 16, "0" * 17])
ordinary = st.tuples(st.just("trade"), symbols, st.integers(1, 50), st.sampled_from(["1", "5", "3"]))
broken = st.tuples(
    st.just("broken"),
    symbols,
    st.integers(0, 50),
    st.sampled_from([0, 0, 0, 0, -2, 4]),
    st.sampled_from([20, 46, 47, 48, 92]),
    st.lists(
        st.tuples(
            st.sampled_from([0, 1, 1, 2, 12, 13, 14, 15, 16, 19, 20, 21, 33, 40, 46]),
            st.one_of(
                st.sampled_from(["0930\udcff0", "\udcff", "9" * 25, "-" + "9" * 4299]),
                st.sampled_from(["", "0", "1", "-5", "+7", "1_0", " 3", "x", "５", "71900.5", 'a"', "\\"]),
                st.sampled_from(["\x7f", "삼", "3"]),
            ),
        ),
        max_size=2,
    ),
)
other = st.sampled_from(
    [
        KEEP_ALIVE,
        b"0|H0STASP0|001|005930^" + b"^".join([b"1"] * 58),
        b"0|H0STASP0|001|005930^" + b"^".join([b"2"] * 61),
        b"0|H0STASP0|001|^" + b"^".join([b"3"] * 58),
        b"0|H0STASP0|002|005930^" + b"^".join([b"1"] * 117),
        b"0|H0STCNT0|001|005930",
        b"0|H0STCNT0|001|005930^\xff\xfe",
        b"0|H0STNEW0|001|005930^1^2",
        b"1|H0STCNI9|001|cipher",
        b"0|H0STCNT0|003|1^2",
        b"",
        b"what is this",
    ]
)
pauses = st.sampled_from([0, 0, 0, 0, 1, SECOND, HOUR, 5 * HOUR, -HOUR])
steps = st.tuples(st.one_of(ordinary, ordinary, ordinary, broken, other), pauses)
chunks = st.lists(st.lists(steps, max_size=20), min_size=1, max_size=4)


def messages_of(market, chunk):
    for step, after_ns in chunk:
        if isinstance(step, bytes):
            yield step, after_ns
        elif step[0] == "trade":
            _, symbol, shares, side = step
            yield market.trade(symbol, shares, side=side), after_ns
        else:
            _, symbol, shares, lost, width, off = step
            yield market.trade(symbol, shares, lost=lost, width=width, off=off), after_ns


async def both_ways(tape, closes):
    """Takes a tape by the short and by the long way; returns the two desks and what they left."""
    desks, left = [], []
    for short in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            desk = Desk(Path(folder) / "scalp", short=short)
            desk.root.mkdir()
            await desk.recorder.begin_epoch()
            for chunk, close in zip(tape, closes, strict=False):
                desk.takes(chunk)
                if close:
                    await desk.recorder.begin_epoch()
            desks.append(desk)
            left.append(await desk.left())
    return desks, left


async def live_and_recovered(tape, folder):
    """Takes a tape and loses its manifests; returns the state that it left, and what recovery makes of it."""
    desk = Desk(folder / "scalp", short=True)
    desk.root.mkdir()
    await desk.recorder.begin_epoch()
    for chunk in tape:
        desk.takes(chunk)
    _, _, state, _ = await desk.left()
    for manifest in desk.root.rglob("*.manifest.json"):
        manifest.unlink()
    settings = desk.writer._settings
    return state, JournalRecovery(settings, trade_channels=TRADE_CHANNELS, phase_at=desk.phase_at).recover()


def within_the_day(tape):
    """Leaves out the pauses that would lead to another day: recovery goes through days in their order."""
    passed = 0
    for chunk in tape:
        kept = []
        for message, pause in chunk:
            taken = pause if -8 * HOUR < passed + pause < 12 * HOUR else 0
            passed += taken
            kept.append((message, taken))
        yield kept


@given(chunks)
@settings(max_examples=40, deadline=None)
def test_recovery_finds_the_accounts_that_were_live(tape):
    """Whatever bytes came: no hole that nobody saw, and none that was told is told again."""
    market = Market()
    tape = [list(messages_of(market, chunk)) for chunk in within_the_day(tape)]
    with tempfile.TemporaryDirectory() as folder:
        state, recovery = asyncio.run(live_and_recovered(tape, Path(folder)))
    assert recovery.continuity == state
    assert recovery.unreported == ()


async def test_a_trade_of_bytes_that_are_no_text_is_accounted_after_a_kill_as_before(tmp_path):
    """It is journaled as base64; its figures are plain, so it is no hole."""
    market = Market()
    odd = {"off": [(40, "\udcff")]}
    tape = [[(market.trade("005930", 5, **step), 0) for step in ({}, odd, odd, {})]]
    state, recovery = await live_and_recovered(tape, tmp_path)
    assert state["H0STCNT0"]["005930"]["captured"] == 20
    assert recovery.continuity == state
    assert recovery.unreported == ()


@pytest.mark.parametrize("position", [0, 1])
@pytest.mark.parametrize("opens", [True, False], ids=["opens", "breaks"])
async def test_a_byte_that_is_no_text_in_symbol_or_time_is_journaled_counted_and_sealed(
    tmp_path, opens, position
):
    """The line is what came, byte for byte; neither the account nor the manifest has to hold it."""
    market, desk = Market(), Desk(tmp_path / "scalp", short=True)
    desk.root.mkdir()
    await desk.recorder.begin_epoch()
    if not opens:
        desk.takes([(market.trade("005930", 5), 0)])
    odd = market.trade("005930", 5, lost=7, off=[(position, "0930\udcff")])
    desk.takes([(odd, 0)])
    _, _, state, _ = await desk.left()
    (folder,) = [path for path in desk.root.iterdir() if path.is_dir()]
    (sealed,) = sealed_segments(folder)
    assert [line.payload_bytes for line in read_lines(sealed.path)][-1] == odd.split(b"|", 3)[3]
    assert list(state.get("H0STCNT0", {})) == ([] if opens else ["005930"])
    assert (desk.continuity.unreadable, desk.recorder.holes) == (1, 0)


@given(chunks, st.lists(st.booleans(), min_size=4, max_size=4))
@settings(max_examples=40, deadline=None)
def test_both_ways_leave_the_same(tape, closes):
    """Lines byte for byte, manifests, counts, accounts and what is for the session, over hours and epochs."""
    market = Market()
    tape = [list(messages_of(market, chunk)) for chunk in tape]
    _, (short, long) = asyncio.run(both_ways(tape, closes))
    assert short == long


async def test_all_but_the_first_of_a_stream_go_the_short_way():
    """In each connection and each segment anew; a hole goes the long way and ends no stream."""
    market, book = Market(), b"0|H0STASP0|001|005930^" + b"^".join([b"1"] * 58)
    some = [(market.trade(symbol, 5), 0) for _ in range(4) for symbol in ("005930", "000660")]
    with_hole = [(market.trade("005930", 5, lost=lost), 0) for lost in (0, 3, 0)]
    tape = [[*some[:4], (book, 0), (book, 0)], [*some[4:], (KEEP_ALIVE, 0), (book, 0)], with_hole]
    (short, long), left = await both_ways(tape, [False, True, False])
    assert left[0] == left[1]
    assert long.long_way == 6 + 6 + 3
    # Two symbols and the book; the message for the session; the first of the new connection and the hole.
    assert short.long_way == 3 + 1 + 2
    assert short.recorder.holes == 1
    assert len(short.told) == 1
    assert isinstance(short.told[0], KeepAlive)


@pytest.mark.parametrize(
    "odd",
    [
        {"width": 48},
        {"width": 45},
        {"off": [(40, 'a"')]},
        {"off": [(40, "삼성")]},
        {"off": [(46, "\x7f")]},
        {"head": "01"},
        {"lost": 1},
    ],
)
async def test_a_record_that_needs_more_goes_the_long_way(odd):
    """In the middle of a stream, most of them with shares that fit; the next goes the short way again."""
    market = Market()
    tape = [[(market.trade("005930", 5, **step), 0) for step in ({}, {}, odd, {})]]
    (short, _), left = await both_ways(tape, [False])
    assert left[0] == left[1]
    assert short.long_way == 2


async def test_a_segment_that_is_full_takes_no_further_line(tmp_path):
    """Within one chunk: no segment is larger than its size and one line, and none is lost between two."""
    market, desk = Market(), Desk(tmp_path / "scalp", short=True)
    desk.root.mkdir()
    await desk.recorder.begin_epoch()
    desk.takes([(market.trade("005930", 5), 0) for _ in range(100)])
    await desk.left()
    (folder,) = [path for path in desk.root.iterdir() if path.is_dir()]
    found = sealed_segments(folder)
    longest = max(len(line) for one in found for line in one.path.read_bytes().splitlines(keepends=True))
    assert len(found) > 2
    assert all(SMALL_SEGMENT <= one.manifest.bytes < SMALL_SEGMENT + longest for one in found[:-1])
    assert [line.frame for one in found for line in read_lines(one.path)] == list(range(1, 101))
    assert desk.long_way == len(found)


async def test_a_fault_on_the_way_loses_nothing_that_came_before(tmp_path):
    """What was taken is in the journal, and no number of a message is given twice."""
    market, desk = Market(), Desk(tmp_path / "scalp", short=True)
    desk.root.mkdir()
    await desk.recorder.begin_epoch()

    def arriving():
        for _ in range(3):
            yield market.trade("005930", 5)
        raise MemoryError

    with pytest.raises(MemoryError):
        list(desk.recorder.take(arriving()))
    desk.takes([(market.trade("005930", 5), 0)])
    counted, _, state, files = await desk.left()
    lines = [
        json.loads(line)
        for name, text in files.items()
        if "manifest" not in name
        for line in text.splitlines()
    ]
    assert [line["frame"] for line in lines if "frame" in line] == [1, 2, 3, 4]
    assert state["H0STCNT0"]["005930"]["captured"] == 20
    assert counted[2:4] == [4, 4]


async def test_what_is_for_the_session_is_given_in_its_place(tmp_path):
    """Everything before it is handed to the journal by then, and nothing behind it."""
    market, desk = Market(), Desk(tmp_path / "scalp", short=True)
    desk.root.mkdir()
    await desk.recorder.begin_epoch()
    trades = [market.trade("005930", 5) for _ in range(6)]
    taking = desk.recorder.take([*trades[:4], KEEP_ALIVE, *trades[4:]])
    message, moment = next(taking)
    assert isinstance(message, KeepAlive)
    assert (moment.clock_ns, moment.real_ns) == (START, 7)
    assert (desk.writer.lines, desk.recorder.records, desk.recorder.messages) == (4, 4, 5)
    assert list(taking) == []
    assert (desk.writer.lines, desk.recorder.messages) == (6, 7)
    await desk.left()


async def test_others_have_their_turn_where_few_messages_hold_many_records(tmp_path):
    """After each 1,024 records at the latest the next message waits; a chunk of single ones is not cut."""
    market, desk = Market(), Desk(tmp_path / "scalp", short=True)
    desk.root.mkdir()
    await desk.recorder.begin_epoch()
    assert list(desk.recorder.take([market.trade("005930", 5) for _ in range(1024)])) == []
    records = [desk.recorder.records]
    frames = [b"0|H0STASP0|999|" + b"^".join([b"1"] * 999)] * 9
    for turn in desk.recorder.take(frames):
        assert turn is None
        records.append(desk.recorder.records)
    records.append(desk.recorder.records)
    assert records[-1] == 1024 + 9 * 999
    assert max(after - before for before, after in pairwise(records)) <= 1023 + 999
    await desk.left()


async def test_a_count_that_no_frame_can_have_makes_one_line(tmp_path):
    """Two megabytes that claim 999,999 records: kept as they came."""
    desk = Desk(tmp_path / "scalp", short=True)
    desk.root.mkdir()
    await desk.recorder.begin_epoch()
    message = b"0|H0STASP0|999999|" + b"^".join([b"1"] * 999_999)
    desk.takes([(message, 0)])
    counted, _, _, files = await desk.left()
    assert counted[3] == 1
    (line,) = [json.loads(line) for name, text in files.items() if "manifest" not in name
               for line in text.splitlines()]  # fmt: skip
    assert (line["channel"], line["record"], line["payload"]) == ("_unreadable", -1, message.decode())
