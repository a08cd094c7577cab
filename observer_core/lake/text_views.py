"""Texts that lie in bytes already, as a column, without moving them.

Invariant: a text of the column is the bytes from its start on, as many as its length says; the column keeps
the bytes alive. The bytes are UTF-8: who makes the column knows.

A view of Arrow's is sixteen bytes: the length, and either the text itself (up to twelve bytes) or its first
four bytes, a buffer's number and the text's offset in it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

# As many bytes as a view holds itself.
INLINE = 12
VIEW = np.dtype([("length", "<u4"), ("prefix", "<u4"), ("buffer", "<i4"), ("offset", "<u4")])
INLINE_VIEW = np.dtype([("length", "<u4"), ("text", f"V{INLINE}")])

# What one buffer covers: offsets in it, and the end of a text that begins in it, fit four bytes.
_BUFFER_BYTES = 2**30

_Places = npt.NDArray[np.int64]


def texts_at(
    content: bytes | bytearray, starts: _Places, lengths: _Places, *, buffer_bytes: int = _BUFFER_BYTES
) -> pl.Series:
    """Returns the texts that begin at some places.

    Args:
        content: UTF-8.
        starts: Where each text begins.
        lengths: Its bytes; less than 2^30 each.
        buffer_bytes: Bytes of the content in which the texts of one buffer begin.
    """
    views = np.zeros(len(starts), VIEW)
    views["length"], views["buffer"] = lengths, starts // buffer_bytes
    views["offset"] = starts % buffer_bytes
    # A text at the very end is short, and gets no prefix.
    padded = content if len(content) >= 4 else content.ljust(4, b"\0")
    views["prefix"] = pieces(padded, np.minimum(starts, len(padded) - 4), 4).view("<u4").ravel()
    fill_short(views, content, starts)
    whole = pa.py_buffer(content)
    buffers = [whole.slice(start) for start in range(0, max(1, len(content)), buffer_bytes)]
    return series_of(views, buffers)


def fill_short(views: npt.NDArray[np.void], content: bytes | bytearray, starts: _Places) -> None:
    """Puts the texts that a view holds itself into their views."""
    for place in np.flatnonzero(views["length"] <= INLINE).tolist():
        start, length = int(starts[place]), int(views["length"][place])
        text = content[start : start + length].ljust(INLINE, b"\0")
        views[place] = np.frombuffer(length.to_bytes(4, "little") + text, VIEW)[0]


def pieces(content: bytes | bytearray | memoryview, places: _Places, length: int) -> npt.NDArray[np.uint8]:
    """Returns so many bytes from each place on, a row each; all of them lie in the content."""
    if not len(places) or not length:
        return np.zeros((len(places), length), np.uint8)
    # Of a type without alignment: numpy then copies each piece at once.
    everywhere = np.ndarray((len(content) - length + 1,), f"V{length}", content, strides=(1,))
    return everywhere[places].view(np.uint8).reshape(len(places), length)


def series_of(views: npt.NDArray[np.void], buffers: list[pa.Buffer]) -> pl.Series:
    """Returns views as a column."""
    found = [None, pa.py_buffer(views.view(np.uint8)), *buffers]
    return pl.Series(pl.from_arrow(pa.Array.from_buffers(pa.string_view(), len(views), found)))


def ended(texts: pl.Series) -> pl.Series:
    """Returns texts with a newline each; where one stands behind each of them already, none is moved.

    Args:
        texts: A column without nulls.
    """
    array = texts.rechunk().to_arrow(compat_level=pl.CompatLevel.newest())
    _, held, *buffers = array.buffers()
    views = np.frombuffer(held, VIEW)[array.offset :][: len(texts)].copy()
    if not len(views) or (views["length"] <= INLINE).any() or not _newlines_behind(views, buffers):
        return texts + "\n"
    views["length"] += 1
    return series_of(views, buffers)


def _newlines_behind(views: npt.NDArray[np.void], buffers: list[pa.Buffer]) -> bool:
    ends = views["offset"].astype(np.int64) + views["length"]
    turns = (np.flatnonzero(np.diff(views["buffer"])) + 1).tolist()
    for first, last in zip([0, *turns], [*turns, len(views)], strict=True):
        content = np.frombuffer(buffers[views["buffer"][first]], np.uint8)
        places = ends[first:last]
        if places.max() >= len(content) or (content[places] != ord("\n")).any():
            return False
    return True
