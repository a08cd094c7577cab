"""Sync windows of Argo CD: at which minutes of a week a synchronisation is refused.

Invariant: no window closes more than it does for certain: one that does not come every week closes nothing,
and one that opens is open whenever it might be.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

WEEK_MINUTES = 7 * 24 * 60
_PART = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/(\d+))?")
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[hms])+")
_SECONDS = {"h": 3600, "m": 60, "s": 1}
_DAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_MINUTE, _HOUR, _DAY_OF_MONTH, _MONTH, _WEEKDAY = (0, 59), (0, 23), (1, 31), (1, 12), (0, 7)


@dataclass(frozen=True, slots=True)
class SyncWindow:
    """A window as its project describes it.

    Attributes:
        allows: Whether it opens; else it closes.
        minutes: Minutes of the hour at which it begins.
        hours: Hours at which it begins.
        weekdays: Days on which it begins, 0 for Sunday.
        every_week: Whether it begins on those days of every week.
        length: How long it lasts.
        zone: Whose time its schedule is in.
        by_hand: Whether a person may synchronise although it is closed.
    """

    allows: bool
    minutes: frozenset[int]
    hours: frozenset[int]
    weekdays: frozenset[int]
    every_week: bool
    length: timedelta
    zone: ZoneInfo
    by_hand: bool

    def spans(self, monday: datetime) -> Iterator[tuple[int, int]]:
        """Yields from which to which minute of a week it lasts, those that reach into the week included.

        Args:
            monday: The week's first instant, with its time zone.
        """
        first = monday.astimezone(self.zone).date() - self.length - timedelta(days=1)
        length = int(self.length.total_seconds() // 60)
        for number in range((self.length + timedelta(days=10)).days + 1):
            day = first + timedelta(days=number)
            if day.isoweekday() % 7 not in self.weekdays:
                continue
            for hour in self.hours:
                for minute in self.minutes:
                    start = datetime(day.year, day.month, day.day, hour, minute, tzinfo=self.zone)
                    begin = int((start - monday).total_seconds() // 60)
                    yield begin, begin + length


def read_window(kind: str, schedule: str, duration: str, zone: str, *, by_hand: bool) -> SyncWindow:
    """Reads what a project says of a window.

    Args:
        kind: `allow` or `deny`.
        schedule: When it begins, as cron's five fields.
        duration: How long it lasts, as `13h10m`.
        zone: The schedule's time zone; UTC where empty, as Argo CD takes it.
        by_hand: Whether a person may synchronise in it.

    Raises:
        ValueError: One of them cannot be read; the message names it.
    """
    if kind not in ("allow", "deny"):
        raise ValueError("kind is neither allow nor deny")
    if not _DURATION.fullmatch(duration):
        raise ValueError("duration is none")
    seconds = sum(float(part[:-1]) * _SECONDS[part[-1]] for part in re.findall(r"[\d.]+[hms]", duration))
    try:
        found = ZoneInfo(zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError("timeZone is unknown") from None
    fields = schedule.split()
    if len(fields) != 5:
        raise ValueError("schedule has not five fields")
    minutes, hours, days, months, weekdays = (
        _numbers(field, *limits)
        for field, limits in zip(fields, (_MINUTE, _HOUR, _DAY_OF_MONTH, _MONTH, _WEEKDAY), strict=True)
    )
    every_day = len(days) == 31
    every_week = every_day and len(months) == 12
    on = frozenset(day % 7 for day in weekdays)
    # Of day and weekday cron takes either, where both are named.
    return SyncWindow(
        kind == "allow", minutes, hours, on if every_day else frozenset(range(7)), every_week,
        timedelta(seconds=seconds), found, by_hand,
    )  # fmt: skip


def _numbers(field: str, least: int, most: int) -> frozenset[int]:
    found: set[int] = set()
    for part in field.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError("schedule cannot be read")
        first, last, step = match.groups()
        begin = _number(first) if first else least
        end = _number(last) if last else begin if first and not step else most
        if not least <= begin <= end <= most or step == "0":
            raise ValueError("schedule cannot be read")
        found |= set(range(begin, end + 1, int(step or 1)))
    return frozenset(found)


def _number(word: str) -> int:
    if word.isdigit():
        return int(word)
    if word.lower() not in _DAYS:
        raise ValueError("schedule cannot be read")
    return _DAYS[word.lower()]


def open_minutes(windows: Iterable[SyncWindow], monday: datetime) -> set[int]:
    """Returns the minutes of a week at which a synchronisation starts by itself.

    A closing window is stronger than an opening one; with any opening one, the rest of the time is closed.
    """
    given = list(windows)
    closed = _covered((window for window in given if not window.allows and window.every_week), monday)
    opening = [window for window in given if window.allows]
    opened = _covered(opening, monday) if opening else set(range(WEEK_MINUTES))
    return opened - closed


def _covered(windows: Iterable[SyncWindow], monday: datetime) -> set[int]:
    found: set[int] = set()
    for window in windows:
        for begin, end in window.spans(monday):
            found.update(range(max(begin, 0), min(end, WEEK_MINUTES)))
    return found
