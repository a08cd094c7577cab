"""Columns of texts that stay where they lie, and lines that need not be copied."""

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from observer_core.lake.splitting import lines_of
from observer_core.lake.text_views import lines_in_place, texts_at

texts = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), max_size=12)


def laid_out(found, separator="\n"):
    """Texts one after the other, each with something behind it; where they begin, how long they are."""
    encoded = [text.encode() for text in found]
    lengths = np.array([len(text) for text in encoded], np.int64)
    content = b"".join(text + separator.encode() for text in encoded)
    return content, np.cumsum(lengths + 1) - lengths - 1, lengths


@settings(deadline=None)
@given(texts, st.integers(1, 100))
def test_texts_are_found_whatever_the_buffers_they_are_reached_through(found, buffer_bytes):
    content, starts, lengths = laid_out(found)
    assert texts_at(content, starts, lengths, buffer_bytes=buffer_bytes).to_list() == found


@settings(deadline=None)
@given(st.lists(st.text("한b^", min_size=0, max_size=40), min_size=1, max_size=12), st.data())
def test_lines_are_the_texts_however_they_lie_in_memory(found, data):
    content, starts, lengths = laid_out(found)
    series = texts_at(content, starts, lengths)
    kept = data.draw(st.lists(st.booleans(), min_size=len(found), max_size=len(found)))
    for some in (series, series.slice(1), series.filter(pl.Series(kept)), series.reverse()):
        if len(some):
            assert bytes(lines_of(some)) == "".join(f"{text}\n" for text in some.to_list()).encode()


def test_long_texts_with_newlines_behind_them_are_lines_already():
    """It is the same memory, not a copy that says the same."""
    found = [f"{n:06d}^" + "7" * n for n in range(6, 26)]
    content, starts, lengths = laid_out(found)
    series = texts_at(content, starts, lengths)
    standing = lines_in_place(series)
    assert standing is not None
    assert np.shares_memory(np.frombuffer(standing, np.uint8), np.frombuffer(content, np.uint8))
    assert (
        lines_in_place(series.slice(3, 4)).tobytes() == "".join(f"{text}\n" for text in found[3:7]).encode()
    )


def test_texts_with_anything_else_between_them_are_no_lines_yet():
    found = ["7" * 20, "8" * 20]
    assert lines_in_place(texts_at(*laid_out(found, separator='"'))) is None
    assert lines_in_place(texts_at(*laid_out(found)).reverse()) is None
    assert lines_in_place(pl.Series(["7" * 20, None])) is None
