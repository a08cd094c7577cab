"""Compaction: from sealed journal segments to the lake.

Invariant: every sealed line is in the lake or in quarantine, once, and counted:

    compact_hour   the tables of one receive hour, from all its segments
    open_hours     which hours are over and not compacted as they are now
    close_day      day files from the hours; the hours go
    build_bars     one-minute bars from the trades the lake holds

Each takes a lock on the day, may be repeated at any time, and publishes file by file, each whole.
"""

from observer_core.lake.bars import BarsResult, bars_are_current, build_bars
from observer_core.lake.days import DayResult, close_day
from observer_core.lake.hours import HourResult, compact_hour
from observer_core.lake.pending import hours_to_compact, open_hours, unsealed_segments
from observer_core.lake.receipts import HourReceipt, is_closed, receipts

__all__ = [
    "BarsResult",
    "DayResult",
    "HourReceipt",
    "HourResult",
    "bars_are_current",
    "build_bars",
    "close_day",
    "compact_hour",
    "hours_to_compact",
    "is_closed",
    "open_hours",
    "receipts",
    "unsealed_segments",
]
