"""Opening envelopes by their form, many lines at once.

Invariant: a line is opened here only if every byte of its envelope was compared with the form that
`journal.envelope.LineBuilder` gives a plain record; all others are named and left to a reader of JSON.
So both ways give the same values, and a test compares them.

A reader of JSON spends most of its time on finding out what is known here: which keys there are, and
where. Lines of one form (same channel, same number of digits) have each value at the same distance from
their beginning; a block has few forms. Payloads are not copied: they are views of the content.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from observer_core.journal.envelope import FORMAT
from observer_core.lake.bytes_found import count_of
from observer_core.lake.text_views import INLINE, INLINE_VIEW, VIEW, fill_short, pieces, series_of

_FORM = re.compile(
    rb'\{"v":%d,"provider":"(?P<provider>[^"\\]+)","shard":"(?P<shard>[^"\\]+)","epoch":(?P<epoch>\d+),'
    rb'"frame":(?P<frame>\d+),"record":(?P<record>\d+),"wall_ns":(?P<wall_ns>\d+),"mono_ns":(?P<mono_ns>\d+),'
    rb'"channel":"(?P<channel>[^"\\]+)","key":"(?P<key>[^"\\]*)","payload":"' % FORMAT
)
_NUMBERS = ("epoch", "frame", "record", "wall_ns", "mono_ns")
# Behind the payload: its quote, the CRC and the brace; the newline is not among them.
_TAIL = b'","crc":"00000000"}'
_TAIL_FIXED = [place for place, byte in enumerate(_TAIL) if byte != ord("0")]
_QUOTES = 36
_WORD = 8
# Zeros behind the lines of a block: room for a word at any place of a head.
PADDING = 1024
# In each byte of a word: a zero's code; what makes more than nine set the highest bit; that bit.
_ZEROS, _OVER_NINE, _HIGH_BITS = 0x3030_3030_3030_3030, 0x7676_7676_7676_7676, 0x8080_8080_8080_8080
# As many digits as an Int64 may have.
_DIGITS = 19
_INT64_END = 2**63
# Numbers grow by a digit now and then, and channels alternate; a block with more forms is no usual one.
_FORMS = 64
# Where more lines than this part are not plain, nothing is won.
_ODD_SHARE = 8

_Places = npt.NDArray[np.int64]
_Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class PlainLines:
    """Lines opened by their form.

    Attributes:
        frame: Their `index` among the lines given, and the values of the envelope; `encoding` is missing.
        others: Indexes of the lines that are not plain.
    """

    frame: pl.DataFrame
    others: _Places


@dataclass(frozen=True, slots=True)
class _Lines:
    """Lines, and the bytes that they stand in."""

    raw: bytearray
    bytes: _Bytes
    starts: _Places
    ends: _Places

    def pieces(self, places: _Places, length: int) -> _Bytes:
        """Returns so many bytes from each place on, a row each."""
        return pieces(self.raw, places, length)


class _Form:
    """What lines of one form have in common: everything before the payload but digits and symbol."""

    def __init__(self, match: re.Match[bytes]) -> None:
        self.length = match.end() - match.start()
        self.spans = {
            name: (match.start(name) - match.start(), match.end(name) - match.start())
            for name in (*_NUMBERS, "key")
        }
        self.texts = {name: match[name].decode("ascii") for name in ("provider", "shard", "channel")}
        mask = bytearray(b"\xff" * self.length)
        for start, end in self.spans.values():
            mask[start:end] = bytes(end - start)
        padding = bytes(-self.length % _WORD)
        self._mask = np.frombuffer(bytes(mask) + padding, "<u8")
        self._literal = np.frombuffer(match[0] + padding, "<u8") & self._mask

    def take(self, lines: _Lines, chosen: _Places, columns: _Columns) -> npt.NDArray[np.bool_]:
        """Writes the values of those of some lines that have the form; returns which have."""
        starts = lines.starts[chosen]
        heads = lines.pieces(starts, len(self._mask) * _WORD)
        words = heads.view("<u8")
        fits = starts + self.length + len(_TAIL) <= lines.ends[chosen]
        for position, (mask, literal) in enumerate(zip(self._mask, self._literal, strict=True)):
            fits &= (words[:, position] & mask) == literal
        if not fits.all():
            heads, chosen, starts = heads[fits], chosen[fits], starts[fits]
        numeric = np.ones(len(chosen), bool)
        for name in _NUMBERS:
            value, plain = self._number(heads, name)
            columns.numbers[name][chosen] = value
            numeric &= plain
        fits[fits] = numeric
        payload = starts + self.length
        columns.payloads["offset"][chosen] = payload
        columns.payloads["length"][chosen] = lines.ends[chosen] - len(_TAIL) - payload
        start, end = self.spans["key"]
        columns.keys["length"][chosen] = end - start
        texts = np.zeros((len(chosen), INLINE), np.uint8)
        texts[:, : end - start] = heads[:, start:end]
        columns.keys["text"][chosen] = texts.view(f"V{INLINE}").ravel()
        return fits

    def _number(self, heads: _Bytes, name: str) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.bool_]]:
        """Returns the numbers of a key, and which of them are such: digits without a leading zero."""
        start, end = self.spans[name]
        value = np.zeros(len(heads), np.uint64)
        plain = (heads[:, start] != ord("0")) | (end - start == 1)
        for stop in range(end, start, -_WORD):
            part, digits = _eight_digits(heads, stop, min(_WORD, stop - start))
            plain &= digits
            value += part * np.uint64(10 ** (end - stop))
        return value, plain & (value < np.uint64(_INT64_END))


def _eight_digits(
    heads: _Bytes, stop: int, digits: int
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.bool_]]:
    """Returns the number that some bytes before a place are in each row, and where all of them are digits.

    The bytes of a word are computed with side by side: digits, then pairs, fours and eights of them.

    Args:
        heads: Rows in one piece of memory, with eight bytes at least before the place.
        stop: The place.
        digits: How many bytes; eight at most.
    """
    word = np.ndarray(len(heads), "<u8", heads, stop - _WORD, (heads.shape[1],)) ^ np.uint64(_ZEROS)
    word &= np.uint64(~((1 << 8 * (_WORD - digits)) - 1) % 2**64)
    plain = ((word + np.uint64(_OVER_NINE)) | word) & np.uint64(_HIGH_BITS) == 0
    word = ((word * np.uint64(10 * 2**8 + 1)) >> np.uint64(8)) & np.uint64(0x00FF_00FF_00FF_00FF)
    word = ((word * np.uint64(100 * 2**16 + 1)) >> np.uint64(16)) & np.uint64(0x0000_FFFF_0000_FFFF)
    return (word * np.uint64(10_000 * 2**32 + 1)) >> np.uint64(32), plain


class _Columns:
    """Values of the lines, form by form."""

    def __init__(self, count: int) -> None:
        self.numbers = {name: np.zeros(count, np.uint64) for name in _NUMBERS}
        self.channels = np.zeros(count, np.uint32)
        self.keys = np.zeros(count, INLINE_VIEW)
        self.payloads = np.zeros(count, VIEW)


def open_plain(buffer: bytearray, ends: _Places) -> PlainLines | None:
    """Opens the plain lines of a block.

    Args:
        buffer: Whole lines, and `PADDING` zeros or more behind them. The payloads are views of it, and the
            quote behind each of them becomes a newline.
        ends: Where their newlines stand.

    Returns:
        The plain lines and the names of the others; None where hardly a line is plain.
    """
    lines = _lines(buffer, ends)
    odd = _odd_lines(lines)
    if odd is None:
        return None
    columns, forms = _Columns(len(ends)), list[_Form]()
    left = np.flatnonzero(~odd)
    others = [np.flatnonzero(odd)]
    while len(left) and len(forms) < _FORMS:
        form = _form_of(lines, int(left[0]), forms)
        fits = form.take(lines, left, columns) if form else np.zeros(len(left), bool)
        if form and fits[0]:
            columns.channels[left[fits]] = len(forms)
            forms.append(form)
        else:
            others.append(left[:1])
            fits[:] = False
            fits[0] = True
        left = left[~fits]
    others.append(left)
    found = np.sort(np.concatenate(others))
    return PlainLines(_frame(lines, columns, forms, found), found) if forms else None


def _form_of(lines: _Lines, index: int, known: Sequence[_Form]) -> _Form | None:
    """Returns the form of a line; None where it has none of ours, or is of another journal."""
    match = _FORM.match(lines.raw, lines.starts[index], lines.ends[index])
    if match is None or not _is_narrow(match):
        return None
    form = _Form(match)
    same = not known or all(form.texts[name] == known[0].texts[name] for name in ("provider", "shard"))
    return form if same else None


def _is_narrow(match: re.Match[bytes]) -> bool:
    """Returns whether numbers and symbol have the length that fits their columns for sure."""
    lengths = [match.end(name) - match.start(name) for name in _NUMBERS]
    return max(lengths) <= _DIGITS and len(match["key"]) <= INLINE


def _lines(buffer: bytearray, ends: _Places) -> _Lines:
    starts = np.empty_like(ends)
    starts[:1], starts[1:] = 0, ends[:-1] + 1
    return _Lines(buffer, np.frombuffer(buffer, np.uint8), starts, ends)


def _odd_lines(lines: _Lines) -> npt.NDArray[np.bool_] | None:
    """Returns which lines are surely not plain: escapes, other than ASCII, a tail that is none.

    None where these are many, or where quotes stand in places that cannot be told from here.
    """
    odd = np.zeros(len(lines.ends), bool)
    if not lines.raw.isascii() or b"\\" in lines.raw:
        strange = np.flatnonzero((lines.bytes == ord("\\")) | (lines.bytes >= 128))
        odd[np.searchsorted(lines.ends, strange)] = True
    tails = lines.ends - len(_TAIL)
    odd |= tails < lines.starts
    found = lines.pieces(np.where(odd, 0, tails), len(_TAIL))
    odd |= (found[:, _TAIL_FIXED] != np.frombuffer(_TAIL, np.uint8)[_TAIL_FIXED]).any(axis=1)
    strange_lines = np.flatnonzero(odd)
    if len(strange_lines) * _ODD_SHARE > len(odd):
        return None
    # A plain line has its 36 quotes; as every form has them, one more in a text would make a sum too large.
    quotes = count_of(lines.bytes, ord('"'))
    quotes -= sum(lines.raw.count(b'"', lines.starts[i], lines.ends[i]) for i in strange_lines)
    return odd if quotes == _QUOTES * (len(odd) - len(strange_lines)) else None


def _frame(lines: _Lines, columns: _Columns, forms: Sequence[_Form], others: _Places) -> pl.DataFrame:
    views = columns.payloads
    kept = np.ones(len(views), bool)
    kept[others] = False
    # What ends a payload becomes a newline, so that payloads are lines where they stand (see `lake.runs`).
    lines.bytes[(views["offset"] + views["length"])[kept]] = ord("\n")
    views["prefix"] = lines.pieces(views["offset"].astype(np.int64), 4).view("<u4").ravel()
    fill_short(views, lines.raw, views["offset"].astype(np.int64))
    channels = pl.Series([form.texts["channel"] for form in forms])
    frame = pl.DataFrame(
        {
            "index": pl.Series(np.arange(len(views)), dtype=pl.get_index_type()),
            "v": pl.Series([FORMAT], dtype=pl.Int64).new_from_index(0, len(views)),
            **{
                name: pl.Series(number.view(np.int64))
                for name, number in columns.numbers.items()
                if name != "mono_ns"
            },
            **{
                name: pl.Series([forms[0].texts[name]]).new_from_index(0, len(views))
                for name in ("provider", "shard")
            },
            "channel": channels.gather(columns.channels),
            "key": series_of(columns.keys, []),
            "payload": series_of(views, [pa.py_buffer(lines.raw)]),
        }
    )
    return frame.filter(pl.Series(kept)) if len(others) else frame
