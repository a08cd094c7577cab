"""What is promised of the backup and of retention.

Invariant: a verdict is a pure function of what was seen. What a target or a server outside of Observer has
failed to do is a warning that says so; what lies with us (a damaged segment, files that wait although the
target answers, a target that belongs to another deployment) is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from observer_core.errors import ConfigurationError, ExternalError
from observer_pipeline import keys
from observer_pipeline.checks.results import check_result, failed_by
from observer_pipeline.checks.verdict import Severity
from observer_pipeline.failures import cause_of, describe

if TYPE_CHECKING:
    from observer_core.backup.dumps import Dump
    from observer_core.backup.objects import Fault
    from observer_core.backup.shipping import Standing
    from observer_core.retention.applying import Applied

_ANSWER = "an answer"
# A night, and an hour or two of delay.
_LONGEST_DUMP_HOURS = 26
# Below a third of what is asked for, intake is in danger.
_GRAVE_SHARE = 1 / 3
_HOUR_NS = 3600 * 10**9

_ANSWERS = dg.AssetCheckSpec(
    "target_answers",
    asset=keys.SHIPMENT,
    description="The backup target can be reached, written and read back. Its failure is external, and the "
    "next shipment makes up for it. One that belongs to another deployment is an error of our configuration.",
)
_WITHIN_THE_HOUR = dg.AssetCheckSpec(
    "left_within_the_hour",
    asset=keys.SHIPMENT,
    description="Everything that was sealed or finished more than an hour ago has left the node; a "
    "lost node then costs an hour at most.",
)
_INTACT = dg.AssetCheckSpec(
    "sources_are_intact",
    asset=keys.SHIPMENT,
    description="Every sealed segment on the node still has the SHA-256 of its manifest; a damaged one does "
    "not leave, so that a good copy is never replaced by a bad one.",
)
_ELSEWHERE = dg.AssetCheckSpec(
    "target_is_elsewhere",
    asset=keys.SHIPMENT,
    description="The backup target lies on another volume than the data: a copy on the same disk is lost "
    "with it (incident I-31).",
)
_GOOD_DUMPS = dg.AssetCheckSpec(
    "last_dumps_are_good",
    asset=keys.DUMPS,
    description=f"Each database has a dump that was read back, not older than {_LONGEST_DUMP_HOURS} hours.",
)
_HELD_BACK = dg.AssetCheckSpec(
    "nothing_is_held_back",
    asset=keys.RETENTION,
    description="Nothing that is old enough stays because it is not closed, not verified or not shipped; "
    "whatever stays is named with its reason.",
)
_ROOM = dg.AssetCheckSpec(
    "volumes_have_room",
    asset=keys.RETENTION,
    description="Each volume has as much free room as OBSERVER_RETENTION_FREE_PERCENT asks for (incident "
    "I-33); with less, nothing unverified goes, so that somebody has to act.",
)
SHIPMENT_CHECKS = (_ANSWERS, _WITHIN_THE_HOUR, _INTACT, _ELSEWHERE)
DUMP_CHECKS = (_GOOD_DUMPS,)
RETENTION_CHECKS = (_HELD_BACK, _ROOM)


def target_failed(error: ExternalError | ConfigurationError) -> Iterator[dg.AssetCheckResult]:
    """Yields the verdict on a target that cannot be used; about the files nothing is claimed."""
    yield failed_by(
        _ANSWERS.key,
        error,
        severity=Severity.ERROR if isinstance(error, ConfigurationError) else Severity.WARN,
        reason=str(error),
        bound=_ANSWER,
        observed=f"none: {cause_of(error).value}",
    )


def shipment_checks(now: Standing, damaged: Sequence[Fault]) -> Iterator[dg.AssetCheckResult]:
    """Yields the verdicts after a shipment.

    Args:
        now: How the backup stands.
        damaged: Files that did not leave because they are damaged.
    """
    yield check_result(
        _ANSWERS.key,
        passed=not now.problem,
        severity=Severity.WARN,
        reason=now.problem or f"{now.target} answers.",
        bound=_ANSWER,
        observed=f"none: {now.problem}" if now.problem else _ANSWER,
        offenders=[{"target": str(now.target), "problem": now.problem}] if now.problem else (),
    )
    yield check_result(
        _WITHIN_THE_HOUR.key,
        passed=not now.overdue,
        severity=Severity.WARN if now.problem else Severity.ERROR,
        reason=f"{len(now.overdue)} of {len(now.waiting)} waiting files have waited for more than an hour.",
        bound=0,
        observed=len(now.overdue),
        offenders=[{"path": one.path, "bytes": one.bytes} for one in now.overdue],
    )
    yield check_result(
        _INTACT.key,
        passed=not damaged,
        severity=Severity.ERROR,
        reason=f"{len(damaged)} files are damaged on this node.",
        bound=0,
        observed=len(damaged),
        offenders=[{"path": one.path, "problem": one.problem} for one in damaged],
    )
    place = "the same volume" if now.same_volume else "another volume"
    yield check_result(
        _ELSEWHERE.key,
        passed=not now.same_volume,
        severity=Severity.WARN,
        reason=f"{now.target} lies on {place}.",
        bound="another volume",
        observed=place,
        offenders=[{"target": str(now.target)}] if now.same_volume else (),
    )


def dump_check(
    wanted: Sequence[str],
    newest: Mapping[str, Dump],
    now_ns: int,
    problem: ExternalError | ConfigurationError | None,
) -> dg.AssetCheckResult:
    """Returns the verdict on the dumps at the target.

    Args:
        wanted: The databases.
        newest: Database -> its newest good dump.
        now_ns: The machine's time.
        problem: What failed outside of Observer, or is configured wrong, if anything.
    """
    ages = {name: (now_ns - newest[name].made_ns) / _HOUR_NS for name in wanted if name in newest}
    stale = [name for name in wanted if ages.get(name, _LONGEST_DUMP_HOURS + 1) > _LONGEST_DUMP_HOURS]
    text = f"Without a dump of the last {_LONGEST_DUMP_HOURS} hours: {', '.join(stale) or 'none'}."
    return check_result(
        _GOOD_DUMPS.key,
        passed=not stale and problem is None,
        severity=Severity.WARN if isinstance(problem, ExternalError) else Severity.ERROR,
        reason=text if problem is None else f"{text} {problem}",
        bound=f"{len(wanted)} databases, each dumped within {_LONGEST_DUMP_HOURS} h",
        observed=f"{len(wanted) - len(stale)} of {len(wanted)}",
        offenders=[
            {"database": name, "newest_dump": f"{ages[name]:.1f} h ago" if name in ages else "none"}
            for name in stale
        ],
        more=None if problem is None else describe(problem),
    )


def retention_checks(applied: Applied) -> Iterator[dg.AssetCheckResult]:
    """Yields the verdicts after retention."""
    held = applied.plan.held_back
    offenders = [
        {"subject": one.holding.subject.value, "name": one.holding.name, "why": "; ".join(one.reasons)}
        for one in held
    ]
    offenders += [{"subject": "", "name": "", "why": problem} for problem in applied.problems]
    yield check_result(
        _HELD_BACK.key,
        passed=not offenders,
        severity=Severity.WARN,
        reason=" ".join((f"{len(held)} holdings are old enough and stay.", *applied.problems)),
        bound=0,
        observed=len(offenders),
        offenders=offenders,
    )
    yield _room(applied)


def _room(applied: Applied) -> dg.AssetCheckResult:
    pressed = applied.plan.pressed
    lowest = min((volume.free_percent for volume in applied.plan.volumes), default=100.0)
    grave = any(volume.free_percent < applied.free_percent * _GRAVE_SHARE for volume in pressed)
    names = ", ".join(f"{volume.name} {volume.free_percent:.1f} %" for volume in pressed)
    return check_result(
        _ROOM.key,
        passed=not pressed,
        severity=Severity.ERROR if grave else Severity.WARN,
        reason=f"Little room: {names}." if pressed else f"At least {lowest:.0f} % of every volume are free.",
        bound=f"{applied.free_percent} % free",
        observed=f"{lowest:.1f} % free",
        offenders=[{"volume": one.name, "free_percent": round(one.free_percent, 1)} for one in pressed],
        # As a number, so that Dagster can plot it.
        more={"lowest_free_percent": dg.MetadataValue.float(lowest)},
    )
