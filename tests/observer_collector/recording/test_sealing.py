"""What a stop says of a journal that is not sealed."""

import asyncio
from types import SimpleNamespace

import pytest

from observer_collector.recording.sealing import seal
from observer_core.clock import RealClock
from observer_core.errors import StorageError
from observer_core.journal import JournalWriter, LineBuilder, Received, WriterSettings, sealed_segments
from observer_core.journal.recovery import JournalRecovery
from observer_core.settings.paths import Track

NOON = 1_789_441_200 * 10**9


def fill(writer, *, number):
    received = Received(1, number, NOON + number * 3600 * 10**9, 0)
    line = LineBuilder("kis", "0").any(received, 0, "H0STCNT0", "005930", f"005930^{number}")
    writer.segment_for(received.wall_ns).append(line, received, "H0STCNT0", "005930")


async def test_a_writer_that_failed_has_sealed_nothing_and_the_next_start_recovers_it_all(tmp_path):
    """A defect while it seals: what came later is written all the same, and the error names the files."""

    def settings(track):
        return WriterSettings(tmp_path / track.value, track, "kis", "0", 0.01, 1 << 20)

    failing = JournalWriter(settings(Track.SCALP), RealClock(), continuity=lambda: {"odd": object()})
    sound = JournalWriter(settings(Track.SWING), RealClock())
    tracks = {Track.SCALP: SimpleNamespace(writer=failing), Track.SWING: SimpleNamespace(writer=sound)}
    writing = [asyncio.create_task(track.writer.run()) for track in tracks.values()]
    for number in range(3):
        fill(failing, number=number)
        fill(sound, number=number)
    with pytest.raises(StorageError, match="0 bytes did not reach the disk") as told:
        await seal(SimpleNamespace(tracks=tracks), writing, seconds=60)
    assert isinstance(told.value.__cause__, TypeError)
    assert "not sealed: 0_12_000001.jsonl.open, 0_13_000002.jsonl.open, 0_14_000003.jsonl.open" in str(
        told.value
    )
    (day,) = (path for path in (tmp_path / "swing").iterdir() if path.is_dir())
    assert [one.manifest.lines for one in sealed_segments(day)] == [1, 1, 1]
    found = JournalRecovery(settings(Track.SCALP)).recover()
    assert [(one.lines, one.torn_bytes) for one in found.segments] == [(1, 0)] * 3
