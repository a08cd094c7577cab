"""Tells whether a deployment may start now: exit status 0, or 1 with the reason (I-21).

The hours and the calendar are those by which the persistence test refuses to delete pods.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime

from observer_contracts.evidence.live.persistence import FIRST, LAST
from observer_core.clock import KST, open_clock
from observer_core.market.calendar import MarketCalendar


def obstacle(now: datetime) -> str:
    """Returns why no deployment may start at an instant; empty where one may.

    Args:
        now: The instant, with its time zone.
    """
    korea = now.astimezone(KST)
    if MarketCalendar().closure(korea.date()) is not None or not FIRST <= korea.time() <= LAST:
        return ""
    return f"it is {korea:%Y-%m-%d %H:%M} in Korea, and data come from {FIRST:%H:%M} to {LAST:%H:%M}"


def main(words: Sequence[str] | None = None) -> int:
    """Prints the answer for the present instant, or for the given one."""
    parser = argparse.ArgumentParser(
        prog="tools/deployment_window.py", description=__doc__.partition("\n")[0]
    )
    parser.add_argument(
        "--at", type=datetime.fromisoformat, metavar="TIME", help="an instant with its time zone"
    )
    at = parser.parse_args(words).at
    if at is not None and at.tzinfo is None:
        parser.error("--at needs a time zone: 2026-09-15T21:00+09:00")
    reason = obstacle(at or open_clock("real").now())
    print(f"No deployment now: {reason}." if reason else "A deployment may start now.")
    return 1 if reason else 0


if __name__ == "__main__":
    sys.exit(main())
