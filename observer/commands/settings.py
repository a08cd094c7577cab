"""`observer settings`: what the environment of a deployment may hold."""

from __future__ import annotations

import argparse

from observer_core.settings.example import render_example


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `settings example`."""
    parser = subparsers.add_parser("settings", help="describe the environment variables")
    choices = parser.add_subparsers(dest="settings_command", required=True)
    choices.add_parser("example", help="print `.env.example`")


def run(arguments: argparse.Namespace) -> int:
    """Prints `.env.example`."""
    print(render_example(), end="")
    return 0
