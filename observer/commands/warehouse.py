"""`observer warehouse`: the schema of PostgreSQL, who may use it, and the partitions of the days to come.

Invariant: `status` and `missing` change nothing; `migrate` does what every run of the pipeline does before it
loads, and removes nothing unless a version is named.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from observer_core import logs
from observer_core.clock import open_clock
from observer_core.settings import DatabaseSettings, Paths, PathSettings, RetentionSettings, ServiceSettings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from observer_core.warehouse import Readiness, WarehouseTable


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `warehouse status`, `warehouse missing` and `warehouse migrate`."""
    parser = subparsers.add_parser("warehouse", help="bring PostgreSQL up to date, and show who may do what")
    choices = parser.add_subparsers(dest="warehouse_command", metavar="COMMAND", required=True)
    choices.add_parser("status", help="what the database lacks; exit 1 if something; changes nothing")
    choices.add_parser("missing", help="days that PostgreSQL has not as the lake has them; exit 1 if any")
    migrating = choices.add_parser("migrate", help="apply versions, grant rights, make partitions ahead")
    migrating.add_argument(
        "--may-destroy",
        metavar="VERSION",
        action="append",
        default=[],
        help="allow this version to remove or narrow tables, columns or rows; make a dump first",
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs the chosen command.

    Returns:
        0 nothing is missing, 1 something is.
    """
    from observer_core.retention.reloading import lacking_days
    from observer_core.warehouse import connect, prepare, readiness

    settings = DatabaseSettings.load()
    logs.hide((settings.password,))
    engine, today = connect(settings), open_clock(ServiceSettings.load().clock).now().date()
    if arguments.warehouse_command == "missing":
        paths = Paths(PathSettings.load())
        paths.require_mounts()
        return _show_missing(lacking_days(engine, paths, RetentionSettings.load(), today))
    if arguments.warehouse_command == "migrate":
        done = prepare(engine, today, may_destroy=frozenset(arguments.may_destroy))
        print(f"applied     {', '.join(done.versions) or 'nothing: every version was there'}")
        print(f"made        {len(done.partitions)} partitions")
    found = readiness(engine, today)
    _show(found)
    return int(bool(found.pending or found.missing_partitions or not found.access.complete))


def _show_missing(lacking: Sequence[tuple[WarehouseTable, date]]) -> int:
    for table, day in lacking:
        print(f"{day}  {table}")
    if lacking:
        print("`observer backup restore warehouse` loads them; `close_day` of a day does, too.")
    else:
        print("nothing: PostgreSQL has every day that is kept as the lake has it")
    return int(bool(lacking))


def _show(found: Readiness) -> None:
    print(f"versions    {'missing: ' + ', '.join(found.pending) if found.pending else 'all applied'}")
    print(f"partitions  of {found.days[0]} to {found.days[-1]}: {len(found.missing_partitions)} missing")
    access = found.access
    print(f"roles       {'complete' if access.complete else 'incomplete'}")
    for role in access.missing:
        print(f"            {role} is missing")
    for lacking in access.unreadable:
        print(f"            no rights: {lacking}")
    if access.remedy:
        print(f"            {access.remedy}")
