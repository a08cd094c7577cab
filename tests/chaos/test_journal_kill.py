"""SIGKILL at random moments under load: every byte that was on disk stays, and nothing comes twice."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
from receipts import read_receipts

from observer_collector.market_hours import MarketHours
from observer_collector.recording.journals import open_journals
from observer_core.clock import RealClock
from observer_core.journal import read_lines, sealed_segments
from observer_core.market.calendar import MarketCalendar
from observer_core.settings import CollectorSettings, Paths, PathSettings

CHILD = Path(__file__).parents[1] / "support/journal_under_load.py"


def files(root):
    """Returns the bytes of every segment on disk by stem, whatever its suffix."""
    found = {}
    for path in root.glob("*/*.jsonl*"):
        if not path.name.endswith(".torn"):
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                # It has been sealed in this very moment.
                content = path.with_suffix("").read_bytes()
            found[path.parent.name, path.name.partition(".")[0]] = content
    return found


def size(root):
    """Returns the bytes on disk; one that is being renamed may be missed."""
    found = 0
    for path in root.glob("*/*.jsonl*"):
        with contextlib.suppress(FileNotFoundError):
            found += path.stat().st_size
    return found


@dataclass(frozen=True)
class Load:
    """How the killed processes record.

    Attributes:
        window_ms: Their durability window.
        segment_bytes: One of these is the size of a process's segments: small ones are sealed all the time.
        longest_seconds: How long a process records at most before it is killed.
    """

    window_ms: int
    segment_bytes: tuple[int, ...]
    longest_seconds: float


class Killing:
    """Recorders that are killed in the middle of their work, one after the other on the same data."""

    def __init__(self, folder, load, random):
        self.data = folder / "data"
        self.data.mkdir()
        self.root = self.data / "assets/scalp"
        self.ended_ns = []
        self._receipts = folder / "receipts"
        self._load, self._random = load, random

    def kill_one(self):
        """Runs a recorder, kills it at a random moment, and returns what was on disk just before."""
        before, load, random = size(self.root), self._load, self._random
        arguments = [self.data, self._receipts, load.window_ms, random.choice(load.segment_bytes)]
        child = subprocess.Popen([sys.executable, str(CHILD), *map(str, arguments)])
        try:
            while size(self.root) <= before + 4000:
                assert child.poll() is None
                time.sleep(0.005)
            time.sleep(random.uniform(0, load.longest_seconds))
            on_disk = files(self.root)
        finally:
            child.send_signal(signal.SIGKILL)
            self.ended_ns.append(time.monotonic_ns())
            child.wait()
        return on_disk

    def losses(self, lines):
        """Returns what was received and is not in the journal, with its age at the kill."""
        kept = {}
        for line in lines:
            if line.channel == "H0STCNT0":
                values = line.payload.split("^")
                kept.setdefault(line.epoch, set()).add((int(line.key), int(values[13])))
        epochs, found = read_receipts(self._receipts), Losses()
        assert set(kept) <= set(epochs)
        assert len(epochs) == len(self.ended_ns)
        for (number, epoch), ended_ns in zip(sorted(epochs.items()), self.ended_ns, strict=True):
            found.received += len(epoch.received)
            lost = [at for record, at in epoch.received.items() if record not in kept.get(number, ())]
            found.ages_ms += [max(0.0, (ended_ns - at) / 1e6) for at in lost]
            found.durable_ones += sum(at < epoch.durable_ns for at in lost)
        return found


@dataclass
class Losses:
    """What the kills have cost.

    Attributes:
        received: Records that were received.
        ages_ms: Age at the kill of each record that is not in the journal.
        durable_ones: Those among them that had been reported as durable.
    """

    received: int = 0
    ages_ms: list[float] = field(default_factory=list)
    durable_ones: int = 0


def whole(content):
    return content[: content.rfind(b"\n") + 1]


SHORT = Load(window_ms=20, segment_bytes=(60_000,), longest_seconds=0.25)
# As in production, and with segments that are not sealed before the window is over.
LONG = Load(window_ms=500, segment_bytes=(60_000, 1_000_000, 8_000_000), longest_seconds=1.5)
SOAK = [
    pytest.mark.soak,
    pytest.mark.skipif(
        not os.environ.get("OBSERVER_SOAK"), reason="three minutes and more: OBSERVER_SOAK=1 runs it"
    ),
]


@pytest.mark.parametrize(("kills", "load"), [(10, SHORT), pytest.param(100, LONG, marks=SOAK)])
@pytest.mark.timeout(3600)
def test_journal_sigkill_under_load(tmp_path, kills, load, record_property):
    """After each kill the next process recovers; in the end all is there, once, and accounted for.

    What had been reported as durable is never lost. How old the oldest lost record was depends on how much of
    the machine the process gets: the long run states it, and holds it against the window.
    """
    killing, seen = Killing(tmp_path, load, Random(kills)), {}
    for _ in range(kills):
        on_disk = killing.kill_one()
        # A later process changes nothing of what an earlier one left, but for a torn end.
        for name, content in seen.items():
            assert on_disk[name].startswith(whole(content))
        seen = on_disk
    paths = Paths(PathSettings.load({"OBSERVER_DATA_DIR": str(killing.data)}))
    settings = CollectorSettings.load({"OBSERVER_RESERVE_MEGABYTES": "0"})
    journals = asyncio.run(open_journals(paths, settings, MarketHours(MarketCalendar()), RealClock()))
    root = killing.root
    assert not list(root.glob("*/*.open"))
    final = files(root)
    for name, content in seen.items():
        assert final[name].startswith(whole(content))
    segments = [one for folder in sorted(root.glob("[0-9]*")) for one in sealed_segments(folder)]
    lines = [line for segment in segments for line in read_lines(segment.path)]
    identities = [(line.epoch, line.frame, line.record) for line in lines]
    assert len(set(identities)) == len(identities)
    # A kill loses the end of an epoch, never something before it.
    for epoch in {line.epoch for line in lines}:
        frames = sorted({line.frame for line in lines if line.epoch == epoch})
        assert frames == list(range(1, len(frames) + 1))
    assert_accounts_add_up(journals.continuity, lines)
    losses = killing.losses(lines)
    assert losses.durable_ones == 0
    worst = max(losses.ages_ms, default=0.0)
    figures = {
        "received": losses.received,
        "journaled": losses.received - len(losses.ages_ms),
        "lost": len(losses.ages_ms),
        "oldest_lost_ms": round(worst),
        "lost_beyond_window": sum(age > load.window_ms for age in losses.ages_ms),
    }
    for name, value in figures.items():
        record_property(name, value)
    print(f"{kills} kills, window {load.window_ms} ms: {figures}")  # noqa: T201 - measured
    if load is LONG:
        assert figures["lost_beyond_window"] == 0


def assert_accounts_add_up(continuity, lines):
    """The accounting that survived the kills says what the lines say."""
    captured, last = {}, {}
    for line in lines:
        if line.channel == "H0STCNT0":
            values = line.payload.split("^")
            captured[line.key] = captured.get(line.key, 0) + int(values[12])
            last[line.key] = int(values[13])
    accounts = {symbol: account for _, symbol, account in continuity.accounts()}
    assert {symbol: account.captured for symbol, account in accounts.items()} == captured
    assert {symbol: account.volume for symbol, account in accounts.items()} == last
    holes = [json.loads(line.payload) for line in lines if line.key == "hole"]
    assert sum(account.hole_shares for account in accounts.values()) == sum(hole["shares"] for hole in holes)
