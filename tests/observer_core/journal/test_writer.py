"""Segments as the writer leaves them, on a good disk and on a bad one."""

import asyncio
import errno
import json
from datetime import date
from pathlib import Path

import pytest

from observer_core.errors import DiskFullError, StorageError
from observer_core.journal import JournalState, sealed_segments
from observer_core.journal.reader import read_lines
from observer_core.journal.storage import SegmentStorage

DAY = "20260915"


async def test_a_stop_seals_what_was_written(journal, independently):
    """Lines, manifest and an independent recount agree; nothing is left open."""
    async with journal() as recorded:
        for second in range(50):
            recorded.append(f"2026-09-15T09:00:{second:02d}")
        recorded.append("2026-09-15T09:01:00", '{"pairs":1}', "_control", "connect")
    folder = recorded.root / DAY
    assert sorted(path.name for path in folder.iterdir()) == [
        "0_09_000001.jsonl",
        "0_09_000001.manifest.json",
    ]
    assert (folder / "0_09_000001.jsonl").read_bytes() == b"".join(recorded.lines)
    manifest = json.loads((folder / "0_09_000001.manifest.json").read_bytes())
    assert manifest == {
        **independently(folder / "0_09_000001.jsonl"),
        "format": 1,
        "provider": "kis",
        "shard": "0",
        "track": "scalp",
        "day": "2026-09-15",
        "hour": 9,
        "sequence": 1,
        "sealed_by": "stop",
        "continuity": {"after 51 lines": {}},
    }
    assert manifest["records"] == 50


async def test_a_segment_holds_one_receive_hour_in_korean_time(journal):
    """The hour and the day change with Korean time; sequences count on within the day."""
    async with journal() as recorded:
        for moment in ("T08:59:59", "T09:00:00", "T23:59:59"):
            recorded.append(f"2026-09-15{moment}")
        recorded.append("2026-09-16T00:00:00")
    names = [path.relative_to(recorded.root).as_posix() for path in sorted(recorded.root.glob("*/*.jsonl"))]
    assert names == [
        "20260915/0_08_000001.jsonl",
        "20260915/0_09_000002.jsonl",
        "20260915/0_23_000003.jsonl",
        "20260916/0_00_000001.jsonl",
    ]
    reasons = [s.manifest.sealed_by for s in sealed_segments(recorded.root / DAY)]
    assert reasons == ["hour", "hour", "hour"]
    assert [s.manifest.day for s in sealed_segments(recorded.root / "20260916")] == [date(2026, 9, 16)]


async def test_a_large_segment_is_sealed_by_its_size(journal):
    """No line is split, and every line is in exactly one segment."""
    async with journal(segment_bytes=2000) as recorded:
        for _ in range(40):
            recorded.append("2026-09-15T09:00:00")
    segments = sealed_segments(recorded.root / DAY)
    assert len(segments) > 3
    assert {s.manifest.sealed_by for s in segments[:-1]} == {"size"}
    assert b"".join(s.path.read_bytes() for s in segments) == b"".join(recorded.lines)


async def test_an_hour_without_further_lines_is_sealed_by_the_clock(journal, independently, instant):
    """A tick after the hour seals it; until it is on disk, the writer says which hour is missing."""
    async with journal() as recorded:
        recorded.append("2026-09-15T09:10:00")
        end = instant("2026-09-15T10:00:00")
        recorded.writer.tick(end - 1)
        assert recorded.writer.unsealed_hour_ends_ns is None
        recorded.writer.tick(end)
        assert recorded.writer.unsealed_hour_ends_ns == end
        while recorded.writer.unsealed_hour_ends_ns is not None:
            await asyncio.sleep(0.002)
        (segment,) = sealed_segments(recorded.root / DAY)
        assert segment.manifest.sealed_by == "hour"
        assert independently(segment.path)["lines"] == 1


async def test_lines_are_durable_within_the_interval(journal):
    """Without any stop, a line is on disk after a while, and the age of the oldest returns to zero."""
    async with journal() as recorded:
        recorded.append("2026-09-15T09:10:00")
        assert recorded.writer.unsynced_seconds() > 0
        while recorded.writer.unsynced_seconds():
            await asyncio.sleep(0.002)
        (path,) = (recorded.root / DAY).glob("*.open")
        assert path.read_bytes() == recorded.lines[0]
        assert sealed_segments(recorded.root / DAY) == []


async def test_a_restart_continues_the_sequence(journal):
    """A second writer of the hour never touches the first one's segment."""
    async with journal() as first:
        first.append("2026-09-15T09:10:00")
    async with journal() as second:
        second.append("2026-09-15T09:20:00")
    assert [s.manifest.sequence for s in sealed_segments(first.root / DAY)] == [1, 2]


class FailingStorage(SegmentStorage):
    """A disk that refuses one kind of step until it is told to accept."""

    def __init__(self, step, code):
        super().__init__()
        self.step, self.code, self.failing, self.refused = step, code, True, 0

    def _refuse(self, step):
        if self.failing and step == self.step:
            self.refused += 1
            raise OSError(self.code, "refused")

    def create(self, path):
        self._refuse("create")
        return super().create(path)

    def write(self, descriptor, block, offset):
        if self.failing and self.step == "write":
            super().write(descriptor, block[: len(block) // 2], offset)
        self._refuse("write")
        super().write(descriptor, block, offset)

    def sync(self, descriptor):
        self._refuse("sync")
        super().sync(descriptor)

    def publish(self, source, target):
        if self.failing and self.step == "publish":
            super().publish(source, target)
        self._refuse("publish")
        super().publish(source, target)

    def replace(self, path, content):
        self._refuse("replace")
        super().replace(path, content)


@pytest.mark.parametrize("step", ["create", "write", "sync"])
async def test_a_full_disk_is_a_state_that_ends_by_itself(journal, monkeypatch, step, independently, instant):
    """Intake is blocked visibly while no space is left; afterwards every line is there, once."""
    monkeypatch.setattr("observer_core.journal.writer._RETRY_SECONDS", 0.01)
    disk = FailingStorage(step, errno.ENOSPC)
    async with journal(storage=disk) as recorded:
        recorded.append("2026-09-15T09:10:00")
        while disk.refused < 3:
            await asyncio.sleep(0.002)
        recorded.writer.tick(0)
        assert recorded.writer.blocked
        assert recorded.writer.state is JournalState.DISK_FULL
        assert isinstance(recorded.writer.error, DiskFullError)
        recorded.append("2026-09-15T11:10:00")
        disk.failing = False
        while recorded.writer.state is not JournalState.WRITABLE:
            await asyncio.sleep(0.002)
            recorded.writer.tick(instant("2026-09-15T11:10:01"))
        assert not recorded.writer.blocked
    segments = sealed_segments(recorded.root / DAY)
    assert b"".join(s.path.read_bytes() for s in segments) == b"".join(recorded.lines)
    assert [independently(s.path)["sha256"] for s in segments] == [s.manifest.sha256 for s in segments]


@pytest.mark.parametrize("step", ["publish", "replace"])
async def test_a_seal_that_fails_is_repeated(journal, monkeypatch, step):
    """Sealing fails half-way, and is completed once the disk takes it."""
    monkeypatch.setattr("observer_core.journal.writer._RETRY_SECONDS", 0.01)
    disk = FailingStorage(step, errno.EIO)
    async with journal(storage=disk) as recorded:
        recorded.append("2026-09-15T09:10:00")
        recorded.append("2026-09-15T10:10:00")
        while disk.refused < 2:
            await asyncio.sleep(0.002)
        assert recorded.writer.state is JournalState.FAILING
        disk.failing = False
    assert [s.manifest.lines for s in sealed_segments(recorded.root / DAY)] == [1, 1]


async def test_a_slow_disk_blocks_intake(journal, instant):
    """A backlog that grows without an error blocks intake as well."""
    recorded = journal(backlog_bytes=100)
    recorded.append("2026-09-15T09:10:00")
    recorded.writer.tick(instant("2026-09-15T09:10:01"))
    assert recorded.writer.blocked
    assert recorded.writer.state is JournalState.SLOW


async def test_a_reader_names_the_damaged_line(journal):
    """A damaged line in a sealed segment is named with file and number."""
    async with journal() as recorded:
        for _ in range(3):
            recorded.append("2026-09-15T09:10:00")
    (segment,) = sealed_segments(recorded.root / DAY)
    assert [line.frame for line in read_lines(segment.path)] == [0, 1, 2]
    content = bytearray(segment.path.read_bytes())
    content[len(recorded.lines[0]) + 10] ^= 1
    segment.path.write_bytes(content)
    with pytest.raises(StorageError, match=r"0_09_000001\.jsonl, line 2"):
        list(read_lines(segment.path))


async def test_a_manifest_without_its_segment_is_an_error(journal):
    async with journal() as recorded:
        recorded.append("2026-09-15T09:10:00")
    (path,) = (recorded.root / DAY).glob("*.jsonl")
    path.unlink()
    with pytest.raises(StorageError, match="not there"):
        sealed_segments(recorded.root / DAY)


def test_a_day_without_a_folder_has_no_segments(tmp_path):
    assert sealed_segments(Path(tmp_path / "nothing")) == []
