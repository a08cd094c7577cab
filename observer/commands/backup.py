"""`observer backup`: copies of the data leave the node, are looked after, and come back.

Invariant: `ship` and `dump` change no data on the node, `restore` none at the target, and `status` and
`verify` none at all; of a target that is new to this node the catalogue is taken over. A target that belongs
to another deployment is refused by all of them; `take-over` alone changes whose it is.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from observer_core import logs
from observer_core.clock import RealClock
from observer_core.clock.base import kst_datetime
from observer_core.errors import InputError
from observer_core.settings import BackupSettings, DatabaseSettings, Paths, PathSettings, ServiceSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from observer_core.backup.dumps import Dump
    from observer_core.backup.objects import Fault
    from observer_core.backup.target import Target

_SHOWN = 20
_MEGABYTE = 1 << 20


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `backup ship`, `dump`, `status`, `verify`, `restore` and `take-over`."""
    parser = subparsers.add_parser("backup", help="copy the data to the backup target, and restore them")
    choices = parser.add_subparsers(dest="backup_command", metavar="COMMAND", required=True)
    shipping = choices.add_parser("ship", help="bring everything sealed to the target that has not left yet")
    shipping.set_defaults(work=_ship)
    dumping = choices.add_parser("dump", help="dump the databases to the target, and let old dumps go")
    dumping.set_defaults(work=_dump)
    standing = choices.add_parser(
        "status", help="what has left, what waits, what is overdue; exit 1 if wrong"
    )
    standing.set_defaults(work=_status)
    verifying = choices.add_parser("verify", help="is everything still at the target? exit 1 if not")
    verifying.add_argument("--full", action="store_true", help="read every byte, not names and sizes only")
    verifying.set_defaults(work=_verify)
    _add_restore(choices.add_parser("restore", help="bring data back; nothing on the node is replaced"))
    taking = choices.add_parser("take-over", help="make this deployment the owner of a renamed one's target")
    taking.add_argument("--from", required=True, dest="former", metavar="NAME", help="whose it is until now")
    taking.set_defaults(work=_take_over)


def _add_restore(parser: argparse.ArgumentParser) -> None:
    parts = parser.add_subparsers(dest="part", metavar="PART", required=True)
    files = parts.add_parser("files", help="journal, lake, universe, symbols, master files, quarantine")
    files.add_argument("--since", metavar="YYYY-MM-DD", help="leave out what belongs to an earlier day")
    files.set_defaults(work=_restore_files)
    dump = parts.add_parser("dump", help="a database from its dump, into an empty database")
    dump.add_argument("--database", default="", metavar="NAME", help="whose dump; default: DB_NAME")
    dump.add_argument("--into", default="", metavar="NAME", help="the empty database; default: the same name")
    dump.add_argument(
        "--key", default="", metavar="KEY", help="which dump, as `status` lists it; the last one"
    )
    dump.set_defaults(work=_restore_dump)
    warehouse = parts.add_parser("warehouse", help="the warehouse's tables from the lake, without a dump")
    warehouse.set_defaults(work=_restore_warehouse)


@dataclass(frozen=True, slots=True)
class _Context:
    """What every command works with."""

    paths: Paths
    settings: BackupSettings
    arguments: argparse.Namespace

    @property
    def target(self) -> Target:
        from observer_core.backup.opening import require_target

        return require_target(self.settings)


def run(arguments: argparse.Namespace) -> int:
    """Runs the chosen command.

    Returns:
        0 done and well, 1 something is missing, damaged or overdue.

    Raises:
        ObserverError: The target, the database or a setting is at fault.
    """
    settings = BackupSettings.load()
    logs.hide((settings.access_key, settings.secret_key, DatabaseSettings.load().password))
    paths = Paths(PathSettings.load())
    paths.require_mounts()
    logs.configure(ServiceSettings.load(), program="backup", folder=paths.settings.maintenance_log_dir)
    status: int = arguments.work(_Context(paths, settings, arguments))
    return status


def _ship(context: _Context) -> int:
    from observer_core.backup.shipping import ship

    done = ship(context.paths, context.target, RealClock())
    print(
        f"{done.sent} of {done.files} files left for {done.target} ({_size(done.bytes)}), "
        f"{done.found} had arrived before, {len(done.faults)} are damaged."
    )
    return _show_faults(done.faults)


def _dump(context: _Context) -> int:
    from observer_core.backup.dumps import dump_databases

    done = dump_databases(
        context.paths, context.settings, DatabaseSettings.load(), context.target, RealClock()
    )
    for dump in done.made:
        print(_line(dump))
    for key in done.removed:
        print(f"removed {key}")
    return 0


def _status(context: _Context) -> int:
    from observer_core.backup.dumps import stored_dumps
    from observer_core.backup.shipping import standing

    target = context.target
    now = standing(context.paths, target, RealClock().now_ns())
    last = f"{kst_datetime(now.last_left_ns):%Y-%m-%d %H:%M:%S}" if now.last_left_ns else "never"
    print(f"target    {now.target}")
    print(f"owner     {now.owner or 'nobody yet; the first that ships'}")
    if now.problem:
        print(f"problem   {now.problem}")
        return 1
    if now.same_volume:
        print("problem   the target lies on the data's own volume, and is lost with it")
    print(f"left      {now.left} files, {_size(now.left_bytes)}, the last one {last} (Korea)")
    print(f"waiting   {len(now.waiting)} files, {len(now.overdue)} of them for more than an hour")
    for one in now.overdue[:_SHOWN]:
        print(f"overdue   {one.path}")
    dumps, faults = stored_dumps(context.paths, target)
    for dump in dumps:
        print(_line(dump))
    return max(_show_faults((*now.faults, *faults)), int(bool(now.overdue)))


def _verify(context: _Context) -> int:
    from observer_core.backup.verifying import verify

    seen = verify(context.paths, context.target, thorough=context.arguments.full)
    how = "read whole" if seen.thorough else "by name and size"
    print(f"{seen.objects} objects, {_size(seen.bytes)}, {how}: {len(seen.faults)} faults.")
    return _show_faults(seen.faults)


def _restore_files(context: _Context) -> int:
    from observer_core.backup.restoring import restore_files

    done = restore_files(context.paths, context.target, since=_day(context.arguments.since))
    print(
        f"{done.restored} files restored ({_size(done.bytes)}), {done.present} were there, "
        f"{len(done.faults)} were not restored."
    )
    return _show_faults(done.faults)


def _restore_dump(context: _Context) -> int:
    from observer_core.backup.dumps import restore_dump

    database, asked = DatabaseSettings.load(), context.arguments
    name = asked.database or database.name
    into = database.model_copy(update={"name": asked.into or name})
    dump = restore_dump(context.paths, context.settings, into, context.target, database=name, key=asked.key)
    print(f"{into.name} is {dump.key}: {dump.tables} tables with rows.")
    return 0


def _restore_warehouse(context: _Context) -> int:
    from observer_core.retention.reloading import reload_warehouse
    from observer_core.settings import RetentionSettings
    from observer_core.warehouse import connect

    engine = connect(DatabaseSettings.load())
    loaded = reload_warehouse(engine, context.paths, RetentionSettings.load(), RealClock().now().date())
    for table, rows in loaded.items():
        print(f"{rows:>12,}  {table}")
    return 0


def _take_over(context: _Context) -> int:
    from observer_core.backup.ownership import take_over

    target = context.target
    name = take_over(context.paths, target, former=context.arguments.former)
    print(f"{target.name} belongs to {name}.")
    return 0


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"--since is {text!r}.", remedy="Write it as YYYY-MM-DD.") from error


def _show_faults(faults: Sequence[Fault]) -> int:
    for fault in faults:
        print(f"fault     {fault.path}: {fault.problem}")
    return int(bool(faults))


def _line(dump: Dump) -> str:
    return (
        f"dump      {dump.key}: {kst_datetime(dump.made_ns):%Y-%m-%d %H:%M} (Korea), {dump.tables} tables, "
        f"{_size(dump.bytes)}, PostgreSQL {dump.server}"
    )


def _size(number: int) -> str:
    return f"{number / _MEGABYTE:,.1f} MB"
