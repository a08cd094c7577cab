"""What every source of symbols says about one listed instrument.

Invariant: prices are KRW, volumes and share counts are shares, flags are booleans; a source converts
its own units before it makes one of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Market(StrEnum):
    """The market of the KRX an instrument is listed on."""

    KOSPI = "KOSPI"
    KOSDAQ = "KOSDAQ"
    KONEX = "KONEX"


COMMON_SHARE = "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedInstrument:
    """One listed instrument.

    Attributes:
        code: Short code: six characters for a share, letters are possible; longer for others.
        isin: Twelve characters.
        name: Korean name.
        market: Market it is listed on.
        group: Security group, such as `ST` for shares and `EF` for ETF (broker reference, 5.4).
        preferred_class: `0` common, `1` old preferred, `2` new preferred, `9` undocumented.
        spac: Whether it is a special purpose acquisition company.
        suspended: Whether trading is halted.
        liquidation: Whether it is in liquidation trading.
        base_price: Reference price of the day in KRW: the previous close unless rights were cut off.
        previous_volume: Shares traded on the previous trading day.
        listed_shares: Listed shares, exact to a thousand.
    """

    code: str
    isin: str
    name: str
    market: Market
    group: str
    preferred_class: str
    spac: bool
    suspended: bool
    liquidation: bool
    base_price: int
    previous_volume: int
    listed_shares: int
