"""What must be there at a time of the trading day."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from observer_core.market.calendar import Phase, Session
from observer_pipeline.checks.verdict import Severity, Verdict

# The feed of forty liquid symbols and a sweep a minute are never silent for so long while shares trade; the
# end of a thin evening may be.
BEGINS_WITHIN = ENDS_WITHIN = timedelta(minutes=15)
EVENING_ENDS_WITHIN = timedelta(minutes=30)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class ExpectedHour:
    """An hour of the day that must have data, and how bad it is when it has none."""

    hour: int
    severity: Severity


def expected_hours(session: Session, now: datetime) -> list[ExpectedHour]:
    """Returns the hours of a session that are over and in which liquid symbols trade.

    Continuous trading is certain to bring data; the after-market of a thin day is not, so that its
    empty hour is a warning (broker reference, section 8).
    """
    expected = []
    for hour in range(24):
        begins = session.at(datetime.min.time().replace(hour=hour))
        if begins + timedelta(hours=1) > now:
            break
        phases = {session.phase((begins + timedelta(minutes=minute)).time()) for minute in range(60)}
        if Phase.CONTINUOUS in phases:
            expected.append(ExpectedHour(hour, Severity.ERROR))
        elif Phase.AFTER_MARKET in phases:
            expected.append(ExpectedHour(hour, Severity.WARN))
    return expected


@dataclass(frozen=True, slots=True)
class SilentEnd:
    """A begin or an end of the day's trading of which nothing was recorded.

    Attributes:
        begins: From when, Korean time.
        ends: Up to when.
        severity: How bad it is.
    """

    begins: datetime
    ends: datetime
    severity: Severity

    @property
    def told(self) -> str:
        minutes = (self.ends - self.begins) // _MINUTE
        return f"{self.begins:%H:%M} to {self.ends:%H:%M} ({minutes} minutes)"


def silent_ends(
    session: Session, now: datetime, recorded: tuple[datetime, datetime] | None
) -> list[SilentEnd]:
    """Returns the ends of a session that have no records for longer than the bound.

    An hour of which a part was recorded is not silent, and a hole is known by the trade after it: only the
    hours themselves can tell of a collector that began too late or ended too early.

    Args:
        session: The hours of the exchange.
        now: The present: the begin is judged an hour after it, the end at once.
        recorded: Receive times of the first and the last line of segments with records; None without any.
    """
    if recorded is None:
        return []
    first, last = recorded
    opens, closes = session.at(session.opens), session.at(session.closes)
    evening = None if session.after_market_to is None else session.at(session.after_market_to)
    ends, bound = (closes, ENDS_WITHIN) if evening is None else (evening, EVENING_ENDS_WITHIN)
    found = []
    if now >= opens + timedelta(hours=1) and first > opens + BEGINS_WITHIN:
        found.append(SilentEnd(opens, first, Severity.ERROR))
    if now >= ends and last < closes - ENDS_WITHIN:
        found.append(SilentEnd(last, ends, Severity.ERROR))
    elif now >= ends and last < ends - bound:
        found.append(SilentEnd(last, ends, Severity.WARN))
    return found


def hours_complete(
    expected: Sequence[ExpectedHour], records: Mapping[int, int], ends: Sequence[SilentEnd] = ()
) -> Verdict:
    """Judges that every expected hour has sealed segments with records, from its begin to its end.

    Args:
        expected: The hours that must have data.
        records: Hour -> records of its sealed segments, by their manifests.
        ends: The begin and the end of the session that have none.
    """
    missing = [hour for hour in expected if not records.get(hour.hour)]
    severities = {*(hour.severity for hour in missing), *(one.severity for one in ends)}
    told = (
        [f"No sealed records for {', '.join(f'{hour.hour:02d}:00' for hour in missing)}."] if missing else []
    )
    told += [f"Nothing was recorded from {one.told}." for one in ends]
    return Verdict(
        passed=not missing and not ends,
        severity=Severity.ERROR if Severity.ERROR in severities else Severity.WARN,
        bound=_bound(len(expected)),
        observed="; ".join(
            [f"{len(expected) - len(missing)} hours", *(f"silent {one.told}" for one in ends)]
        ),
        offenders=[
            *({"hour": hour.hour, "silent": "all", "severity": hour.severity.value} for hour in missing),
            *({"hour": one.begins.hour, "silent": one.told, "severity": one.severity.value} for one in ends),
        ],
        reason=" ".join(told) or f"All {len(expected)} trading hours that are over have sealed records.",
    )


def _bound(hours: int) -> str:
    begin, end, evening = (one // _MINUTE for one in (BEGINS_WITHIN, ENDS_WITHIN, EVENING_ENDS_WITHIN))
    return (
        f"{hours} hours; the first record at most {begin} minutes after the opening, the last at most {end} "
        f"before the close and {evening} before the end of the evening"
    )


def all_sealed(open_segments: Collection[str], *, still_written: int, day_is_over: bool) -> Verdict:
    """Judges that no segment of a finished hour is still open.

    Args:
        open_segments: Names of the open segments whose hour is over.
        still_written: Open segments of the present hour, which are as they should be.
        day_is_over: Whether the last data of the day was due already.
    """
    present = (
        f" {still_written} segments of the present hour follow once it is over." if still_written else ""
    )
    return Verdict(
        passed=not open_segments,
        severity=Severity.ERROR if day_is_over else Severity.WARN,
        bound=0,
        observed=len(open_segments),
        offenders=[{"segment": name} for name in sorted(open_segments)],
        reason="The collector has not sealed a finished hour: it is stopped, or its volume is full."
        if open_segments
        else f"Every finished hour is sealed.{present}",
    )


def nothing_waits(segments: Collection[str], *, day_is_over: bool) -> Verdict:
    """Judges that no sealed segment of a finished hour waits for the lake.

    Args:
        segments: Names of those that wait.
        day_is_over: Whether the last data of the day was due already.
    """
    return Verdict(
        passed=not segments,
        severity=Severity.ERROR if day_is_over else Severity.WARN,
        bound=0,
        observed=len(segments),
        offenders=[{"segment": name} for name in sorted(segments)],
        reason=f"{len(segments)} sealed segments are not in the lake yet."
        if segments
        else "Every finished hour is in the lake.",
    )


def fresh(session: Session, now: datetime, rows: Mapping[int, int], *, grace: timedelta) -> Verdict:
    """Judges that a table has rows of every trading hour that is over for a while.

    Args:
        session: The hours of the exchange.
        now: The present.
        rows: Hour -> rows.
        grace: How long after its end an hour may still be on its way.
    """
    due = expected_hours(session, now - grace)
    missing = [hour for hour in due if not rows.get(hour.hour)]
    newest = max((hour for hour, count in rows.items() if count), default=None)
    told = "nothing yet" if newest is None else f"{newest:02d}:00"
    return Verdict(
        passed=not missing,
        severity=Severity.ERROR
        if any(hour.severity is Severity.ERROR for hour in missing)
        else Severity.WARN,
        bound=f"{due[-1].hour:02d}:00" if due else "nothing is due",
        observed=told,
        offenders=[{"hour": hour.hour, "severity": hour.severity.value} for hour in missing],
        reason="No rows of " + ", ".join(f"{hour.hour:02d}:00" for hour in missing) + f"; the newest: {told}."
        if missing
        else f"All {len(due)} trading hours that are due have rows.",
    )


def ready(path: Path, now: datetime, *, deadline: datetime) -> Verdict:
    """Judges that a file of the day is there by a time.

    Args:
        path: The file.
        now: The present.
        deadline: When it must be there.
    """
    there = path.exists()
    return Verdict(
        passed=there or now < deadline,
        severity=Severity.ERROR,
        bound=f"{deadline:%H:%M}",
        observed="there" if there else "missing",
        offenders=() if there or now < deadline else [{"file": str(path)}],
        reason=f"{path.name} is there."
        if there
        else f"{path.name} is not there yet; it is due at {deadline:%H:%M}."
        if now < deadline
        else f"{path} is missing since {deadline:%H:%M}: refresh_reference has not run, or has failed.",
    )
