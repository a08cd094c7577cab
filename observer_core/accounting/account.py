"""What the accounting keeps of a symbol, and what it finds.

Invariant: plain figures only, in shares, KRW and numbers of trades; they survive a manifest.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """What a hole means to an operator."""

    ALARM = "alarm"
    REPORT = "report"


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
        holes: Breaks of continuity while somebody listened.
        hole_shares: Shares missing in them.
        unwatched_shares: Shares traded while nobody listened.
        watched: Whether the symbol holds a slot; what it trades without one is no loss.
        duplicates: Trades received again or out of order.
        resets: Restarts of the cumulative volume at a lower figure.
        volume_before_reset: Cumulative volume that the resets left behind.
        contradictions: Trades whose figures do not follow from the trade before, and show no hole.
        session: The market session in which the account was last opened, broken or restarted.
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
    session: str = ""
    unwatched_shares: int = 0
    watched: bool = True


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
        session: Market session that the trade stated; empty where its record is too short to.
        from_time: `HHMMSS` of the last trade before the hole; empty where there is none.
        to_time: `HHMMSS` of the trade that revealed it.
        severity: Whether it is a fault (`alarm`) or only told (`report`).
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
    session: str = ""
    from_time: str = ""
    to_time: str = ""
    severity: Severity = Severity.REPORT

    def to_json(self) -> dict[str, Any]:
        """Returns the payload of the hole's control record."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Reset:
    """The cumulative volume restarted at a lower figure within a business date (unconfirmed, 8.1).

    Attributes:
        channel: The channel.
        symbol: The symbol.
        from_cumulative: Cumulative volume that was left behind.
        to_cumulative: Cumulative volume of the first trade after it.
        first_seen_ns: Its receive time.
        session: The session that it stated; empty where its record is too short to.
        expected: Whether a restart in this session is one that the settings expect.
        hole: What the new session had traded before that trade, where a restart was expected.
    """

    channel: str
    symbol: str
    from_cumulative: int
    to_cumulative: int
    first_seen_ns: int
    session: str
    expected: bool
    hole: Hole | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns the payload of the reset's control record; its hole has a record of its own."""
        return {name: value for name, value in asdict(self).items() if name != "hole"}


Finding = Hole | Reset


def hole_of(finding: Finding | None) -> Hole | None:
    """Returns the hole in a finding, if there is one."""
    return finding.hole if isinstance(finding, Reset) else finding
