"""Which dumps of a database are kept.

Invariant: pure. The newest dump always stays, whatever its age; of the last days with a dump the last one of
each, and of the last weeks the last one of each.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime


def kept(made_at: Iterable[datetime], *, daily: int, weekly: int) -> set[datetime]:
    """Returns the instants of the dumps that stay.

    Args:
        made_at: When each good dump of one database was made, Korean time.
        daily: Days with a dump, counted back from the newest, of which the last dump stays.
        weekly: The same of ISO weeks.
    """
    newest_first = sorted(made_at, reverse=True)
    days: dict[object, datetime] = {}
    weeks: dict[object, datetime] = {}
    for moment in newest_first:
        days.setdefault(moment.date(), moment)
        weeks.setdefault(moment.isocalendar()[:2], moment)
    return {*newest_first[:1], *list(days.values())[:daily], *list(weeks.values())[:weekly]}
