"""What can be registered, and what a configuration asks for (broker reference, 6.7 and 7.0).

Invariant: a text that names a registration is either a pair of the documented shape or an error that
says what is wrong with it. A channel that the catalogue does not know yet can be registered too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from observer_core.brokers.kis.catalogue import CHANNELS

_CHANNEL = re.compile(r"H0[A-Z0-9]{6}", re.ASCII)
_KEY = re.compile(r"[0-9A-Z]{4,9}", re.ASCII)
_BETWEEN, _AND = ":", "+"


class Pair(NamedTuple):
    """One registration: the broker counts pairs of channel and symbol."""

    channel: str
    symbol: str


def read_channel(text: str) -> str:
    """Returns a channel.

    Raises:
        ValueError: It has not the shape of one.
    """
    if not _CHANNEL.fullmatch(text):
        raise ValueError(f"{text!r} is no channel; a channel is H0 and six letters or digits, as H0STCNT0")
    return text


def read_pair(text: str) -> Pair:
    """Returns the registration that `CHANNEL:KEY` names; raises ValueError."""
    channel, _, key = text.partition(_BETWEEN)
    return Pair(read_channel(channel), _read_key(key, channel))


def read_pinned(texts: Iterable[str], channels: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """Returns the channels of each pinned symbol, in the order of the symbols.

    Args:
        texts: `SYMBOL`, or `SYMBOL:CHANNEL+CHANNEL` where a symbol has channels of its own.
        channels: Channels of a symbol without its own.

    Raises:
        ValueError: A text names no symbol or no channel.
    """
    pinned: dict[str, tuple[str, ...]] = {}
    for text in texts:
        symbol, own, names = text.partition(_BETWEEN)
        chosen = tuple(map(read_channel, names.split(_AND))) if own else tuple(channels)
        for channel in chosen:
            _read_key(symbol, channel)
        pinned[symbol] = tuple(dict.fromkeys(chosen))
    return pinned


def _read_key(key: str, channel: str) -> str:
    known = CHANNELS.get(channel)
    pattern = _KEY if known is None else known.key.pattern
    if not pattern.fullmatch(key):
        kind = "key" if known is None else f"{known.key.value} key"
        raise ValueError(f"{key!r} is no {kind} of {channel}")
    return key
