"""The line's format, as the contract of the journal states it."""

import json
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from observer_core.errors import StorageError
from observer_core.journal import (
    WHOLE_FRAME,
    LineBuilder,
    Received,
    checked,
    is_plain,
    is_plain_bytes,
    parse_line,
)
from observer_core.journal.envelope import is_whole

RECEIVED = Received(epoch=3, frame=1204, wall_ns=1_789_434_001_234_567_890, mono_ns=77)
KEYS = [
    "v",
    "provider",
    "shard",
    "epoch",
    "frame",
    "record",
    "wall_ns",
    "mono_ns",
    "channel",
    "key",
    "payload",
]


@pytest.fixture
def builder():
    return LineBuilder("kis", "0")


def test_a_plain_line_is_written_as_the_contract_says(builder):
    """Keys, their order, and the CRC over the bytes before it."""
    line = builder.plain(RECEIVED, 0, "H0STCNT0", "005930", "005930^093354^71900")
    body = (
        b'{"v":1,"provider":"kis","shard":"0","epoch":3,"frame":1204,"record":0,'
        b'"wall_ns":1789434001234567890,"mono_ns":77,"channel":"H0STCNT0","key":"005930",'
        b'"payload":"005930^093354^71900"'
    )
    assert line == body + b',"crc":"%08x"}\n' % zlib.crc32(body)


plain_texts = st.text(st.characters(min_codepoint=32, max_codepoint=126)).filter(is_plain)


@given(st.lists(st.tuples(st.integers(1, 2), st.sampled_from(["005930", "a%b", "%d%%"]), plain_texts)))
@example([(1, "005930", "%d %b")])
def test_the_fast_way_writes_what_the_general_way_writes(lines):
    """For plain texts, the three ways give the same bytes, whatever line came before."""
    builder = LineBuilder("kis", "0")
    for epoch, key, payload in lines:
        received = RECEIVED._replace(epoch=epoch)
        expected = LineBuilder("kis", "0").any(received, 1, "H0STCNT0", key, payload)
        assert builder.plain(received, 1, "H0STCNT0", key, payload) == expected
        body = builder.form(epoch, "H0STCNT0", key) % (1204, 1, *received[2:], payload.encode())
        assert checked(body) == expected


@given(st.binary())
def test_no_byte_is_lost(content):
    """Whatever bytes the broker sends come back, in one line of valid JSON."""
    payload = content.decode("utf-8", "surrogateescape")
    line = LineBuilder("kis", "0").any(RECEIVED, WHOLE_FRAME, "H0STCNT0", "", payload)
    assert line.count(b"\n") == 1
    json.loads(line)
    parsed = parse_line(line)
    assert parsed.payload_bytes == content
    assert parsed.record == -1


@pytest.mark.parametrize(
    ("payload", "keys"),
    [
        (b"005930^093354", KEYS),
        ('삼성전자^"인용"\\'.encode(), KEYS),
        (b"005930^\xff\xfe", [*KEYS, "encoding"]),
    ],
)
def test_only_what_is_not_utf8_is_base64(builder, payload, keys):
    """Korean text stays readable; other bytes are base64 and the line says so after the payload."""
    line = builder.any(RECEIVED, 0, "H0STCNT0", "005930", payload.decode("utf-8", "surrogateescape"))
    assert list(json.loads(line)) == [*keys, "crc"]
    assert parse_line(line).encoding == (None if keys is KEYS else "base64")


@pytest.mark.parametrize("text", ['a"b', "a\\b", "a\nb", "삼성", "a\x7f", "a\x00"])
def test_text_that_json_escapes_is_not_plain(text):
    assert not is_plain(text)


def test_every_changed_byte_is_noticed(builder):
    """A line with any one byte changed, or cut anywhere, is not whole."""
    line = builder.plain(RECEIVED, 0, "H0STCNT0", "005930", "005930^1")
    assert is_whole(line)
    for position in range(len(line)):
        damaged = bytearray(line)
        damaged[position] ^= 1
        assert not is_whole(bytes(damaged))
        assert not is_whole(line[:position])


def test_a_damaged_line_is_a_storage_error(builder):
    line = builder.plain(RECEIVED, 0, "H0STCNT0", "005930", "005930^1")
    with pytest.raises(StorageError, match="damaged"):
        parse_line(line.replace(b"005930^1", b"005930^2"))


def test_a_later_format_is_named():
    """A line of a format that this version does not know is refused by its number."""
    body = b'{"v":2,"provider":"kis"'
    with pytest.raises(StorageError, match="format 2"):
        parse_line(body + b',"crc":"%08x"}\n' % zlib.crc32(body))


@given(st.binary(max_size=40))
@example(bytes(range(128)))
@example(b'"')
def test_bytes_are_plain_exactly_when_their_text_is(content):
    """The fast question about bytes and the one about text never differ."""
    assert is_plain_bytes(content) == is_plain(content.decode("utf-8", "surrogateescape"))


def test_every_single_byte_is_judged_alike():
    for code in range(256):
        content = bytes([code])
        assert (
            is_plain_bytes(content)
            == is_plain(content.decode("latin-1"))
            == (32 <= code < 127 and content not in (b'"', b"\\"))
        )
