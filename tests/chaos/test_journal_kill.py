"""SIGKILL at random moments under load: every byte that was on disk stays, and nothing comes twice."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

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


def killed(data, random):
    """Runs a recorder, kills it in the middle of its work, and returns what was on disk just before."""
    root = data / "assets/scalp"
    before = size(root)
    child = subprocess.Popen([sys.executable, str(CHILD), str(data)])
    try:
        while size(root) <= before + 4000:
            assert child.poll() is None
            time.sleep(0.005)
        time.sleep(random.uniform(0, 0.25))
        on_disk = files(root)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    return on_disk


def whole(content):
    return content[: content.rfind(b"\n") + 1]


LONG = [
    pytest.mark.soak,
    pytest.mark.skipif(
        not os.environ.get("OBSERVER_SOAK"), reason="a minute and more: OBSERVER_SOAK=1 runs it"
    ),
]


@pytest.mark.parametrize("kills", [10, pytest.param(100, marks=LONG)])
@pytest.mark.timeout(1200)
def test_journal_sigkill_under_load(tmp_path, kills):
    """After each kill the next process recovers; in the end all is there, once, and accounted for."""
    random, data = Random(kills), tmp_path / "data"
    data.mkdir()
    seen = {}
    for _ in range(kills):
        on_disk = killed(data, random)
        # A later process changes nothing of what an earlier one left, but for a torn end.
        for name, content in seen.items():
            assert on_disk[name].startswith(whole(content))
        seen = on_disk
    paths = Paths(PathSettings.load({"OBSERVER_DATA_DIR": str(data)}))
    settings = CollectorSettings.load({"OBSERVER_RESERVE_MEGABYTES": "0"})
    journals = asyncio.run(open_journals(paths, settings, MarketHours(MarketCalendar()), RealClock()))
    root = data / "assets/scalp"
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
