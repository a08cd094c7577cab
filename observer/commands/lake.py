"""`observer lake`: what the lake holds."""

from __future__ import annotations

import argparse

from observer_core.lake.dictionary import render_dictionary


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `lake dictionary`."""
    parser = subparsers.add_parser("lake", help="describe the tables")
    choices = parser.add_subparsers(dest="lake_command", required=True)
    choices.add_parser("dictionary", help="print the data dictionary")


def run(arguments: argparse.Namespace) -> int:
    """Prints the data dictionary."""
    print(render_dictionary(), end="")
    return 0
