"""Sealed segments are compressed once they are old enough, beside the intake."""

from datetime import datetime, timedelta

import pytest

from observer_collector.recording.journals import Journals, TrackJournal
from observer_collector.recording.upkeep import Compressor
from observer_core.accounting import VolumeContinuity
from observer_core.clock import KST, StepClock
from observer_core.journal import (
    JournalWriter,
    LineBuilder,
    Received,
    WriterSettings,
    read_lines,
    sealed_segments,
)
from observer_core.settings import Paths, PathSettings
from observer_core.settings.paths import Track

NOON = datetime(2026, 9, 15, 12, tzinfo=KST)


async def write(paths, clock, track, shard):
    settings = WriterSettings(paths.journal(track), track, "kis", shard, 0.01, 1 << 20)
    writer, lines = JournalWriter(settings, clock), LineBuilder("kis", shard)
    for number in range(50):
        received = Received(1, number, clock.now_ns(), number)
        line = lines.plain(received, 0, "H0STCNT0", "005930", "005930^1")
        writer.segment_for(received.wall_ns).append(line, received, "H0STCNT0", "005930")
    writer.close()
    await writer.run()
    return writer


@pytest.fixture
async def journal(tmp_path):
    """Both tracks with one sealed segment each, and one of another shard."""
    paths, clock = Paths(PathSettings.load({"OBSERVER_DATA_DIR": str(tmp_path)})), StepClock(NOON)
    writers = {track: await write(paths, clock, track, shard) for track, shard in
               ((Track.SCALP, "0"), (Track.SWING, "0-swing"))}  # fmt: skip
    await write(paths, clock, Track.SCALP, "1")
    tracks = [TrackJournal(shard, writers[track], None, None) for track, shard in
              ((Track.SCALP, "0"), (Track.SWING, "0-swing"))]  # fmt: skip
    return paths, clock, Journals(*tracks, VolumeContinuity(lambda _: ""))


def suffixes(paths):
    found = {}
    for track in Track:
        for sealed in sealed_segments(paths.journal(track, NOON.date())):
            assert len(list(read_lines(sealed.path))) == 50
            found[sealed.manifest.shard] = sealed.path.name.partition(".")[2]
    return found


async def test_segments_are_compressed_at_their_age(journal):
    """Not before; then those of both tracks of this shard, and of no other."""
    paths, clock, journals = journal
    compressor = Compressor(paths, journals, clock, after_hours=24)
    compressor.look()
    assert set(suffixes(paths).values()) == {"jsonl"}
    await clock.advance_to(NOON + timedelta(hours=25))
    compressor.look()
    assert suffixes(paths) == {"0": "jsonl.zst", "0-swing": "jsonl.zst", "1": "jsonl"}
    assert compressor.segments == 2
    compressor.look()
    assert compressor.segments == 2


async def test_a_damaged_segment_is_left_alone(journal):
    """Told once, kept as it is, and the others are compressed."""
    paths, clock, journals = journal
    (path,) = paths.journal(Track.SCALP, NOON.date()).glob("0_*.jsonl")
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"frame":7', b'"frame":8'))
    compressor = Compressor(paths, journals, clock, after_hours=0)
    for _ in range(2):
        compressor.look()
    assert compressor.segments == 1
    assert path.exists()
