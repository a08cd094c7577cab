"""Content that somebody has damaged."""

import pytest

from observer_core.json_text import parse_json


def test_json_is_read():
    assert parse_json(b'{"a":[1,"\xea\xb0\x80"]}') == {"a": [1, "가"]}


@pytest.mark.parametrize("content", [b"[" * 100_000, "[" * 100_000, b"{", b"\xff\xfe\xfd", b"1" * 5_000, b""])
def test_whatever_cannot_be_read_is_one_error(content):
    with pytest.raises(ValueError, match=r"."):
        parse_json(content)
