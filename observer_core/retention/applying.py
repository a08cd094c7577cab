"""Carrying the decisions out.

Invariant: what goes is looked at once more under the lock of its day, in the moment before it goes; a day
disappears at once for every reader (one rename), and what an interrupted run has left is removed by the next.
What is no plain folder of ours is never renamed. A failure about one holding, or about what was left, is told
and leaves the others to go.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from observer_core import logs
from observer_core.backup.inventory import day_in
from observer_core.errors import ObserverError, StorageError
from observer_core.files import sync_folder
from observer_core.journal.departed import keep_manifests
from observer_core.journal.reader import sealed_segments
from observer_core.lake.storage import exclusive
from observer_core.retention.belongings import not_plain
from observer_core.retention.facts import (
    EXPIRING,
    LAKE_TABLES,
    Node,
    journal_obstacles,
    lake_obstacles,
    look,
)
from observer_core.retention.holdings import Decision, Plan, Subject
from observer_core.settings.paths import Paths, Track
from observer_core.warehouse.expiry import drop_day

_GOING = ".going"
_log = logs.logger(__name__)


@dataclass(frozen=True, slots=True)
class Applied:
    """What retention has done.

    Attributes:
        plan: What was to go, and what stays and why.
        gone: What went.
        problems: What could not be looked at, or did not go.
        free_percent: Free room that the policy asks for.
    """

    plan: Plan
    gone: tuple[Decision, ...]
    problems: tuple[str, ...]
    free_percent: int

    @property
    def bytes(self) -> int:
        """Bytes that went."""
        return sum(decision.holding.bytes for decision in self.gone)


def apply(node: Node) -> Applied:
    """Lets everything go that may.

    Args:
        node: What to look at.
    """
    problems = list(_remove_leftovers(node.paths))
    plan, unseen = look(node)
    gone = []
    problems += unseen
    for decision in plan.going:
        holding = decision.holding
        try:
            _let_go(node, decision)
        except (ObserverError, OSError) as error:
            problems.append(f"{holding.subject} {holding.name}: {error}")
            _log.error("retention.failed", subject=holding.subject.value, name=holding.name, error=str(error))
            continue
        gone.append(decision)
        _log.info("retention.gone", subject=holding.subject.value, name=holding.name, bytes=holding.bytes)
    for decision in plan.held_back:
        _log.warning(
            "retention.held_back",
            subject=decision.holding.subject.value,
            name=decision.holding.name,
            reasons=list(decision.reasons),
        )
    return Applied(plan, tuple(gone), tuple(problems), node.policy.free_percent)


def _let_go(node: Node, decision: Decision) -> None:
    holding = decision.holding
    match holding.subject:
        case Subject.JOURNAL:
            _let_journal_go(node, date.fromisoformat(holding.name))
        case Subject.LAKE:
            _let_lake_go(node, date.fromisoformat(holding.name))
        case Subject.LOG:
            (node.paths.settings.log_dir / holding.name).unlink(missing_ok=True)
        case _:
            if node.engine is not None:
                drop_day(node.engine, EXPIRING[holding.subject], date.fromisoformat(holding.name))


def _let_journal_go(node: Node, day: date) -> None:
    with exclusive(node.paths.lake_lock(day)):
        _require_none(journal_obstacles(node, day))
        for track in Track:
            manifests = [sealed.manifest for sealed in sealed_segments(node.paths.journal(track, day))]
            if manifests:
                keep_manifests(node.paths, track, day, manifests)
            _remove_at_once(node.paths.journal(track, day))


def _let_lake_go(node: Node, day: date) -> None:
    paths = node.paths
    with exclusive(paths.lake_lock(day)):
        _require_none(lake_obstacles(node, day))
        for table in LAKE_TABLES:
            _remove_at_once(paths.lake_day(table, day).parent)
        _remove_at_once(paths.quarantine_folder(day))
        # Last: while it is there, the next run finds the day and goes on.
        paths.lake_day_receipt(day).unlink(missing_ok=True)


def _require_none(obstacles: tuple[str, ...]) -> None:
    if obstacles:
        raise StorageError(f"It changed since it was looked at: {'; '.join(obstacles)}.")


def _remove_at_once(folder: Path) -> None:
    """Removes a folder so that no reader sees a part of it.

    Raises:
        StorageError: It is no plain folder, or cannot be removed. One that is whole is shown again.
    """
    if problem := not_plain(folder):
        raise StorageError(f"{problem}.")
    if not folder.is_dir():
        return
    hidden, names = folder.with_name(f".{folder.name}{_GOING}"), _names(folder)
    os.replace(folder, hidden)
    sync_folder(folder.parent)
    try:
        shutil.rmtree(hidden)
    except OSError as error:
        if _names(hidden) == names:
            os.replace(hidden, folder)
        raise _stuck(hidden, error) from error


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _stuck(hidden: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{hidden} cannot be removed: {error}.",
        remedy="Give the run's user the right to, or remove it: nothing reads what retention has hidden, and "
        "the next run tries again.",
    )


def _remove_leftovers(paths: Paths) -> Iterator[str]:
    """Removes what an interrupted run has hidden; yields what cannot be."""
    roots = [*(paths.journal(track) for track in Track), paths.quarantine]
    roots += [paths.lake_table(table) for table in LAKE_TABLES]
    for root in roots:
        for path in root.glob(f".*{_GOING}"):
            name = path.name.removeprefix(".").removesuffix(_GOING)
            if day_in(name) is None:
                continue
            try:
                _remove_leftover(path, path.with_name(name))
            except StorageError as error:
                _log.error("retention.leftover", path=str(path), error=str(error))
                yield str(error)


def _remove_leftover(hidden: Path, shown: Path) -> None:
    try:
        if not hidden.is_symlink():
            shutil.rmtree(hidden)
        elif os.path.lexists(shown):
            raise StorageError(
                f"{hidden} is a symbolic link, and {shown.name} is there as well.",
                remedy="See what it leads to, and remove the link.",
            )
        else:
            # An older version hid the link, while the day behind it is whole.
            os.replace(hidden, shown)
            sync_folder(shown.parent)
    except OSError as error:
        raise _stuck(hidden, error) from error
