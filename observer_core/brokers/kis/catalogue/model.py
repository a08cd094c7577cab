"""What the catalogue says about a channel.

Invariant: field names are unique within a channel, and no known width exceeds the field list.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class FieldType(StrEnum):
    """How a value is written, and what it becomes when decoded. An empty value becomes None."""

    TEXT = "text"
    CODE = "code"
    INTEGER = "integer"
    DECIMAL = "decimal"
    TIME = "time"
    DATE = "date"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Field:
    """One value of a record.

    Attributes:
        broker_name: Name in the broker's tables.
        name: Clear English name: the column of the lake.
        type: Written form.
        unit: Unit of a number; empty for everything else.
        required: Whether a record without it says nothing and is refused.
    """

    broker_name: str
    name: str
    type: FieldType
    unit: str = ""
    required: bool = False


class Kind(StrEnum):
    """What a channel tells."""

    TRADE = "trade"
    EXPECTED_TRADE = "expected_trade"
    BOOK = "book"
    MARKET_OPERATION = "market_operation"
    PROGRAM = "program"
    INDEX = "index"
    EXPECTED_INDEX = "expected_index"
    INDEX_PROGRAM = "index_program"
    MEMBERS = "members"
    EXECUTION_NOTICE = "execution_notice"
    OFF_HOURS_TRADE = "off_hours_trade"
    OFF_HOURS_EXPECTED_TRADE = "off_hours_expected_trade"
    OFF_HOURS_BOOK = "off_hours_book"
    ETF_NET_ASSET_VALUE = "etf_net_asset_value"


class Venue(StrEnum):
    """Whose market a channel shows."""

    KRX = "KRX"
    NXT = "NXT"
    UNIFIED = "UNIFIED"


class Key(StrEnum):
    """What a channel is registered with (`tr_key`)."""

    STOCK = "stock"
    INDEX = "index"
    CUSTOMER = "customer"

    @property
    def pattern(self) -> re.Pattern[str]:
        """What the symbol inside a record looks like (broker reference, 6.1 and 7.1)."""
        return _PATTERNS[self]


_PATTERNS = {
    Key.STOCK: re.compile(r"Q?[0-9A-Z]{6}", re.ASCII),
    Key.INDEX: re.compile(r"[0-9A-Z]{4}", re.ASCII),
    Key.CUSTOMER: re.compile(r"[0-9A-Z]{6,9}", re.ASCII),
}


@dataclass(frozen=True, slots=True)
class Width:
    """A number of values a record is known to have had.

    Attributes:
        values: Values of a record.
        since: First day of it; None where no source names the day.
    """

    values: int
    since: date | None = None


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel.

    Attributes:
        name: The broker's `tr_id`.
        kind: What it tells.
        venue: Whose market it shows.
        fields: Its values by position; empty where no source lists them.
        widths: Known widths, oldest first.
        key: What it is registered with.
        symbol_position: Position of the symbol in a record.
        time_position: Position of the time that never decreases inside a frame; None without one.
    """

    name: str
    kind: Kind
    venue: Venue
    fields: tuple[Field, ...]
    widths: tuple[Width, ...]
    key: Key = Key.STOCK
    symbol_position: int = 0
    time_position: int | None = 1

    @property
    def smallest_width(self) -> int:
        """Fewest values a record ever had; one with fewer is truncated."""
        return min(width.values for width in self.widths)

    def accepts(self, width: int) -> bool:
        """Returns whether a record of that many values can be read by position.

        A wider record than known is read, with the rest as extra values. Twice the smallest width is
        no longer one record: the frame's count is wrong.
        """
        return self.smallest_width <= width < 2 * self.smallest_width
