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
from observer_pipeline.failures import describe

if TYPE_CHECKING:
    from observer_core.backup.dumps import Dump
    from observer_core.backup.objects import Fault
    from observer_core.backup.shipping import Standing
    from observer_core.retention.applying import Applied

_MOST_ROWS = 50
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
    severe = isinstance(error, ConfigurationError)
    yield _result(_ANSWERS, passed=False, severe=severe, text=str(error), metadata=describe(error))


def shipment_checks(now: Standing, damaged: Sequence[Fault]) -> Iterator[dg.AssetCheckResult]:
    """Yields the verdicts after a shipment.

    Args:
        now: How the backup stands.
        damaged: Files that did not leave because they are damaged.
    """
    answered = not now.problem
    yield _result(_ANSWERS, passed=answered, severe=False, text=now.problem or f"{now.target} answers.")
    waits = f"{len(now.overdue)} of {len(now.waiting)} waiting files have waited for more than an hour."
    yield _result(
        _WITHIN_THE_HOUR,
        passed=not now.overdue,
        severe=answered,
        text=waits,
        metadata=_table("waiting", [{"path": one.path, "bytes": one.bytes} for one in now.overdue]),
    )
    yield _result(
        _INTACT,
        passed=not damaged,
        severe=True,
        text=f"{len(damaged)} files are damaged on this node.",
        metadata=_table("damaged", [{"path": one.path, "problem": one.problem} for one in damaged]),
    )
    yield _result(
        _ELSEWHERE,
        passed=not now.same_volume,
        severe=False,
        text=f"{now.target} lies on {'the same' if now.same_volume else 'another'} volume.",
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
    return _result(
        _GOOD_DUMPS,
        passed=not stale and problem is None,
        severe=not isinstance(problem, ExternalError),
        text=text if problem is None else f"{text} {problem}",
        metadata={} if problem is None else describe(problem),
    )


def retention_checks(applied: Applied) -> Iterator[dg.AssetCheckResult]:
    """Yields the verdicts after retention."""
    held = applied.plan.held_back
    yield _result(
        _HELD_BACK,
        passed=not held and not applied.problems,
        severe=False,
        text=" ".join((f"{len(held)} holdings are old enough and stay.", *applied.problems)),
        metadata=_table(
            "held_back",
            [
                {
                    "subject": one.holding.subject.value,
                    "name": one.holding.name,
                    "why": "; ".join(one.reasons),
                }
                for one in held
            ],
        ),
    )
    pressed = applied.plan.pressed
    lowest = min((volume.free_percent for volume in applied.plan.volumes), default=100.0)
    grave = any(volume.free_percent < applied.free_percent * _GRAVE_SHARE for volume in pressed)
    names = ", ".join(f"{volume.name} {volume.free_percent:.1f} %" for volume in pressed)
    yield _result(
        _ROOM,
        passed=not pressed,
        severe=grave,
        text=f"Little room: {names}." if pressed else f"At least {lowest:.0f} % of every volume are free.",
        metadata={"lowest_free_percent": dg.MetadataValue.float(lowest)},
    )


def _table(name: str, rows: Sequence[Mapping[str, str | int]]) -> dict[str, dg.MetadataValue]:
    if not rows:
        return {}
    records = [dg.TableRecord(dict(row)) for row in rows[:_MOST_ROWS]]
    return {name: dg.MetadataValue.table(records), "count": dg.MetadataValue.int(len(rows))}


def _result(
    spec: dg.AssetCheckSpec,
    *,
    passed: bool,
    severe: bool,
    text: str,
    metadata: Mapping[str, dg.MetadataValue] | None = None,
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=spec.asset_key,
        check_name=spec.name,
        passed=passed,
        severity=dg.AssetCheckSeverity.ERROR if severe else dg.AssetCheckSeverity.WARN,
        description=text,
        metadata=dict(metadata or {}),
    )
