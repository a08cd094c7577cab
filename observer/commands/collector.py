"""`observer collector`: the long-running service that records the market feed."""

from __future__ import annotations

import argparse
import sys

from observer_collector.service import run as run_service
from observer_core.settings import Settings

# In a process of its own: a slow or hanging verification must not hold up the intake's event loop.
VERIFICATION = (sys.executable, "-m", "observer", "contracts", "verify", "--runtime", "--format", "json")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the sub-command; it has no options, its settings are environment variables."""
    subparsers.add_parser(
        "collector",
        help="record the market feed (the long-running service)",
        description="Records the market feed until SIGTERM. `.env.example` describes its environment.",
    )


def run(_: argparse.Namespace) -> int:
    """Runs the collector and returns its exit status."""
    return run_service(Settings.load(), verification=VERIFICATION)
