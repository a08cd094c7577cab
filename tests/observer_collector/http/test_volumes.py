"""Volumes measured from inside, and what compaction has set aside."""

import os
from datetime import date
from pathlib import Path

from observer_collector.http.volumes import quarantined_bytes, volumes
from observer_core.settings import Paths, PathSettings

DAY = date(2026, 9, 15)


def test_the_writable_volumes_are_measured(mounts):
    """The configuration is read-only and no concern; free is what an ordinary process may write."""
    found = volumes(Paths(PathSettings.load(mounts)))
    assert [volume.name for volume in found] == ["data", "logs", "universe"]
    state = os.statvfs(mounts["OBSERVER_DATA_DIR"])
    assert found[0].size_bytes == state.f_blocks * state.f_frsize
    assert 0 <= found[0].free_bytes <= state.f_bfree * state.f_frsize


def test_a_volume_that_is_gone_is_left_out(mounts):
    """The others are still told."""
    Path(mounts["OBSERVER_LOG_DIR"]).rmdir()
    found = volumes(Paths(PathSettings.load(mounts)))
    assert [volume.name for volume in found] == ["data", "universe"]


def test_quarantine_counts_its_day_only(mounts):
    paths = Paths(PathSettings.load(mounts))
    assert quarantined_bytes(paths, DAY) == 0
    for day, size in ((14, 100), (15, 7), (16, 1000)):
        folder = paths.quarantine_folder(date(2026, 9, day))
        folder.mkdir(parents=True)
        (folder / "0_09_000001.jsonl").write_bytes(b"x" * size)
    assert quarantined_bytes(paths, DAY) == 7
