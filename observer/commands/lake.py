"""`observer lake`: what the lake holds, and whether its files still are what was published.

Invariant: nothing of the lake is changed.
"""

from __future__ import annotations

import argparse
from collections import Counter
from datetime import date
from pathlib import Path

from observer_core.errors import ConfigurationError
from observer_core.lake import receipts
from observer_core.lake.dictionary import render_dictionary
from observer_core.settings import Paths, PathSettings


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `lake dictionary` and `lake verify`."""
    parser = subparsers.add_parser("lake", help="describe the tables; compare the files with their receipts")
    choices = parser.add_subparsers(dest="lake_command", metavar="COMMAND", required=True)
    choices.add_parser("dictionary", help="print the data dictionary")
    verifying = choices.add_parser(
        "verify", help="read closed days and compare their bytes with the receipts; exit 1 if a file differs"
    )
    verifying.add_argument(
        "--data", type=Path, help="the data folder; the mounts of the deployment where it is left out"
    )
    verifying.add_argument(
        "days", nargs="*", type=date.fromisoformat, metavar="YYYY-MM-DD", help="all closed days if none"
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs the chosen command.

    Returns:
        0 done, 1 a file is damaged or missing.
    """
    if arguments.lake_command == "verify":
        return _verify(_paths(arguments.data), arguments.days)
    print(render_dictionary(), end="")
    return 0


def _paths(data: Path | None) -> Paths:
    if data is None:
        paths = Paths(PathSettings.load())
        paths.require_mounts()
        return paths
    paths = Paths.of_data(data)
    if not paths.lake.is_dir():
        raise ConfigurationError(
            f"{paths.lake} is not there.", remedy="Name the data folder of a deployment with --data."
        )
    return paths


def _verify(paths: Paths, days: list[date]) -> int:
    found: Counter[receipts.FileState] = Counter()
    for day in days or receipts.closed_days(paths):
        if not receipts.is_closed(paths, day):
            print(f"open      {day}: its files are compared once it is closed")
        for path, state in receipts.day_files(paths, day).items():
            found[state] += 1
            if state is not receipts.FileState.WHOLE:
                print(f"{state:<9} {path}")
    print(", ".join(f"{found[state]} {state}" for state in receipts.FileState))
    return int(any(found[state] for state in (receipts.FileState.DAMAGED, receipts.FileState.MISSING)))
