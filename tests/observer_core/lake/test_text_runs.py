"""Texts that repeat are converted once, and come out as if each had been."""

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from observer_core.lake.text_runs import by_runs

words = st.sampled_from([None, "", "1", "5", "093354", "한국거래소", "7" * 12, "7" * 13, "7" * 12 + "8"])
runs = st.lists(st.tuples(words, st.integers(1, 12)), max_size=12)


def shouted(texts):
    return texts.str.len_bytes().fill_null(99)


@settings(deadline=None)
@given(runs, st.integers(0, 5))
def test_every_text_gets_what_converting_it_alone_would_give(found, offset):
    values = [word for word, number in found for _ in range(number)]
    texts = pl.Series("text", values, pl.String).slice(offset)
    converted = by_runs(texts, shouted)
    assert converted.to_list() == [99 if word is None else len(word.encode()) for word in values[offset:]]
    assert converted.name == "text"


def test_a_text_that_repeats_is_converted_once():
    asked = []

    def convert(texts):
        asked.extend(texts.to_list())
        return texts

    texts = pl.Series(["093354"] * 500 + [None] * 20 + ["093355"] * 500)
    assert by_runs(texts, convert).equals(texts)
    assert asked == ["093354", None, "093355"]
    asked.clear()
    assert by_runs(texts.head(500), convert).to_list() == ["093354"] * 500
    assert asked == ["093354"]


def test_texts_that_hardly_repeat_are_converted_as_they_are():
    texts = pl.Series([str(number) for number in range(100)])
    assert by_runs(texts, shouted).equals(shouted(texts))
