"""Trading days of the Korean exchange as partitions.

Invariant: a key is the date of a KRX session, YYYY-MM-DD; a weekend or a holiday is no key at all, so
a run for one is refused before it starts. Nothing is excluded by hand: the exclusions are the
calendar's closures.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import dagster as dg

from observer_core.market.calendar import KNOWN_THROUGH, MarketCalendar

TIME_ZONE = "Asia/Seoul"
KEY_FORMAT = "%Y-%m-%d"

# The first session of 2026: the deployment's predecessor left nothing that could be compacted.
FIRST_DAY = date(2026, 1, 2)

# Each day is compacted, closed and judged for itself; a backfill of a month is a run a day, one after the
# other on a small node (helm-values/dagster.yaml, docs/decisions/0034-wide-backfills-by-runs.md).
ONE_DAY_A_RUN = dg.BackfillPolicy.multi_run(max_partitions_per_run=1)

_MIDNIGHT_OF_EVERY_DAY = "0 0 * * *"
_SATURDAYS_AND_SUNDAYS = "0 0 * * 6,0"


def trading_days(*, clock_is_virtual: bool) -> dg.TimeWindowPartitionsDefinition:
    """Returns the partitions of every asset that belongs to a trading day.

    On the real clock the last key is that of today's session, from midnight on, or of the next session on a
    closed day (`end_offset` 1): no later day shows as missing. Dagster compares with the machine's own date,
    which a virtual clock does not follow: there, every session that the calendar knows is a key, whatever the
    machine's date.

    Args:
        clock_is_virtual: Whether the processes of this deployment run on a shared virtual time.
    """
    calendar = MarketCalendar()
    span = (FIRST_DAY + timedelta(days=offset) for offset in range((KNOWN_THROUGH - FIRST_DAY).days + 1))
    closed_weekdays = [day for day in span if day.weekday() < 5 and not calendar.is_trading_day(day)]
    sessions = len(calendar.trading_days(FIRST_DAY, KNOWN_THROUGH))
    return dg.TimeWindowPartitionsDefinition(
        start=datetime.combine(FIRST_DAY, time()),
        end=datetime.combine(KNOWN_THROUGH + timedelta(days=1), time()),
        fmt=KEY_FORMAT,
        timezone=TIME_ZONE,
        cron_schedule=_MIDNIGHT_OF_EVERY_DAY,
        end_offset=sessions if clock_is_virtual else 1,
        exclusions=[_SATURDAYS_AND_SUNDAYS, *(datetime.combine(day, time()) for day in closed_weekdays)],
    )


def no_partition(day: date) -> str:
    """Returns why a day is no partition, in words; empty where it is one."""
    closure = MarketCalendar().closure(day)
    if closure is not None:
        return closure
    if day > KNOWN_THROUGH:
        return f"after {key_of(KNOWN_THROUGH)}, the end of the trading calendar"
    return f"before {key_of(FIRST_DAY)}, the first day of this deployment" if day < FIRST_DAY else ""


def day_of(partition_key: str) -> date:
    """Returns the trading day of a partition key."""
    return date.fromisoformat(partition_key)


def key_of(day: date) -> str:
    """Returns the partition key of a trading day."""
    return day.strftime(KEY_FORMAT)
