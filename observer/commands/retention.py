"""`observer retention`: what has done its duty on the node goes.

Invariant: `plan` removes nothing; `apply` removes what `plan` shows as going, after looking once more.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from observer_core import logs
from observer_core.clock import open_clock
from observer_core.settings import (
    BackupSettings,
    DatabaseSettings,
    Paths,
    PathSettings,
    RetentionSettings,
    ServiceSettings,
)

if TYPE_CHECKING:
    from observer_core.retention.facts import Node
    from observer_core.retention.holdings import Decision, Plan

_MEGABYTE = 1 << 20


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `retention plan` and `retention apply`."""
    parser = subparsers.add_parser("retention", help="remove what is verified, shipped and old enough")
    choices = parser.add_subparsers(dest="retention_command", metavar="COMMAND", required=True)
    for name, summary in (
        ("plan", "show what would go, and why the rest stays; removes nothing"),
        ("apply", "remove what may go; exit 1 if something could not be removed or looked at"),
    ):
        choice = choices.add_parser(name, help=summary)
        choice.add_argument("--no-database", action="store_true", help="leave PostgreSQL out")


def run(arguments: argparse.Namespace) -> int:
    """Runs the chosen command.

    Returns:
        0 done, 1 something could not be removed or looked at.
    """
    from observer_core.retention.applying import apply
    from observer_core.retention.facts import look

    paths = Paths(PathSettings.load())
    paths.require_mounts()
    logs.configure(ServiceSettings.load(), program="retention", folder=paths.settings.maintenance_log_dir)
    node = _node(paths, with_database=not arguments.no_database)
    if arguments.retention_command == "plan":
        plan, problems = look(node)
        _show(plan, verb="would go")
    else:
        applied = apply(node)
        plan, problems = applied.plan, applied.problems
        _show(plan, verb="to go")
        print(f"{len(applied.gone)} went, {applied.bytes / _MEGABYTE:,.1f} MB.")
    for problem in problems:
        print(f"problem   {problem}")
    return int(bool(problems))


def _node(paths: Paths, *, with_database: bool) -> Node:
    from observer_core.backup.opening import open_target
    from observer_core.retention.departures import Departures
    from observer_core.retention.facts import Node
    from observer_core.warehouse import connect

    backup, database = BackupSettings.load(), DatabaseSettings.load()
    logs.hide((backup.access_key, backup.secret_key, database.password))
    return Node(
        paths=paths,
        policy=RetentionSettings.load(),
        departures=Departures.look(paths, open_target(backup)),
        engine=connect(database) if with_database else None,
        today=open_clock(ServiceSettings.load().clock).now().date(),
    )


def _show(plan: Plan, *, verb: str) -> None:
    for decision in plan.decisions:
        print(_line(decision, verb))
    for volume in plan.volumes:
        short = "  LITTLE ROOM: nothing goes earlier because of it" if volume in plan.pressed else ""
        print(f"{volume.free_percent:>5.1f} % free  {volume.name}{short}")


def _line(decision: Decision, verb: str) -> str:
    holding = decision.holding
    what = f"{holding.subject:<16} {holding.name:<24} {holding.bytes / _MEGABYTE:>10,.1f} MB"
    return f"{what}  {verb}" if decision.goes else f"{what}  stays: {'; '.join(decision.reasons)}"
