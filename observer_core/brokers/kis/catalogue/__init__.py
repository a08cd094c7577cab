"""Every websocket channel of the broker and its values, in their exact order (broker reference, 7).

Invariant: a channel's fields are listed by position and only ever grow at the end; a record is read
by the width of its frame, so that a wider record keeps its new values and a narrower, older one has
its last fields missing. The English names are the column names of the lake: one meaning has one name
in all channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from observer_core.brokers.kis.catalogue.book import BOOK_CHANNELS
from observer_core.brokers.kis.catalogue.event import EVENT_CHANNELS
from observer_core.brokers.kis.catalogue.executions import (
    ASKED_FIELDS,
    EXECUTION_FIELDS,
    EXECUTIONS_CHANNEL,
    MINUTE_BARS_CHANNEL,
)
from observer_core.brokers.kis.catalogue.index import INDEX_CHANNELS
from observer_core.brokers.kis.catalogue.model import Channel, Field, FieldType, Key, Kind, Venue, Width
from observer_core.brokers.kis.catalogue.multi_price import MULTI_PRICE_CHANNEL, MULTI_PRICE_FIELDS
from observer_core.brokers.kis.catalogue.notice import NOTICE_CHANNELS
from observer_core.brokers.kis.catalogue.trade import TRADE_CHANNELS
from observer_core.brokers.kis.catalogue.unlisted import UNLISTED_CHANNELS

CHANNELS: Mapping[str, Channel] = MappingProxyType(
    {
        channel.name: channel
        for channel in (
            *TRADE_CHANNELS,
            *BOOK_CHANNELS,
            *EVENT_CHANNELS,
            *INDEX_CHANNELS,
            *NOTICE_CHANNELS,
            *UNLISTED_CHANNELS,
        )
    }
)

__all__ = [
    "ASKED_FIELDS",
    "CHANNELS",
    "EXECUTIONS_CHANNEL",
    "EXECUTION_FIELDS",
    "MINUTE_BARS_CHANNEL",
    "MULTI_PRICE_CHANNEL",
    "MULTI_PRICE_FIELDS",
    "Channel",
    "Field",
    "FieldType",
    "Key",
    "Kind",
    "Venue",
    "Width",
]
