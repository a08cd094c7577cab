"""What the proof counts in the journal, whatever form its files have."""

import asyncio
from datetime import date
from pathlib import Path

from observer.stack.proof import evidence
from observer_core.clock import RealClock
from observer_core.journal import JournalWriter, LineBuilder, Received, WriterSettings, sealed_segments
from observer_core.journal.content import compress
from observer_core.settings import Paths, Settings
from observer_core.settings.paths import Track

DAY = date(2026, 9, 15)
# 2026-09-15 09:00 in Korea.
NINE_NS = 1_789_430_400_000_000_000


async def written(root: Path, lines: int) -> None:
    """Writes and seals two hours of the scalp track, as the collector does."""
    writer = JournalWriter(WriterSettings(root, Track.SCALP, "kis", "0", 0.005, 1 << 20), RealClock())
    build = LineBuilder("kis", "0").any
    for number in range(lines):
        received = Received(1, number, NINE_NS + (number % 2) * 3600 * 10**9 + number, number)
        control = number % 5 == 0
        channel, key = ("_control", "hole") if control else ("H0STCNT0", "005930")
        line = build(received, 0, channel, key, "{}" if control else "005930^1")
        writer.segment_for(received.wall_ns).append(line, received, channel, key)
    writer.close()
    await writer.run()


def test_a_compressed_segment_is_sealed_and_counted_once(tmp_path: Path) -> None:
    """Plain, half of them compressed, and one of which there is both for a moment: the same figures."""
    paths = Paths(Settings.load({"OBSERVER_DATA_DIR": str(tmp_path)}).paths)
    folder = paths.journal(Track.SCALP, DAY)
    asyncio.run(written(paths.journal(Track.SCALP), 20))
    plain = evidence._journal(paths, DAY)
    assert (plain.counts["H0STCNT0", "005930"], plain.holes, plain.unsealed) == (16, 4, ())
    first = sealed_segments(folder)[0]
    content = first.path.read_bytes()
    compress(first)
    packed = evidence._journal(paths, DAY)
    assert (packed.counts, packed.holes, packed.unsealed) == (plain.counts, plain.holes, ())
    assert packed.identities.equals(plain.identities)
    # Killed between the new file and the end of the old one.
    first.path.write_bytes(content)
    both = evidence._journal(paths, DAY)
    assert (both.counts, both.holes, both.unsealed) == (plain.counts, plain.holes, ())
    (folder / first.path.name.replace(".jsonl", ".manifest.json")).unlink()
    names = {first.path.name, first.path.name + ".zst"}
    assert set(evidence._journal(paths, DAY).unsealed) == names
