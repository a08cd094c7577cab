"""The bytes of a sealed segment, compressed on disk or not.

Invariant: a manifest speaks about the lines, not about the file; so size and SHA-256 in it are those
of the content, and whoever opens a segment here sees the same bytes before and after compression.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import zstandard

from observer_core.errors import StorageError
from observer_core.journal.segment import COMPRESSED_SUFFIX, FINAL_SUFFIX, SealedSegment
from observer_core.journal.storage import SegmentStorage

# 310 to 530 MB/s, and a tenth of the size; higher levels save little more.
_LEVEL = 3
_PIECE = 1024 * 1024
# What one step of decompression reads: some ten times as much comes out of it.
_PACKED_PIECE = 64 * 1024


class _Decompressed(io.RawIOBase):
    """The content of a compressed file; damage and an early end are errors of ours."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._file = path.open("rb")
        self._source = zstandard.ZstdDecompressor().decompressobj()
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        # typeshed knows every kind of buffer; BufferedReader hands over this one.
        while not self._ready and not self._source.eof:
            self._ready = memoryview(self._decompress(self._file.read(_PACKED_PIECE)))
        taken = min(len(buffer), len(self._ready))
        buffer[:taken], self._ready = self._ready[:taken], self._ready[taken:]
        return taken

    def _decompress(self, piece: bytes) -> bytes:
        try:
            if piece:
                return self._source.decompress(piece)
        except zstandard.ZstdError as error:
            raise self._damaged(str(error)) from error
        raise self._damaged("it ends early")

    def _damaged(self, reason: str) -> StorageError:
        return StorageError(f"{self._path} cannot be decompressed: {reason}.", remedy="Restore the file.")

    def close(self) -> None:
        self._file.close()
        super().close()


def open_content(path: Path) -> io.BufferedReader:
    """Opens the content of a segment for reading.

    Args:
        path: Its file, `.jsonl` or `.jsonl.zst`; a plain one may have been compressed since it was found.

    Raises:
        FileNotFoundError: There is neither.
    """
    if not path.name.endswith(COMPRESSED_SUFFIX):
        try:
            return path.open("rb")
        except FileNotFoundError:
            path = compressed_path(path)
    return io.BufferedReader(_Decompressed(path), buffer_size=_PIECE)


def compressed_path(plain: Path) -> Path:
    """Returns the compressed file that belongs to a plain one."""
    return plain.with_name(plain.name.removesuffix(FINAL_SUFFIX) + COMPRESSED_SUFFIX)


def compress(sealed: SealedSegment, storage: SegmentStorage | None = None) -> Path:
    """Puts a compressed file in the place of a sealed segment's plain one; returns its path.

    The plain file goes only after the compressed one was read back from its beginning to its end. It may
    be interrupted and called again.

    Args:
        sealed: The segment; nothing happens if it is compressed.
        storage: The disk.

    Raises:
        StorageError: The content is not what the manifest says; the plain file stays.
        OSError: The disk refused; the plain file stays.
    """
    if sealed.path.name.endswith(COMPRESSED_SUFFIX):
        return sealed.path
    storage, target = storage or SegmentStorage(), compressed_path(sealed.path)
    if not holds(target, sealed.manifest.sha256):
        temporary = target.with_name(f".{target.name}.new")
        storage.remove(temporary)
        storage.write_pieces(temporary, _compressed(sealed.path))
        if not holds(temporary, sealed.manifest.sha256):
            storage.remove(temporary)
            raise StorageError(
                f"{sealed.path} is not what its manifest says: SHA-256 {sealed.manifest.sha256}.",
                remedy="The segment is damaged: restore it.",
            )
        storage.publish(temporary, target)
    storage.remove(sealed.path)
    return target


def holds(packed: Path, sha256: str) -> bool:
    """Returns whether a compressed file is there, whole, and has the content of this SHA-256."""
    found = hashlib.sha256()
    try:
        with _Decompressed(packed) as file:
            while piece := file.read(_PIECE):
                found.update(piece)
    except (FileNotFoundError, StorageError):
        return False
    return found.hexdigest() == sha256


def readable_pieces(packed: Path) -> Iterator[bytes]:
    """Yields the content of a compressed file up to its end, or to where it is damaged."""
    with _Decompressed(packed) as file, suppress(StorageError):
        while piece := file.read(_PIECE):
            yield piece


def _compressed(source: Path) -> Iterator[bytes]:
    """Yields the compressed content, piece by piece."""
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj(
        size=source.stat().st_size
    )
    with source.open("rb") as file:
        while piece := file.read(_PIECE):
            yield compressor.compress(piece)
    yield compressor.flush()
