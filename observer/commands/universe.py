"""`observer universe`: what the broker's master files make of the universe.

Invariant: `build` writes nothing; it shows what the filters of the environment would choose.
"""

from __future__ import annotations

import argparse
import json
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from observer_core.reference.universe import Universe

_SOURCE = "kis-master"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `universe build` and `universe listing`."""
    parser = subparsers.add_parser("universe", help="build the universe from the broker's master files")
    choices = parser.add_subparsers(dest="universe_command", metavar="COMMAND", required=True)
    build = choices.add_parser("build", help="print the universe; writes nothing")
    _add_master_dir(build)
    build.add_argument("--date", metavar="YYYY-MM-DD", help="label of the result; default: today in Korea")
    build.add_argument("--json", action="store_true", help="print one JSON object, with the symbols")
    listing = choices.add_parser("listing", help="make the listing that ships with the package anew")
    _add_master_dir(listing)
    listing.add_argument("--output", type=Path, required=True, metavar="FILE", help="the file to write")


def run(arguments: argparse.Namespace) -> int:
    """Runs the sub-command.

    Raises:
        ObserverError: A master file is missing or damaged, or the date is none.
    """
    from observer_core.brokers.kis.master_files import read_masters

    if arguments.universe_command == "listing":
        from observer_core.files import write_atomically
        from observer_core.reference.listing import write_listing

        instruments = read_masters(arguments.master_dir)
        write_atomically(arguments.output, write_listing(instruments))
        print(f"{len(instruments):,} instruments in {arguments.output}")
        return 0

    from observer_core.reference.universe import build_universe
    from observer_core.settings import UniverseSettings

    day = _day(arguments.date)
    instruments = read_masters(arguments.master_dir)
    universe = build_universe(instruments, UniverseSettings.load(), day, symbols_date=day, source=_SOURCE)
    print(_as_json(universe) if arguments.json else _as_text(universe))
    return 0


def _add_master_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--master-dir",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder with kospi_code.mst.zip and kosdaq_code.mst.zip (or the .mst files)",
    )


def _day(text: str | None) -> date:
    from observer_core.clock import RealClock
    from observer_core.errors import InputError

    if text is None:
        return RealClock().now().date()
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a label, no instant
    except ValueError as error:
        raise InputError(f"--date is {text!r}.", remedy="Write it as YYYY-MM-DD.") from error


def _as_json(universe: Universe) -> str:
    return json.dumps(
        {
            "date": universe.day.isoformat(),
            "rows": universe.rows,
            "universe_size": universe.size,
            "excluded": universe.excluded,
            "source": universe.source,
            "symbols": [symbol.code for symbol in universe.symbols],
        }
    )


def _as_text(universe: Universe) -> str:
    lines = [
        f"Universe of {universe.day} from {universe.source}",
        f"{universe.rows:>8,}  instruments read",
        *(f"{-count:>8,}  excluded: {reason}" for reason, count in universe.excluded.items()),
        f"{universe.size:>8,}  in the universe",
    ]
    return "\n".join(lines)
