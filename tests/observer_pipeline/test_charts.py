"""Pictures are small, and real."""

import base64
import random

import pytest

from observer_pipeline.charts import LARGEST_BYTES, day_picture

HEAD, TAIL = "](data:image/png;base64,", ")"


def png(markdown: str) -> bytes:
    return base64.b64decode(markdown[markdown.index(HEAD) + len(HEAD) : -len(TAIL)])


@pytest.mark.parametrize("symbols", [0, 1, 60])
def test_the_noisiest_day_stays_below_the_limit(symbols):
    """Noise is what a picture's compression can do least about."""
    noise = random.Random(symbols)
    minutes = range(8 * 60, 20 * 60 + 1)
    per_minute = {
        kind: {m: noise.randrange(5_000) for m in minutes} for kind in ("trades", "books", "sweep rows")
    }
    coverage = {f"{n:06d}": [m for m in minutes if noise.random() < 0.5] for n in range(symbols)}
    markdown = day_picture(per_minute, coverage)
    assert len(markdown) <= LARGEST_BYTES + 200
    assert png(markdown).startswith(b"\x89PNG")


def test_a_day_without_records_has_no_picture():
    assert day_picture({"trades": {}, "books": {}}, {}) == ""
