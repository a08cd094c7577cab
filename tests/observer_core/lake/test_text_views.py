"""Columns of texts that stay where they lie, and lines that need not be copied."""

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from observer_core.lake.bytes_found import count_of, places_of
from observer_core.lake.splitting import lines_of
from observer_core.lake.text_views import ended, texts_at

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
            assert lines_of(some) == "".join(f"{text}\n" for text in some.to_list()).encode()


@settings(deadline=None)
@given(st.lists(st.text("한b^", min_size=0, max_size=40), min_size=1, max_size=12), st.data())
def test_texts_get_a_newline_whether_one_stands_behind_them_or_not(found, data):
    separator = data.draw(st.sampled_from(["\n", '"']))
    series = texts_at(*laid_out(found, separator=separator))
    for some in (series, series.slice(1), series.reverse(), pl.concat([series, series])):
        assert ended(some).to_list() == [f"{text}\n" for text in some.to_list()]


def test_a_newline_that_stands_behind_a_text_costs_no_copy():
    content, starts, lengths = laid_out(["7" * 20, "8" * 30])
    array = ended(texts_at(content, starts, lengths)).to_arrow(compat_level=pl.CompatLevel.newest())
    held = np.frombuffer(array.buffers()[2], np.uint8)
    assert np.shares_memory(held, np.frombuffer(content, np.uint8))


def test_bytes_are_found_on_both_sides_of_a_piece_and_counted():
    content = np.zeros(400_000, np.uint8)
    places = [0, 131_071, 131_072, 262_143, 399_999]
    content[places] = 7
    assert places_of(content, 7).tolist() == places
    assert count_of(content, 7) == len(places)
    assert places_of(content[:399_997], 7).tolist() == places[:-1]
    assert places_of(content[:0], 7).tolist() == []
    assert count_of(content[:0], 7) == 0


@given(st.lists(st.integers(0, 2), max_size=70))
def test_bytes_are_found_however_close_they_stand(values):
    content = np.array(values, np.uint8)
    assert places_of(content, 1).tolist() == [place for place, value in enumerate(values) if value == 1]
