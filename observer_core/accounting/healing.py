"""Filling a hole from the broker's list of executions.

Invariant: nothing here asks anybody: pages of executions go in, the next question or the outcome comes out.
A hole is healed only when its executions follow each other without a break from its first to its last
share, and their value is the value that was missing; everything else has a name of its own. A figure that is
none is refused and named: nothing is concluded from a page that holds one.

The list (broker reference, 4.4) gives up to 30 executions up to a second of today, newest first, without an
identity but with the cumulative volume after each. So a second with more executions than a page cannot be
read to its begin: it is named, and the question goes on with the second before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from observer_core.accounting.account import Hole
from observer_core.errors import InputError

# Three thousand executions of one symbol; a larger hole is told as such.
MOST_PAGES = 100
_MIDNIGHT = "000000"
_TIME = re.compile(r"([01][0-9]|2[0-3])([0-5][0-9]){2}")
# So many digits as any number of shares has that 64 bits hold, and any price.
_SHARES = re.compile(r"[0-9]{1,18}")
_PRICE = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?")


class HealingOutcome(StrEnum):
    """What became of a hole."""

    HEALED = "healed"
    BUSY = "busy"
    PARTIAL = "partial"
    UNSERVED = "unserved"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of the broker's list.

    Attributes:
        time: `HHMMSS`.
        price: KRW; a midpoint order may trade at half a won.
        volume: Shares.
        cumulative: Cumulative volume after it.
    """

    time: str
    price: Decimal
    volume: int
    cumulative: int

    @classmethod
    def parse(cls, row: Mapping[str, Any]) -> Execution | None:
        """Returns an execution of `output2`, or None where the row has no time of day and so is none.

        Raises:
            InputError: A figure of it is none.
        """
        time = str(row.get("stck_cntg_hour", ""))
        if not is_time(time):
            return None
        return cls(
            time,
            Decimal(_figure(row, "stck_prpr", _PRICE)),
            int(_figure(row, "cnqn", _SHARES)),
            int(_figure(row, "acml_vol", _SHARES)),
        )


def is_time(text: str) -> bool:
    """Returns whether a text is a time of day, `HHMMSS`."""
    return _TIME.fullmatch(text) is not None


def _figure(row: Mapping[str, Any], field: str, form: re.Pattern[str]) -> str:
    """Returns a figure as text, in figures only: `NaN`, `Infinity` and exponents are none of the broker's."""
    text = str(row.get(field))
    if form.fullmatch(text) is None:
        raise InputError(
            f"The broker's list of executions has {text[:20]!r} as {field}, which is no figure.",
            remedy="Nothing to do: it is asked for again, and given up after ten times.",
        )
    return text


class Healing:
    """The work on one hole.

    Args:
        hole: The hole.

    Attributes:
        until: `HHMMSS` up to which the next page is wanted; None where nothing more is, and where the trade
            that revealed the hole stated no time of day.
        pages: Pages taken.
        busy_seconds: Seconds with more executions than the broker's page.
    """

    def __init__(self, hole: Hole) -> None:
        self.hole = hole
        self.until: str | None = hole.to_time if is_time(hole.to_time) else None
        self._from_time = hole.from_time if is_time(hole.from_time) else _MIDNIGHT
        self.pages = 0
        self.busy_seconds: list[str] = []
        self._found: dict[int, Execution] = {}
        self._largest_page = 0

    def take(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Takes the page that was asked for.

        Raises:
            InputError: A figure of it is none; nothing of the page is taken.
        """
        page = [execution for execution in map(Execution.parse, rows) if execution is not None]
        asked, self.until = self.until, None
        self.pages += 1
        self._largest_page = max(self._largest_page, len(rows))
        if asked is None or not page:
            return
        hole = self.hole
        for execution in page:
            within = hole.from_cumulative < execution.cumulative <= hole.to_cumulative
            if within and self._from_time <= execution.time <= hole.to_time:
                self._found[execution.cumulative] = execution
        oldest = min(page, key=lambda execution: (execution.time, execution.cumulative))
        if oldest.cumulative - oldest.volume <= hole.from_cumulative or oldest.time < self._from_time:
            return
        following = oldest.time
        if following >= asked:
            # How many rows a page holds is not confirmed: one that is smaller than another is the list's end.
            if len(rows) < self._largest_page:
                return
            self.busy_seconds.append(asked)
            following = second_before(asked)
        if following >= self._from_time and self.pages < MOST_PAGES:
            self.until = following

    @property
    def executions(self) -> list[Execution]:
        """The executions of the hole that were found, in their order."""
        return [self._found[cumulative] for cumulative in sorted(self._found)]

    @property
    def shares(self) -> int:
        """Their shares."""
        return sum(execution.volume for execution in self._found.values())

    @property
    def value(self) -> int:
        """Their value, KRW."""
        return int(sum(execution.price * execution.volume for execution in self._found.values()))

    def outcome(self) -> HealingOutcome:
        """Returns what became of the hole."""
        if not self._found:
            return HealingOutcome.BUSY if self.busy_seconds else HealingOutcome.UNSERVED
        missing, overlapping = self._breaks()
        if overlapping or (not missing and self.value != self.hole.value):
            return HealingOutcome.DIFFERS
        if not missing:
            return HealingOutcome.HEALED
        return HealingOutcome.BUSY if self.busy_seconds else HealingOutcome.PARTIAL

    def to_json(self) -> dict[str, Any]:
        """Returns the payload of the control record; `hole` in it names the hole's own record."""
        hole = self.hole
        return {
            "channel": hole.channel,
            "symbol": hole.symbol,
            "business_date": hole.business_date,
            "session": hole.session,
            "first_seen_ns": hole.first_seen_ns,
            "from_cumulative": hole.from_cumulative,
            "to_cumulative": hole.to_cumulative,
            "outcome": self.outcome().value,
            "shares": self.shares,
            "value": self.value,
            "trades": len(self._found),
            "missing_shares": hole.shares - self.shares,
            "busy_seconds": self.busy_seconds,
            "pages": self.pages,
        }

    def _breaks(self) -> tuple[int, bool]:
        """Returns the shares that no execution accounts for, and whether two of them overlap."""
        missing, before, overlapping = 0, self.hole.from_cumulative, False
        for execution in self.executions:
            step = execution.cumulative - execution.volume - before
            missing += max(0, step)
            overlapping |= step < 0
            before = execution.cumulative
        return missing + self.hole.to_cumulative - before, overlapping


def second_before(time: str) -> str:
    """Returns the second before `HHMMSS`; midnight is its own."""
    seconds = max(0, int(time[:2]) * 3600 + int(time[2:4]) * 60 + int(time[4:]) - 1)
    return f"{seconds // 3600:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}"
