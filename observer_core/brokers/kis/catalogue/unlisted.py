"""Channels whose existence and width are known, and whose field list no source gives (reference, 7.0)."""

from __future__ import annotations

from observer_core.brokers.kis.catalogue.model import Channel, Key, Kind, Venue, Width


def _channel(name: str, kind: Kind, *widths: int, venue: Venue = Venue.KRX, key: Key = Key.STOCK) -> Channel:
    return Channel(name, kind, venue, (), tuple(map(Width, widths)), key=key, time_position=None)


UNLISTED_CHANNELS = (
    _channel("H0UPANC0", Kind.EXPECTED_INDEX, 15, 30, key=Key.INDEX),
    _channel("H0UPPGM0", Kind.INDEX_PROGRAM, 88, key=Key.INDEX),
    _channel("H0STMBC0", Kind.MEMBERS, 78),
    _channel("H0NXMBC0", Kind.MEMBERS, 78, venue=Venue.NXT),
    _channel("H0UNMBC0", Kind.MEMBERS, 78, venue=Venue.UNIFIED),
    _channel("H0STOUP0", Kind.OFF_HOURS_TRADE, 43),
    _channel("H0STOAC0", Kind.OFF_HOURS_EXPECTED_TRADE, 43),
    _channel("H0STOAA0", Kind.OFF_HOURS_BOOK, 54, 58),
    _channel("H0STNAV0", Kind.ETF_NET_ASSET_VALUE, 8),
)
