"""A journal in a temporary folder, written the way the collector writes it."""

import asyncio
import hashlib
import json
import zlib
from collections import Counter
from datetime import datetime

import pytest

from observer_core.clock import KST, RealClock
from observer_core.journal import JournalWriter, LineBuilder, Received, WriterSettings
from observer_core.settings.paths import Track


class Journal:
    """Writes numbered lines and remembers them."""

    def __init__(self, root, storage=None, **limits):
        self.root = root
        self.settings = WriterSettings(
            root=root,
            track=Track.SCALP,
            provider="kis",
            shard="0",
            sync_seconds=limits.get("sync_seconds", 0.005),
            segment_bytes=limits.get("segment_bytes", 1 << 20),
            backlog_bytes=limits.get("backlog_bytes", 1 << 24),
            reserve_bytes=limits.get("reserve_bytes", 0),
        )
        self.writer = JournalWriter(
            self.settings,
            RealClock(),
            continuity=lambda: {f"after {len(self.lines)} lines": {}},
            storage=storage,
        )
        self.lines = []
        self._builder = LineBuilder("kis", "0")
        self._task = None

    def append(self, moment, payload=None, channel="H0STCNT0", key="005930"):
        received = Received(1, len(self.lines), ns(moment), len(self.lines))
        line = self._builder.any(received, 0, channel, key, payload or f"{key}^{len(self.lines)}")
        self.writer.segment_for(received.wall_ns).append(line, received, channel, key)
        self.lines.append(line)
        return line

    async def __aenter__(self):
        self._task = asyncio.ensure_future(self.writer.run())
        return self

    async def __aexit__(self, *_):
        self.writer.close()
        await self._task

    async def durable(self):
        while self.writer.backlog_bytes:
            await asyncio.sleep(0.002)

    async def kill(self):
        """Ends writing as SIGKILL does: what was handed over and not written is gone."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.writer.abandon()


def ns(moment):
    return int(datetime.fromisoformat(moment).replace(tzinfo=KST).timestamp()) * 1_000_000_000


def recount(path):
    """Counts a sealed segment without any code of the journal."""
    content = path.read_bytes()
    assert content.endswith(b"\n")
    lines = content.split(b"\n")[:-1]
    counts = Counter()
    for line in lines:
        body, crc = line[:-18], line[-18:]
        assert crc == b',"crc":"%08x"}' % zlib.crc32(body)
        fields = json.loads(line)
        counts[fields["channel"], fields["key"]] += 1
    nested = {}
    for (channel, key), number in counts.items():
        nested.setdefault(channel, {})[key] = number
    first, last = json.loads(lines[0]), json.loads(lines[-1])
    return {
        "lines": len(lines),
        "records": sum(number for (channel, _), number in counts.items() if channel != "_control"),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "counts": nested,
        "first_wall_ns": first["wall_ns"],
        "last_wall_ns": last["wall_ns"],
        "first_epoch": first["epoch"],
        "last_epoch": last["epoch"],
        "segment": path.name,
    }


@pytest.fixture
def journal(tmp_path):
    """Makes journals below the test's own folder."""
    return lambda **options: Journal(tmp_path / "scalp", **options)


@pytest.fixture
def instant():
    """Turns Korean time into nanoseconds."""
    return ns


@pytest.fixture
def independently():
    return recount
