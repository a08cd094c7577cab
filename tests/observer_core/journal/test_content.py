"""Segments on disk, compressed and not: the same content for every reader."""

import hashlib
import json
import shutil

import pytest
import zstandard

from observer_core.errors import StorageError
from observer_core.journal import read_lines, sealed_segments
from observer_core.journal.content import compress, open_content
from observer_core.journal.recovery import JournalRecovery
from observer_core.journal.storage import SegmentStorage

DAY = "20260915"


@pytest.fixture
async def sealed(journal):
    """A sealed segment of a thousand lines, with its journal."""
    async with journal() as recorded:
        for _ in range(1000):
            recorded.append("2026-09-15T09:00:00")
    return recorded


def only(recorded):
    (found,) = sealed_segments(recorded.root / DAY)
    return found


def names(recorded):
    return sorted(path.name for path in (recorded.root / DAY).iterdir())


async def test_compression_changes_the_file_and_not_the_content(sealed):
    """The lines, the manifest and its SHA-256 stay; the plain file goes."""
    before = only(sealed)
    plain, lines = before.path.read_bytes(), list(read_lines(before.path))
    compress(before)
    after = only(sealed)
    assert names(sealed) == ["0_09_000001.jsonl.zst", "0_09_000001.manifest.json"]
    assert after.manifest == before.manifest
    assert zstandard.ZstdDecompressor().decompressobj().decompress(after.path.read_bytes()) == plain
    assert after.path.stat().st_size < len(plain) / 3
    assert list(read_lines(after.path)) == lines
    # A reader that listed the segment before finds it all the same.
    with open_content(before.path) as file:
        assert hashlib.sha256(file.read()).hexdigest() == before.manifest.sha256
    assert compress(after) == after.path


class Crash(BaseException):
    """The process ends here."""


class CrashingStorage(SegmentStorage):
    """Ends the process before the n-th step."""

    def __init__(self, at):
        super().__init__()
        self.left = at

    def __getattribute__(self, name):
        attribute = super().__getattribute__(name)
        if name not in {"write_pieces", "publish", "remove"}:
            return attribute

        def step(*arguments):
            self.left -= 1
            if self.left == 0:
                raise Crash
            return attribute(*arguments)

        return step


@pytest.mark.parametrize("at", range(1, 5))
async def test_compression_may_be_interrupted_anywhere(sealed, at):
    """At every instant there is a file with the content; the next call completes the work."""
    content = only(sealed).path.read_bytes()
    with pytest.raises(Crash):
        compress(only(sealed), CrashingStorage(at))
    JournalRecovery(sealed.settings).recover()
    with open_content(only(sealed).path) as file:
        assert file.read() == content
    compress(only(sealed))
    assert names(sealed) == ["0_09_000001.jsonl.zst", "0_09_000001.manifest.json"]


async def test_a_half_written_compressed_file_is_made_anew(sealed):
    """A compressed file that does not give the manifest's content never replaces the plain one."""
    found = only(sealed)
    packed = found.path.with_suffix(".jsonl.zst")
    packed.write_bytes(zstandard.ZstdCompressor().compress(found.path.read_bytes())[:-10])
    compress(found)
    assert names(sealed) == ["0_09_000001.jsonl.zst", "0_09_000001.manifest.json"]
    assert len(list(read_lines(only(sealed).path))) == 1000


async def test_a_damaged_segment_is_not_compressed(sealed):
    """What is not what was sealed stays as it is, for people."""
    found = only(sealed)
    content = bytearray(found.path.read_bytes())
    content[100] ^= 1
    found.path.write_bytes(content)
    with pytest.raises(StorageError, match="not what its manifest says"):
        compress(found)
    assert found.path.read_bytes() == content
    assert names(sealed) == ["0_09_000001.jsonl", "0_09_000001.manifest.json"]


async def test_a_compressed_segment_gets_its_manifest_back(sealed, independently):
    """Recovery reads through the compression, and seals what it finds."""
    before = only(sealed).manifest
    compress(only(sealed))
    (sealed.root / DAY / "0_09_000001.manifest.json").unlink()
    JournalRecovery(sealed.settings).recover()
    after = only(sealed)
    assert names(sealed) == ["0_09_000001.jsonl", "0_09_000001.manifest.json"]
    assert (after.manifest.sha256, after.manifest.lines) == (before.sha256, 1000)
    assert independently(after.path)["sha256"] == before.sha256


async def test_a_damaged_compressed_segment_gives_what_it_can(sealed):
    """The whole lines before the damage are sealed; the damaged file is kept aside."""
    content = only(sealed).path.read_bytes()
    path = compress(only(sealed))
    packed = path.read_bytes()
    path.write_bytes(packed[: len(packed) * 2 // 3])
    (sealed.root / DAY / "0_09_000001.manifest.json").unlink()
    JournalRecovery(sealed.settings).recover()
    kept = b"".join(found.path.read_bytes() for found in sealed_segments(sealed.root / DAY))
    assert content.startswith(kept)
    assert not kept or kept.endswith(b"\n")
    assert "0_09_000001.jsonl.zst.torn" in names(sealed)
    assert JournalRecovery(sealed.settings).recover().segments == ()
    assert (sealed.root / DAY / "0_09_000001.jsonl.zst.torn").stat().st_size == len(packed) * 2 // 3


async def test_a_reader_of_damaged_content_is_told(sealed):
    path = compress(only(sealed))
    packed = bytearray(path.read_bytes())
    packed[len(packed) // 2] ^= 0xFF
    path.write_bytes(packed)
    with pytest.raises(StorageError):
        list(read_lines(path))


# The first journal: one trade and one control record, as version 1 writes them for ever.
VERSION_1_LINES = (
    b'{"v":1,"provider":"kis","shard":"0","epoch":3,"frame":1204,"record":0,"wall_ns":1789430400123456789,'
    b'"mono_ns":5,"channel":"H0STCNT0","key":"005930","payload":"005930^093354^71900","crc":"%s"}\n'
)
VERSION_1_MANIFEST = {
    "format": 1, "segment": "0_09_000001.jsonl", "provider": "kis", "shard": "0", "track": "scalp",
    "day": "2026-09-15", "hour": 9, "sequence": 1, "lines": 1, "records": 1, "bytes": 214, "sha256": "",
    "first_wall_ns": 1789430400123456789, "last_wall_ns": 1789430400123456789, "first_epoch": 3,
    "last_epoch": 3, "counts": {"H0STCNT0": {"005930": 1}}, "sealed_by": "hour",
    "continuity": {"H0STCNT0": {"005930": {
        "business_date": "20260915", "trade_time": "093354", "last_ns": 1789430400123456789, "volume": 10,
        "value": 719000, "sell_trades": 0, "buy_trades": 1, "sell_volume": 0, "buy_volume": 10, "trades": 1,
        "captured": 10, "before_slot": 0, "holes": 0, "hole_shares": 0, "duplicates": 0, "resets": 0,
        "volume_before_reset": 0, "contradictions": 0}}},
}  # fmt: skip


def test_version_1_is_read_for_ever(tmp_path):
    """Line and manifest as the first release wrote them."""
    crc = b"%08x" % zstandard_free_crc(VERSION_1_LINES.split(b',"crc"')[0])
    content = VERSION_1_LINES % crc
    folder = tmp_path / DAY
    folder.mkdir()
    (folder / "0_09_000001.jsonl").write_bytes(content)
    (folder / "0_09_000001.manifest.json").write_text(json.dumps(VERSION_1_MANIFEST))
    (found,) = sealed_segments(folder)
    assert (found.manifest.lines, found.manifest.hour, found.manifest.sealed_by) == (1, 9, "hour")
    (line,) = read_lines(found.path)
    assert (line.epoch, line.frame, line.record, line.key) == (3, 1204, 0, "005930")
    assert (line.wall_ns, line.payload) == (1789430400123456789, "005930^093354^71900")


def zstandard_free_crc(content):
    """CRC32 bit by bit (ISO 3309), so that the test does not use what it tests."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xEDB88320 * (crc & 1)
    return crc ^ 0xFFFFFFFF


@pytest.mark.parametrize("version", [0, 2])
def test_a_version_of_another_time_is_refused_by_name(tmp_path, version):
    """A manifest of a version this one cannot read names both."""
    folder = tmp_path / DAY
    folder.mkdir()
    (folder / "0_09_000001.jsonl").write_bytes(b"")
    manifest = {**VERSION_1_MANIFEST, "format": version}
    (folder / "0_09_000001.manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StorageError, match=rf"format {version}; this version reads \[1\]"):
        sealed_segments(folder)
    shutil.rmtree(folder)
