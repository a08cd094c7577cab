"""What the accounting keeps of a symbol, and what it finds.

Invariant: plain figures only, in shares, KRW and numbers of trades; they survive a manifest.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(slots=True)
class Account:
    """What is known of one symbol on one channel and business date.

    Attributes:
        business_date: `YYYYMMDD` as the broker states it.
        trade_time: `HHMMSS` of the last trade.
        last_ns: Receive time of the last trade.
        volume: Its cumulative volume in shares.
        value: Its cumulative value in KRW.
        sell_trades: Its cumulative number of sell-initiated trades.
        buy_trades: Its cumulative number of buy-initiated trades.
        sell_volume: Its cumulative sell-initiated volume.
        buy_volume: Its cumulative buy-initiated volume.
        trades: Trades received that continued the day.
        captured: Their shares.
        before_slot: Shares traded before the first trade received.
        holes: Breaks of continuity.
        hole_shares: Shares missing in them.
        duplicates: Trades received again or out of order.
        resets: Restarts of the cumulative volume at a lower figure.
        volume_before_reset: Cumulative volume that the resets left behind.
        contradictions: Trades whose figures do not follow from the trade before, and show no hole.
    """

    business_date: str
    trade_time: str
    last_ns: int
    volume: int
    value: int
    sell_trades: int
    buy_trades: int
    sell_volume: int
    buy_volume: int
    trades: int = 0
    captured: int = 0
    before_slot: int = 0
    holes: int = 0
    hole_shares: int = 0
    duplicates: int = 0
    resets: int = 0
    volume_before_reset: int = 0
    contradictions: int = 0


@dataclass(frozen=True, slots=True)
class Hole:
    """A break of continuity with its exact size.

    Attributes:
        channel: The channel.
        symbol: The symbol.
        business_date: `YYYYMMDD`.
        from_cumulative: Cumulative volume up to which everything was received.
        to_cumulative: Cumulative volume from which everything is received again.
        shares: Shares missing.
        value: KRW missing.
        trades: Trades missing that had a side.
        sell_trades: Sell-initiated trades missing.
        buy_trades: Buy-initiated trades missing.
        sell_volume: Sell-initiated shares missing.
        buy_volume: Buy-initiated shares missing.
        last_good_ns: Receive time of the last trade before the hole.
        first_seen_ns: Receive time of the trade that revealed it.
        phase: Phase of the market at that time.
    """

    channel: str
    symbol: str
    business_date: str
    from_cumulative: int
    to_cumulative: int
    shares: int
    value: int
    trades: int
    sell_trades: int
    buy_trades: int
    sell_volume: int
    buy_volume: int
    last_good_ns: int
    first_seen_ns: int
    phase: str

    def to_json(self) -> dict[str, Any]:
        """Returns the payload of the hole's control record."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Reset:
    """The cumulative volume restarted at a lower figure within a business date (unconfirmed, 8.1)."""

    channel: str
    symbol: str
    from_cumulative: int
    to_cumulative: int
    first_seen_ns: int


Finding = Hole | Reset
