"""Machines that lose power, and disks that fill up or slow down, in the middle of recording.

The window that the journal states is measured here: of everything that was received before the power went,
only lines that were younger than the window may be gone. SIGKILL keeps the page cache; this does not.
"""

import asyncio
import contextlib
import os
import time
from random import Random

import pytest
from faulty_disk import FaultyDisk, PowerLost, emptied

from observer_collector.lock import WriterLock
from observer_core.clock import RealClock
from observer_core.errors import DiskFullError
from observer_core.journal import (
    JournalState,
    JournalWriter,
    LineBuilder,
    Received,
    WriterSettings,
    read_lines,
    sealed_segments,
)
from observer_core.journal.recovery import JournalRecovery
from observer_core.journal.storage import SegmentStorage
from observer_core.settings import PodSettings
from observer_core.settings.paths import Track

WINDOW_MS = 100
DAY_NS = 1_789_430_400 * 10**9
LINES = LineBuilder("kis", "0")


class Tape:
    """Writes numbered lines, and remembers when each was handed over and which were durable."""

    def __init__(self, root, disk, *, clock=None, window_ms=WINDOW_MS, **limits):
        options = {"segment_bytes": 40_000, "backlog_bytes": 200_000, "reserve_bytes": 0, **limits}
        self.root = root
        self.settings = WriterSettings(root, Track.SCALP, "kis", "0", window_ms / 1000, **options)
        self.storage = SegmentStorage(disk)
        self.clock = clock or RealClock()
        self.writer = JournalWriter(self.settings, self.clock, storage=self.storage)
        self.lines = []
        self.handed_over_ns = []
        self.running = None

    def start(self):
        self.running = asyncio.ensure_future(self.writer.run())
        return self

    def append(self, count=1):
        for _ in range(count):
            number = len(self.lines)
            received = Received(1, number, DAY_NS, self.clock.monotonic_ns())
            line = LINES.plain(received, 0, "H0STCNT0", "005930", f"005930^{number}" + "^0" * 60)
            self.writer.segment_for(DAY_NS).append(line, received, "H0STCNT0", "005930")
            self.lines.append(line)
            self.handed_over_ns.append(received.mono_ns)

    @property
    def durable(self):
        """How many lines the writer has reported as durable."""
        durable_bytes = self.writer.bytes - self.writer.backlog_bytes
        return durable_bytes // len(self.lines[-1]) if self.lines else 0

    async def end(self):
        with contextlib.suppress(PowerLost):
            await self.running

    def recovered(self):
        JournalRecovery(self.settings).recover()
        folders = sorted(path for path in self.root.iterdir() if path.is_dir())
        sealed = [segment for folder in folders for segment in sealed_segments(folder)]
        for segment in sealed:
            assert len(list(read_lines(segment.path))) == segment.manifest.lines
        content = b"".join(segment.path.read_bytes() for segment in sealed)
        return content.splitlines(keepends=True)


def numbers(lines):
    return [int(line.split(b'"frame":')[1].split(b",")[0]) for line in lines]


@pytest.mark.parametrize("seed", range(12))
async def test_journal_power_loss_keeps_what_was_durable(tmp_path, seed, record_property):
    """At a random instant under load the power goes: every durable line is there, none twice, in order."""
    random = Random(seed)
    disk = FaultyDisk(emptied(tmp_path / "scalp"), sync_seconds=random.choice([0.0, 0.002, 0.03]))
    tape = Tape(disk.root, disk).start()
    for _ in range(random.randrange(20, 120)):
        tape.append(random.randrange(1, 12))
        await asyncio.sleep(0.003)
    durable, ended_ns = tape.durable, tape.clock.monotonic_ns()
    disk.crash(random)
    tape.writer.close()
    await tape.end()
    found = numbers(tape.recovered())
    assert found == sorted(set(found))
    assert found[:durable] == list(range(durable))
    lost = sorted(set(range(len(tape.lines))) - set(found))
    oldest_ms = max(((ended_ns - tape.handed_over_ns[number]) / 1e6 for number in lost), default=0.0)
    record_property("oldest_lost_ms", oldest_ms)
    print(f"lost {len(lost)} of {len(tape.lines)} lines, the oldest {oldest_ms:.0f} ms old")  # noqa: T201 - measured


@pytest.mark.parametrize("seed", range(6))
async def test_journal_power_loss_while_recovering(tmp_path, seed):
    """The power goes again during recovery: a third start finds what the first one would have found."""
    random = Random(seed)
    disk = FaultyDisk(emptied(tmp_path / "scalp"))
    tape = Tape(disk.root, disk).start()
    for _ in range(30):
        tape.append(8)
        await asyncio.sleep(0.004)
    durable = tape.durable
    disk.crash(random)
    tape.writer.close()
    await tape.end()
    for _ in range(3):
        again = FaultyDisk(disk.root)
        left = random.randrange(1, 12)
        real = again._require_power

        def spend(again=again, real=real):
            nonlocal left
            real()
            left -= 1
            if left == 0:
                raise PowerLost

        again._require_power = spend
        with contextlib.suppress(PowerLost):
            JournalRecovery(tape.settings, storage=SegmentStorage(again)).recover()
        again._require_power = real
        again.crash(random)
    found = numbers(tape.recovered())
    assert found == sorted(set(found))
    assert found[:durable] == list(range(durable))


@pytest.fixture
def quick_retries(monkeypatch):
    monkeypatch.setattr("observer_core.journal.writer._RETRY_SECONDS", 0.01)


async def test_journal_full_disk_gives_up_its_reserve(tmp_path, quick_retries):
    """What was handed over becomes durable in the reserve's place; intake waits until there is room again."""
    disk = FaultyDisk(emptied(tmp_path / "scalp"), capacity=400_000)
    tape = Tape(disk.root, disk, reserve_bytes=100_000, backlog_bytes=60_000).start()
    while not tape.writer.blocked:
        tape.append(20)
        tape.writer.tick(DAY_NS)
        await asyncio.sleep(0.005)
    handed_over = len(tape.lines)
    while tape.writer.backlog_bytes:
        await asyncio.sleep(0.005)
    tape.writer.tick(DAY_NS)
    assert disk.refused
    assert tape.writer.blocked
    assert tape.writer.state is JournalState.DISK_FULL
    assert isinstance(tape.writer.error, DiskFullError)
    assert not (disk.root / "reserve-0").exists()
    assert disk.capacity - 400_000 == 0
    disk.capacity = 800_000
    while tape.writer.state is not JournalState.WRITABLE:
        await asyncio.sleep(0.005)
        tape.writer.tick(DAY_NS)
    assert (disk.root / "reserve-0").stat().st_size == 100_000
    tape.append(10)
    tape.writer.close()
    await tape.end()
    assert numbers(tape.recovered()) == list(range(handed_over + 10))


async def test_journal_a_start_on_a_full_disk_waits(tmp_path, quick_retries):
    """No room for the reserve: full from the first moment, and writable by itself once there is."""
    disk = FaultyDisk(emptied(tmp_path / "scalp"), capacity=1000)
    tape = Tape(disk.root, disk, reserve_bytes=100_000).start()
    while tape.writer.state is not JournalState.DISK_FULL:
        await asyncio.sleep(0.002)
    disk.capacity = 1_000_000
    while tape.writer.state is not JournalState.WRITABLE:
        await asyncio.sleep(0.002)
        tape.writer.tick(DAY_NS)
    tape.append(5)
    tape.writer.close()
    await tape.end()
    assert numbers(tape.recovered()) == list(range(5))


async def test_journal_slow_fsync_is_backpressure(tmp_path):
    """A disk that takes long blocks intake at the bound of memory, never later, and loses nothing."""
    disk = FaultyDisk(emptied(tmp_path / "scalp"), sync_seconds=0.15)
    tape = Tape(disk.root, disk, backlog_bytes=30_000).start()
    largest, blocked = 0, 0
    for _ in range(60):
        if tape.writer.blocked:
            blocked += 1
        else:
            tape.append(12)
        largest = max(largest, tape.writer.backlog_bytes)
        tape.writer.tick(DAY_NS)
        await asyncio.sleep(0.005)
    assert blocked
    assert largest <= 30_000 + 12 * len(tape.lines[0])
    assert tape.writer.unsynced_seconds() > 0
    tape.writer.close()
    await tape.end()
    assert not tape.writer.backlog_bytes
    assert sum(tape.writer.durability.cumulative[-1:]) > 0
    assert numbers(tape.recovered()) == list(range(len(tape.lines)))


async def test_journal_torn_tail_is_kept_aside(tmp_path):
    """Half a line at the end: cut, kept byte for byte, counted."""
    disk = FaultyDisk(emptied(tmp_path / "scalp"))
    tape = Tape(disk.root, disk).start()
    tape.append(20)
    while tape.writer.backlog_bytes:
        await asyncio.sleep(0.002)
    (path,) = disk.root.glob("*/*.open")
    content = path.read_bytes()
    path.write_bytes(content[:-57])
    recovery = JournalRecovery(tape.settings).recover()
    (segment,) = recovery.segments
    torn = len(tape.lines[-1]) - 57
    assert (segment.lines, segment.torn_bytes) == (19, torn)
    assert segment.path.with_suffix(".jsonl.torn").read_bytes() == content[-57 - torn : -57]
    tape.running.cancel()


async def test_journal_broken_crc_in_the_middle(tmp_path):
    """One flipped bit costs one line: those before and behind it are sealed, the broken one is kept aside."""
    disk = FaultyDisk(emptied(tmp_path / "scalp"))
    tape = Tape(disk.root, disk).start()
    tape.append(20)
    while tape.writer.backlog_bytes:
        await asyncio.sleep(0.002)
    (path,) = disk.root.glob("*/*.open")
    content = bytearray(path.read_bytes())
    content[7 * len(tape.lines[0]) + 150] ^= 0x10
    path.write_bytes(content)
    tape.running.cancel()
    found = numbers(tape.recovered())
    assert len(found) == 19
    assert len(set(range(20)) - set(found)) == 1


@pytest.mark.soak
@pytest.mark.skipif(not os.environ.get("OBSERVER_SOAK"), reason="a minute: OBSERVER_SOAK=1 runs it")
async def test_journal_the_window_under_load(tmp_path, record_property):
    """Thirty crashes at 2,000 lines a second with the default window: the oldest lost line of all."""
    worst = 0.0
    for seed in range(30):
        random = Random(1000 + seed)
        disk = FaultyDisk(emptied(tmp_path / "scalp"), sync_seconds=0.005)
        tape = Tape(disk.root, disk, window_ms=500, segment_bytes=1 << 20, backlog_bytes=1 << 24).start()
        until = time.monotonic() + random.uniform(0.5, 1.5)
        while time.monotonic() < until:
            tape.append(10)
            await asyncio.sleep(0.005)
        durable, ended_ns = tape.durable, tape.clock.monotonic_ns()
        disk.crash(random)
        tape.writer.close()
        await tape.end()
        found = set(numbers(tape.recovered()))
        assert set(range(durable)) <= found
        lost = [n for n in range(len(tape.lines)) if n not in found]
        worst = max([worst, *((ended_ns - tape.handed_over_ns[n]) / 1e6 for n in lost)])
    record_property("oldest_lost_ms", worst)
    print(f"oldest line lost in 30 crashes: {worst:.0f} ms; stated window 500 ms")  # noqa: T201 - measured


@pytest.mark.parametrize("left", range(1, 26))
async def test_journal_power_loss_at_every_call_while_sealing(tmp_path, left):
    """The power goes at each system call of writing and sealing: what was durable is there, once."""
    disk = FaultyDisk(emptied(tmp_path / "scalp"))
    tape, real = Tape(disk.root, disk), disk._require_power

    def spend():
        nonlocal left
        real()
        left -= 1
        if left == 0:
            disk.crashed = True
            raise PowerLost

    disk._require_power = spend
    tape.start()
    durable = 0
    for _ in range(3):
        tape.append(6)
        while tape.writer.backlog_bytes and not tape.running.done():
            await asyncio.sleep(0.001)
        durable = durable if tape.running.done() else len(tape.lines)
        tape.writer.tick(DAY_NS + 3600 * 10**9)
    tape.writer.close()
    await tape.end()
    disk._require_power = real
    disk.crash(Random(left))
    found = numbers(tape.recovered())
    assert found == list(range(len(found)))
    assert len(found) >= durable


async def test_journal_two_writers_on_one_volume(tmp_path):
    """Only the holder of the kernel's lock writes; the other one waits and leaves the open segment alone."""
    disk = FaultyDisk(emptied(tmp_path / "scalp"))
    lock_file = tmp_path / "locks/shard-0.lock"
    first, second = (WriterLock((lock_file,), PodSettings(), RealClock()) for _ in range(2))
    assert first.try_acquire()
    tape = Tape(disk.root, disk).start()
    tape.append(10)
    while tape.writer.backlog_bytes:
        await asyncio.sleep(0.002)
    (opened,) = disk.root.glob("*/*.open")
    content = opened.read_bytes()
    assert not second.try_acquire()
    assert opened.read_bytes() == content
    tape.writer.close()
    await tape.end()
    first.release()
    assert second.try_acquire()
    assert numbers(tape.recovered()) == list(range(10))
    second.release()


async def test_journal_a_stop_drains_and_seals(tmp_path):
    """Close: everything handed over is written, sealed and durable, on a slow disk too."""
    disk = FaultyDisk(emptied(tmp_path / "scalp"), sync_seconds=0.05)
    tape = Tape(disk.root, disk).start()
    for _ in range(10):
        tape.append(30)
        await asyncio.sleep(0.002)
    tape.writer.close()
    await tape.end()
    assert not list(disk.root.glob("*/*.open"))
    disk.crash(Random(1))
    assert numbers(tape.recovered()) == list(range(300))
