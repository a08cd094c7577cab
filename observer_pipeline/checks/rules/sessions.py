"""What must be there at a time of the trading day."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from observer_core.market.calendar import Phase, Session
from observer_pipeline.checks.verdict import Severity, Verdict


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


def hours_complete(expected: Sequence[ExpectedHour], records: Mapping[int, int]) -> Verdict:
    """Judges that every expected hour has sealed segments with records.

    Args:
        expected: The hours that must have data.
        records: Hour -> records of its sealed segments, by their manifests.
    """
    missing = [hour for hour in expected if not records.get(hour.hour)]
    worst = Severity.ERROR if any(hour.severity is Severity.ERROR for hour in missing) else Severity.WARN
    return Verdict(
        passed=not missing,
        severity=worst,
        bound=len(expected),
        observed=len(expected) - len(missing),
        offenders=[{"hour": hour.hour, "records": 0, "severity": hour.severity.value} for hour in missing],
        reason="No sealed records for " + ", ".join(f"{hour.hour:02d}:00" for hour in missing) + "."
        if missing
        else f"All {len(expected)} trading hours that are over have sealed records.",
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
